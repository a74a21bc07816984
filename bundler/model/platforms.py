"""Platform words: the names that uv uses, and the platform tags of wheels.

Every word stands for one platform tag, that of the most particular wheel that fits there, and this
tag says the rest: which other wheels fit, and what markers see. Sources: the platform compatibility
tags specification for Linux, macOS, Android and iOS, PEP 783 for Pyodide, uv's `--python-platform`
for its names. The order of tags is the one of `packaging.tags`, which pip follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from packaging.tags import android_platforms, ios_platforms, mac_platforms

OLDEST_GLIBC: Final[Mapping[str, int]] = {
    "x86_64": 5,
    "aarch64": 17,
    "i686": 5,
    "armv7l": 17,
    "loongarch64": 17,
    "ppc64": 17,
    "ppc64le": 17,
    "riscv64": 17,
    "s390x": 17,
}
"""The machines that Linux wheels are built for, as `uname -m` says, and the minor version of the
oldest glibc 2 that a wheel for them can ask for."""

_LEGACY_ALIAS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_LEGACY_GLIBC = {alias: minor for minor, alias in _LEGACY_ALIAS.items()}

# The marker values are what `platform.machine()` answers there.
_WINDOWS = {"win_amd64": "AMD64", "win32": "x86", "win_arm64": "ARM64"}
_ANDROID = {"arm64_v8a": "aarch64", "x86_64": "x86_64"}
_IOS = {
    "arm64_iphoneos": "arm64",
    "arm64_iphonesimulator": "arm64",
    "x86_64_iphonesimulator": "x86_64",
}
# The release is Emscripten's, which the year fixes.
_PYODIDE = {"2024": "3.1.58", "2025": "4.0.9"}

# CPython has not supported older ones since 3.9; arm64 begins with 11.
_OLDEST_MACOS = {"x86_64": (10, 9), "arm64": (11, 0)}
_LAST_MACOS_10 = (10, 15)


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and machine, as wheels and markers see it.

    Attributes:
        name: As written in the profile.
        tags: Compatible platform tags, most preferred first.
        os_name, sys_platform, system, machine, release, version: Marker values (PEP 508).
    """

    name: str
    tags: tuple[str, ...] = field(compare=False, repr=False)  # the name says them all
    os_name: str
    sys_platform: str
    system: str
    machine: str
    release: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class PlatformWord:
    """A name that is not a tag itself.

    Attributes:
        tag: The platform tag that it stands for.
        meaning: For people.
    """

    tag: str
    meaning: str


NAMES: Final[Mapping[str, PlatformWord]] = {
    "linux": PlatformWord("manylinux_2_28_x86_64", "x86_64-unknown-linux-gnu"),
    "macos": PlatformWord("macosx_13_0_arm64", "aarch64-apple-darwin"),
    "windows": PlatformWord("win_amd64", "x86_64-pc-windows-msvc"),
    "x86_64-unknown-linux-gnu": PlatformWord(
        "manylinux_2_28_x86_64", "Linux with glibc 2.28 or newer"
    ),
    "aarch64-unknown-linux-gnu": PlatformWord(
        "manylinux_2_28_aarch64", "Linux on ARM with glibc 2.28 or newer"
    ),
    "riscv64-unknown-linux": PlatformWord(
        "manylinux_2_39_riscv64", "Linux on RISC-V with glibc 2.39 or newer"
    ),
    "x86_64-unknown-linux-musl": PlatformWord(
        "musllinux_1_2_x86_64", "Alpine and the like, musl 1.2"
    ),
    "aarch64-unknown-linux-musl": PlatformWord(
        "musllinux_1_2_aarch64", "Alpine and the like on ARM, musl 1.2"
    ),
    "x86_64-apple-darwin": PlatformWord("macosx_13_0_x86_64", "macOS 13 or newer, Intel"),
    "aarch64-apple-darwin": PlatformWord("macosx_13_0_arm64", "macOS 13 or newer, Apple silicon"),
    "x86_64-pc-windows-msvc": PlatformWord("win_amd64", "64-bit Windows"),
    "i686-pc-windows-msvc": PlatformWord("win32", "32-bit Windows"),
    "aarch64-pc-windows-msvc": PlatformWord("win_arm64", "Windows on ARM"),
    "x86_64-linux-android": PlatformWord("android_24_x86_64", "Android API level 24, emulator"),
    "aarch64-linux-android": PlatformWord("android_24_arm64_v8a", "Android API level 24"),
    "arm64-apple-ios": PlatformWord("ios_13_0_arm64_iphoneos", "iOS 13"),
    "arm64-apple-ios-simulator": PlatformWord(
        "ios_13_0_arm64_iphonesimulator", "iOS 13, simulator on Apple silicon"
    ),
    "x86_64-apple-ios-simulator": PlatformWord(
        "ios_13_0_x86_64_iphonesimulator", "iOS 13, simulator on Intel"
    ),
    "wasm32-pyodide2024": PlatformWord(
        "pyemscripten_2024_0_wasm32", "Pyodide, ABI of 2024, Python 3.12"
    ),
    "wasm32-pyodide2025": PlatformWord(
        "pyemscripten_2025_0_wasm32", "Pyodide, ABI of 2025, Python 3.13"
    ),
}
"""Every name without a version of its own."""

