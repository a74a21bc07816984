"""OUTSIDE: what native code is in a wheel, and whether it can be for the wheel's platforms.

Found by the first bytes of each file (`bundler.wheel.magic`), parsed by LIEF in another process
(`bundler.wheel.parsing`). Inside, nothing of this runs: there, digests say that what was found is
still what is in the wheel.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bundler.answerer import Answerer, NoAnswerError
from bundler.model.contents import Native, NativeFormat, Role
from bundler.wheel.examine import Member
from bundler.wheel.fault import Fault

MAX_NATIVE: Final = 2 << 30
"""Bytes; what is larger is listed by its digest, and not parsed."""

_PATIENCE: Final = 60.0
"""Seconds; the largest library of the public index takes two."""

# glibc gives large blocks back at once, and the system clears them anew for the next library.
_MALLOC: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(1 << 26),
}

_PROGRAM: Final = Path(__file__).with_name("parsing.py")

_EXTENSION: Final = re.compile(
    r"[^.]+(?:\.[\w-]+)?\.pyd"
    r"|[^.]+\.(?:cpython-[\w-]+|abi3t?|pypy\d+-[\w-]+|graalpy[\w-]+)\.so"
    r"|(?!lib)[^.]+\.so",
    re.ASCII,
)
_LIBRARY: Final = re.compile(r".+\.(?:dll|dylib|so(?:\.[\w.]+)?)", re.ASCII | re.IGNORECASE)
_TESTS: Final = frozenset({"test", "tests", "testing", "testdata", "test_data"})

_LINUX: Final = {"i686": "x86", "armv7l": "arm", "armv6l": "arm"}
_WINDOWS: Final = {"win32": "x86", "win_amd64": "x86_64", "win_arm64": "aarch64"}
_MACOS: Final = {
    "arm64": ("aarch64",),
    "universal2": ("aarch64", "x86_64"),
    "intel": ("x86", "x86_64"),
    "universal": ("ppc", "ppc64", "x86", "x86_64"),
}
_ALSO_RUNS: Final = {"x86_64": ("x86",), "aarch64": ("arm", "x86", "x86_64")}
"""What the same systems can run beside their own, if not load into Python."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the parser says of a library; see `Native` for the attributes."""

    architectures: tuple[str, ...] = ()
    program: bool = False
    name: str | None = None
    build: str | None = None
    needed: tuple[str, ...] = ()


class NativeParser:
    """The other process; a context manager, to be shared between threads.

    It is started with the first library, and again after one that it did not survive.
    """

    def __init__(self, program: Path = _PROGRAM) -> None:
        self._lock = threading.Lock()
        self._process = Answerer(program, _MALLOC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._process.end()

    def parse(self, form: NativeFormat, path: Path) -> Facts | None:
        """What is in a file; None when the parser cannot read it."""
        try:
            with self._lock:
                found = self._process.ask([form, str(path)], _PATIENCE)
            return _facts(found) if found else None
        except (NoAnswerError, KeyError, TypeError):  # taken over, perhaps
            return None


def _facts(found: object) -> Facts:
    if not isinstance(found, dict):
        raise TypeError
    return Facts(
        architectures=_texts(found["architectures"]),
        program=bool(found["program"]),
        name=_text(found["name"]),
        build=_text(found["build"]),
        needed=_texts(found["needed"]),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(str(each) for each in value)


def describe(member: Member, form: NativeFormat, facts: Facts | None) -> Native:
    """A library as it goes into a document; `facts` is None when it could not be parsed."""
    known = facts or Facts()
    return Native(
        path=member.path,
        blob=member.blob,
        format=form,
        role=_role(member.path, program=known.program),
        architectures=known.architectures,
        name=known.name,
        build=known.build,
        needed=known.needed,
    )


def native_faults(natives: Iterable[Native], platforms: Iterable[str]) -> Iterator[Fault]:
    """Each library that cannot be loaded where the wheel's platform tags say that it is for.

    Extension modules and libraries must be of the platform's format and machine; libraries may also
    be of a machine that it runs beside its own (a debugger's parts for 32 bits). Free are programs
    (launchers for other systems), what lies in a folder of tests, and all of a wheel for any
    platform.
    """
    expected = [_expected(platform) for platform in sorted(platforms)]
    if not expected or None in expected:  # "any", or a platform that is not known here
        return
    allowed = {(form, machine) for each in expected if each for form, machine in each}
    beside = {(form, more) for form, own in allowed for more in _ALSO_RUNS.get(own, ())}
    for native in natives:
        if native.role in {"program", "other"} or _TESTS.intersection(native.path.split("/")):
            continue
        if native.blob.size > MAX_NATIVE:
            continue
        if not native.architectures:
            yield Fault("native-unreadable", f"begins as {native.format} and is none", native.path)
            continue
        found = {(native.format, machine) for machine in native.architectures}
        if not found & (allowed if native.role == "extension" else allowed | beside):
            own = " and ".join(native.architectures)
            meant = ", ".join(sorted(f"{form} for {machine}" for form, machine in allowed))
            text = f"is {native.format} for {own}, the wheel is for {meant}"
            yield Fault("native-platform", text, native.path)


def _expected(platform: str) -> frozenset[tuple[NativeFormat, str]] | None:
    """Formats and machines of a platform tag; None when it does not say."""
    if machine := _WINDOWS.get(platform):
        return frozenset({("pe", machine)})
    if found := re.fullmatch(r"(?:many|musl)?linux(?:1|20\d\d|_\d+_\d+)?_(\w+)", platform):
        return frozenset({("elf", _LINUX.get(found[1], found[1]))})
    if found := re.fullmatch(r"macosx_\d+_\d+_(\w+)", platform):
        return frozenset(("mach-o", machine) for machine in _MACOS.get(found[1], (found[1],)))
    return None


def _role(path: str, *, program: bool) -> Role:
    folder, _, name = path.rpartition("/")
    if program:
        return "program"
    if any(part.endswith(".libs") or part == ".dylibs" for part in folder.split("/")):
        return "vendored"
    if _EXTENSION.fullmatch(name):
        return "extension"
    return "vendored" if _LIBRARY.fullmatch(name) else "other"
