"""A target: the interpreter and platform that packages will be installed on, far from this host.

A target is derived from two words of the profile, a Python version and a platform name, and never
from the host that runs this code. Platform names are those of `uv --python-platform`; compatible
tags follow the platform compatibility tags specification, each lower glibc, musl and macOS version
and each legacy alias included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.version import Version

_PYTHON = re.compile(r"3\.(\d{1,2})(t?)", re.ASCII)
_OLDEST_MINOR, _NEWEST_MINOR = 9, 15
_MANYLINUX = re.compile(r"(x86_64|aarch64)-manylinux(?:_2_(\d{1,2})|(2014))", re.ASCII)
_LEGACY_ALIAS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}
_OLDEST_GLIBC_TARGET, _NEWEST_GLIBC = 17, 99

# What uv means by the names that carry no version.
_DEFAULT_GLIBC, _DEFAULT_MUSL, _DEFAULT_MACOS = 28, (1, 2), (13, 0)
_ALIASES = {
    "linux": "x86_64-unknown-linux-gnu",
    "windows": "x86_64-pc-windows-msvc",
    "macos": "aarch64-apple-darwin",
}
PLATFORM_EXAMPLES = (
    "x86_64-manylinux_2_28",
    "aarch64-manylinux_2_28",
    "x86_64-unknown-linux-musl",
    "x86_64-pc-windows-msvc",
    "aarch64-apple-darwin",
)


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and machine, as wheels and markers see it.

    Attributes:
        name: As written in the profile.
        tags: Compatible platform tags, most preferred first.
        os_name, sys_platform, system, machine: Marker values (PEP 508).
    """

    name: str
    tags: tuple[str, ...]
    os_name: str
    sys_platform: str
    system: str
    machine: str


@dataclass(frozen=True)
class Target:
    """One interpreter on one platform; equal when both words are equal."""

    python: str
    platform: Platform

    @property
    def name(self) -> str:
        """In reports, locks and manifests: `cp312-x86_64-manylinux_2_28`."""
        minor, threading = _split_python(self.python)
        return f"cp3{minor}{threading}-{self.platform.name}"

    @property
    def python_version(self) -> Version:
        """The oldest release of the Python version, which `Requires-Python` is compared with."""
        return Version(f"3.{_split_python(self.python)[0]}.0")

    @cached_property
    def tags(self) -> dict[Tag, int]:
        """Every compatible tag with its rank; 0 is the most preferred."""
        minor, threading = _split_python(self.python)
        version, interpreter = (3, minor), f"cp3{minor}"
        ordered = [
            *cpython_tags(version, [interpreter + threading], self.platform.tags),
            *compatible_tags(version, interpreter, self.platform.tags),
        ]
        ranks: dict[Tag, int] = {}
        for tag in ordered:
            ranks.setdefault(tag, len(ranks))
        return ranks

    @cached_property
    def environment(self) -> dict[str, str]:
        """The marker environment (dependency specifiers, "Environment Markers").

        Release and version of the operating system are empty: no profile can know them.
        """
        full = str(self.python_version)
        return {
            "implementation_name": "cpython",
            "implementation_version": full,
            "os_name": self.platform.os_name,
            "platform_machine": self.platform.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": self.platform.system,
            "platform_version": "",
            "python_full_version": full,
            "python_version": full.removesuffix(".0"),
            "sys_platform": self.platform.sys_platform,
        }


def parse_target(python: str, platform: str) -> Target:
    """The target that two words of a profile name.

    Raises:
        ValueError: if either word is not known; the message lists what is.
    """
    _split_python(python)
    return Target(python, parse_platform(platform))


def parse_platform(name: str) -> Platform:
    """The platform that uv means by `name`.

    Raises:
        ValueError: if no platform has that name.
    """
    canonical = _ALIASES.get(name, name)
    if match := _MANYLINUX.fullmatch(canonical):
        machine, minor, _ = match.groups()
        glibc = int(minor or _OLDEST_GLIBC_TARGET)
        if _OLDEST_GLIBC_TARGET <= glibc <= _NEWEST_GLIBC:
            return _linux(name, machine, _glibc_tags(machine, glibc))
    machine, _, system = canonical.partition("-")
    if system == "unknown-linux-gnu" and machine in _OLDEST_GLIBC:
        return _linux(name, machine, _glibc_tags(machine, _DEFAULT_GLIBC))
    if system == "unknown-linux-musl" and machine in _OLDEST_GLIBC:
        return _linux(name, machine, _musl_tags(machine))
    if system == "pc-windows-msvc" and machine in _WINDOWS:
        tag, marker = _WINDOWS[machine]
        return Platform(name, (tag,), "nt", "win32", "Windows", marker)
    if system == "apple-darwin" and machine in _MACOS:
        arch = _MACOS[machine]
        tags = tuple(mac_platforms(_DEFAULT_MACOS, arch))
        return Platform(name, tags, "posix", "darwin", "Darwin", arch)
    raise ValueError(
        f"unknown platform {name!r}; known are uv's names, such as {', '.join(PLATFORM_EXAMPLES)}"
    )


# The marker values are what CPython's `platform.machine()` answers there.
_WINDOWS = {
    "x86_64": ("win_amd64", "AMD64"),
    "i686": ("win32", "x86"),
    "aarch64": ("win_arm64", "ARM64"),
}
_MACOS = {"x86_64": "x86_64", "aarch64": "arm64"}


def _split_python(python: str) -> tuple[int, str]:
    match = _PYTHON.fullmatch(python)
    if match and _OLDEST_MINOR <= int(match[1]) <= _NEWEST_MINOR:
        return int(match[1]), match[2]
    raise ValueError(
        f"unknown Python {python!r}; known are 3.{_OLDEST_MINOR} to 3.{_NEWEST_MINOR},"
        ' with "t" behind it for the free-threaded build'
    )


def _linux(name: str, machine: str, tags: Iterator[str]) -> Platform:
    return Platform(name, tuple(tags), "posix", "linux", "Linux", machine)


def _glibc_tags(machine: str, newest: int) -> Iterator[str]:
    """PEP 600: every glibc from the target's own down to the oldest, with its legacy alias."""
    for minor in range(newest, _OLDEST_GLIBC[machine] - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _LEGACY_ALIAS:
            yield f"{_LEGACY_ALIAS[minor]}_{machine}"
    yield f"linux_{machine}"


def _musl_tags(machine: str) -> Iterator[str]:
    """PEP 656: the target's musl and every older one."""
    major, newest = _DEFAULT_MUSL
    for minor in range(newest, -1, -1):
        yield f"musllinux_{major}_{minor}_{machine}"
    yield f"linux_{machine}"