FORMS: Final[Mapping[str, str]] = {
    "MACHINE-manylinux_2_N": "Linux with glibc 2.N or newer",
    "MACHINE-manylinux2014": "Linux with glibc 2.17 or newer",
    "MACHINE-musllinux_1_N": "Linux with musl 1.N or newer",
    "manylinux_2_N_MACHINE": "wheel tag: Linux with glibc 2.N or newer",
    "manylinux2014_MACHINE": "wheel tag: glibc 2.17; manylinux2010 is 2.12, manylinux1 is 2.5",
    "musllinux_1_N_MACHINE": "wheel tag: Linux with musl 1.N or newer",
    "linux_armv6l": "wheel tag: the first Raspberry Pi, for which there is no manylinux",
    "macosx_N_0_arm64": "wheel tag: macOS N or newer, Apple silicon",
    "macosx_N_0_x86_64": "wheel tag: macOS N or newer, Intel; also macosx_10_9 to macosx_10_15",
    "win_amd64": "wheel tag: 64-bit Windows",
    "win32": "wheel tag: 32-bit Windows",
    "win_arm64": "wheel tag: Windows on ARM",
    "android_N_ABI": "wheel tag: Android API level N; ABI is arm64_v8a or x86_64",
    "ios_N_0_arm64_iphoneos": "wheel tag: iOS N; also arm64_ and x86_64_iphonesimulator",
    "pyemscripten_YEAR_0_wasm32": "wheel tag: Pyodide of 2024 or 2025; also pyodide_YEAR_0_wasm32",
}
"""Every form of word with a version in it; MACHINE is one of `OLDEST_GLIBC`."""

_EXAMPLES = "x86_64-manylinux_2_28, x86_64-pc-windows-msvc, macosx_14_0_arm64"


def parse_platform(name: str) -> Platform:
    """The platform that `name` stands for: uv's name or a wheel's platform tag.

    Raises:
        ValueError: if no platform has that name.
    """
    tag = _platform_tag(name)
    for pattern, expand in _FAMILIES:
        if (match := pattern.fullmatch(tag)) and (platform := expand(name, match)):
            return platform
    if match := _NATIVE_LINUX.fullmatch(tag):
        machine = match[1]
        raise ValueError(
            f"the platform {name!r} names neither glibc nor musl, so that hardly any wheel fits;"
            f" write {machine}-manylinux_2_28 or {machine}-musllinux_1_2"
        )
    raise ValueError(
        f"unknown platform {name!r}; known are uv's names and the platform tags of wheels,"
        f" such as {_EXAMPLES}{_meant(name)}"
    )


def _meant(name: str) -> str:
    """Known words that are nearly `name`, or begin with it."""
    words = [*(f"{machine}-manylinux_2_28" for machine in OLDEST_GLIBC), *NAMES]
    beginning = name.replace("-", "_").lower()
    found = get_close_matches(name, words, n=1, cutoff=0.7) or [
        each for each in words if beginning and each.startswith(beginning)
    ]
    return f"; did you mean {' or '.join(found[:3])}?" if found else ""


def _platform_tag(name: str) -> str:
    """The one platform tag that a word stands for; a word that is none is left as it is."""
    if name in NAMES:
        return NAMES[name].tag
    if match := _LINUX_NAME.fullmatch(name):
        name = f"{match[2]}_{match[1]}"
    if match := _LEGACY.fullmatch(name):
        name = f"manylinux_2_{_LEGACY_GLIBC[match[1]]}_{match[2]}"
    return name


