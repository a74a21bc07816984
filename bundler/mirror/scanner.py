"""Somebody else's scanner: a command that says by its exit code whether a file may pass.

It is run without a shell, with an environment of three variables, without input, and not for ever;
what it writes is kept to some length.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bundler.errors import BundlerError

TIMEOUT: Final = 3600.0
"""Seconds that one run may take, if nothing else is said."""

OUTPUT: Final = 16_384
"""Bytes of a scanner's output that are kept; it may write more."""

ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/",
    }
)

_FILE, _FOLDER = "{file}", "{folder}"
_POLL = 0.1


@dataclass(frozen=True, slots=True)
class Scanner:
    """A command; `timeout` is in seconds, for one run.

    Attributes:
        words: The program's path, then its arguments, with `{file}` or `{folder}` in one of them.
    """

    words: tuple[str, ...]
    timeout: float = TIMEOUT

    @property
    def is_for_files(self) -> bool:
        """Whether it is run once for each file, not once for the folder of all."""
        return any(_FILE in word for word in self.words)

    def words_for(self, path: Path) -> list[str]:
        """The command for one file or folder."""
        return [word.replace(_FILE, str(path)).replace(_FOLDER, str(path)) for word in self.words]


def parse_scanner(command: str, timeout: float = TIMEOUT) -> Scanner:
    """Split a command as a shell would, and find its program; nothing else of a shell is there.

    Raises:
        BundlerError: if it has none or both of `{file}` and `{folder}`, or no such program.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise BundlerError(f"the scanner {command!r:.200} is no command: {error}") from error
    placed = {mark for mark in (_FILE, _FOLDER) if any(mark in word for word in words[1:])}
    if len(placed) != 1:
        raise BundlerError(
            f"the scanner {command!r:.200} must have one of {_FILE} and {_FOLDER} as an argument",
            hint=f"{_FILE}: run once for each file; {_FOLDER}: once for the folder that has all",
        )
    program = words[0]
    found = shutil.which(program, path=ENVIRONMENT["PATH"])
    if found is None or ("/" in program and not program.startswith("/")):
        raise BundlerError(
            f"the scanner {program!r:.200} is not there, or may not be run",
            hint=f"give its whole path, or put it into one of {ENVIRONMENT['PATH']}",
        )
    return Scanner((found, *words[1:]), timeout)


def run_scanner(scanner: Scanner, path: Path) -> str | None:
    """Why the scanner does not let `path` pass; None if it does."""
    reading, writing = os.pipe()
    try:
        process = _start(scanner.words_for(path), writing)
        with process:
            try:
                output = _watch(process, reading, time.monotonic() + scanner.timeout)
                code = process.poll()
            finally:
                with suppress(ProcessLookupError):  # also whatever it has started
                    os.killpg(process.pid, signal.SIGKILL)
    except OSError as error:
        return f"{scanner.words[0]} cannot be run: {error.strerror or error}"
    finally:
        os.close(reading)
    said = f": {text}" if (text := output.decode(errors="replace").strip()) else ""
    if code is None:
        return f"did not end within {scanner.timeout:g} seconds{said}"
    if code < 0:
        return f"was ended by signal {-code}{said}"
    return f"exit code {code}{said}" if code else None


def _start(words: list[str], output: int) -> subprocess.Popen[bytes]:
    """Run it in a session of its own, so that it can be ended with all that it starts."""
    try:
        return subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(ENVIRONMENT),
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(output)


def _watch(process: subprocess.Popen[bytes], pipe: int, deadline: float) -> bytes:
    """Read what it writes until it has ended, or until the deadline; the begin of that."""
    kept, is_open = bytearray(), True
    while (left := deadline - time.monotonic()) > 0:
        has_ended = process.poll() is not None
        ready = is_open and select.select([pipe], [], [], min(left, _POLL))[0]
        if ready:
            chunk = os.read(pipe, OUTPUT)
            kept += chunk[: OUTPUT - len(kept)]
            is_open = bool(chunk)
        elif has_ended:  # it may have left something running that holds the pipe
            break
        elif not is_open:
            with suppress(subprocess.TimeoutExpired):
                process.wait(min(left, _POLL))
    return bytes(kept)
