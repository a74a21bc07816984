"""READMEs as HTML, rendered in other processes with bounds on size, time and memory."""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from bundler.mirror.web.markup import Html, element, raw

MAX_README: Final = 256 * 1024
"""Characters; what is longer is shown as plain text, cut there."""

MAX_RENDERED: Final = 2 * 1024 * 1024
"""Characters of HTML; more than that is shown as plain text."""

PATIENCE: Final = 3.0
"""Seconds for one; most take a few thousandths."""

MOST_GIVEN_UP: Final = 100
"""After so many that did not end in time, no more is rendered: someone wants to keep us busy."""

_START: Final = 20.0  # seconds to load the libraries

_CHUNK: Final = 1 << 16
_MOST_ANSWERED: Final = 12 * MAX_RENDERED  # bytes: JSON has at most so many for a character

_PROGRAM: Final = Path(__file__).with_name("rendering.py")


class Readmes:
    """Renders READMEs for several threads; a context manager.

    A process is started with the first one that needs it, and again after one that it did not
    survive.
    """

    def __init__(
        self, workers: int | None = None, patience: float = PATIENCE, program: Path = _PROGRAM
    ) -> None:
        self._patience = patience
        self._given_up = 0
        self._idle = queue.SimpleQueue[_Worker]()
        self.processes = workers or len(os.sched_getaffinity(0))
        self._workers = [_Worker(program) for _ in range(self.processes)]
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.end()

    def render(self, kind: str, text: str) -> Html:
        """A README of a content type (core metadata, "Description-Content-Type").

        What cannot be rendered within the bounds is shown as the plain text that it is.
        """
        found = self._ask(kind, text) if len(text) <= MAX_README else None
        if found is not None and len(found) <= MAX_RENDERED:
            return raw(found)
        return element("pre", {"class": "plain"}, text[:MAX_README])

    def _ask(self, kind: str, text: str) -> str | None:
        worker = self._idle.get()
        try:
            if self._given_up >= MOST_GIVEN_UP:
                return None
            # So all together take little longer than the first few.
            found = worker.ask(kind, text, self._patience / (1 + self._given_up))
            self._given_up += found is _GONE
            return found if isinstance(found, str) else None
        finally:
            self._idle.put(worker)


_GONE: Final = object()
"""In place of an answer: the process died, or was ended."""


class _Worker:
    """One process; whoever asks has it for itself."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self, kind: str, text: str, patience: float) -> object:
        """HTML, None, or `_GONE`."""
        try:
            if self._child is None:
                self._child = self._start()
                json.loads(_answer(self._child, json.dumps(["text/plain", ""]), _START))
            return json.loads(_answer(self._child, json.dumps([kind, text]), patience))
        except (ValueError, RecursionError):
            self.end()
            return _GONE

    def end(self) -> None:
        """End the process; the next question starts another."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            with suppress(OSError):  # what was to be written can no longer be
                child.communicate()

    def _start(self) -> subprocess.Popen[bytes]:
        # Neither this process's secrets nor a module from the folder it was started in.
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return subprocess.Popen(  # noqa: S603 - our own program, by its path
            [sys.executable, "-P", "-u", str(self._program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=keep,
        )


def _answer(child: subprocess.Popen[bytes], question: str, patience: float) -> bytes:
    """One line for another; empty when the process has ended, or takes too long.

    No thread watches it: to start one would take longer than many a README.
    """
    if child.stdin is None or child.stdout is None:
        return b""
    deadline, left, answer = time.monotonic() + patience, f"{question}\n".encode(), bytearray()
    os.set_blocking(child.stdin.fileno(), False)  # so that it cannot keep us by not reading
    try:
        while left and _is_ready(child.stdin, select.POLLOUT, deadline):
            left = left[os.write(child.stdin.fileno(), left) :]
    except BrokenPipeError:
        return b""
    while not answer.endswith(b"\n"):
        ready = _is_ready(child.stdout, select.POLLIN, deadline)
        more = os.read(child.stdout.fileno(), _CHUNK) if ready else b""
        if not more or len(answer) > _MOST_ANSWERED:
            return b""
        answer += more
    return bytes(answer)


def _is_ready(pipe: IO[bytes], event: int, deadline: float) -> bool:
    """Wait until one can write, or read; False when that is not so before the deadline."""
    poll = select.poll()
    poll.register(pipe, event)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