def _glibc(name: str, match: re.Match[str]) -> Platform | None:
    """PEP 600: every glibc from the target's own down to the oldest, with its legacy alias."""
    minor, machine = int(match[1]), match[2]
    if minor < OLDEST_GLIBC[machine]:
        return None
    return _linux(name, machine, _glibc_tags(machine, minor))


def _glibc_tags(machine: str, newest: int) -> Iterator[str]:
    for minor in range(newest, OLDEST_GLIBC[machine] - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _LEGACY_ALIAS:
            yield f"{_LEGACY_ALIAS[minor]}_{machine}"


def _musl(name: str, match: re.Match[str]) -> Platform:
    """PEP 656: the target's musl and every older one."""
    machine = match[2]
    tags = (f"musllinux_1_{minor}_{machine}" for minor in range(int(match[1]), -1, -1))
    return _linux(name, machine, tags)


def _linux(name: str, machine: str, tags: Iterator[str]) -> Platform:
    # A wheel that was built on the very machine comes first, as in packaging 26.3 and pip 26.3.
    return Platform(name, (f"linux_{machine}", *tags), "posix", "linux", "Linux", machine)


def _armv6l(name: str, _match: re.Match[str]) -> Platform:
    return _linux(name, "armv6l", iter(()))


def _macos(name: str, match: re.Match[str]) -> Platform | None:
    """Every older macOS, universal binaries too; from 11 on, a wheel's minor version is 0."""
    version, machine = (int(match[1]), int(match[2])), match[3]
    if version < _OLDEST_MACOS[machine] or _LAST_MACOS_10 < version < (11, 0):
        return None
    tags = tuple(mac_platforms(version, machine))
    return Platform(name, tags, "posix", "darwin", "Darwin", machine)


def _windows(name: str, match: re.Match[str]) -> Platform:
    return Platform(name, (match[0],), "nt", "win32", "Windows", _WINDOWS[match[0]])


def _android(name: str, match: re.Match[str]) -> Platform | None:
    tags = tuple(android_platforms(int(match[1]), match[2]))
    if not tags:
        return None
    return Platform(name, tags, "posix", "android", "Android", _ANDROID[match[2]])


def _ios(name: str, match: re.Match[str]) -> Platform | None:
    tags = tuple(ios_platforms((int(match[1]), int(match[2])), match[3]))
    return Platform(name, tags, "posix", "ios", "iOS", _IOS[match[3]]) if tags else None


def _pyodide(name: str, match: re.Match[str]) -> Platform:
    """PEP 783's tag, and the one that was in use before it."""
    year = match[1]
    tags = (f"pyemscripten_{year}_0_wasm32", f"pyodide_{year}_0_wasm32")
    return Platform(name, tags, "posix", "emscripten", "Emscripten", "wasm32", _PYODIDE[year], "#1")


_N = r"(0|[1-9][0-9]?)"
_MACHINE = f"({'|'.join(OLDEST_GLIBC)})"
_LINUX_NAME = re.compile(rf"{_MACHINE}-(manylinux_2_{_N}|manylinux2014|musllinux_1_{_N})")
_LEGACY = re.compile(rf"({'|'.join(_LEGACY_GLIBC)})_{_MACHINE}")
_NATIVE_LINUX = re.compile(f"linux_{_MACHINE}")
_FAMILIES: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], Platform | None]], ...] = (
    (re.compile(rf"manylinux_2_{_N}_{_MACHINE}"), _glibc),
    (re.compile(rf"musllinux_1_{_N}_{_MACHINE}"), _musl),
    (re.compile("linux_armv6l"), _armv6l),
    (re.compile(rf"macosx_{_N}_{_N}_({'|'.join(_OLDEST_MACOS)})"), _macos),
    (re.compile("|".join(_WINDOWS)), _windows),
    (re.compile(rf"android_{_N}_({'|'.join(_ANDROID)})"), _android),
    (re.compile(rf"ios_{_N}_{_N}_({'|'.join(_IOS)})"), _ios),
    (re.compile(rf"(?:pyemscripten|pyodide)_({'|'.join(_PYODIDE)})_0_wasm32"), _pyodide),
)
