"""Names the Python that runs it, and its platform, as a `[[target]]` of a bundle profile.

Carry this file to the far machine and run it there with the Python that packages are meant for:

    python3 detect_target.py

It needs the standard library of Python 3.6 or newer and nothing else, and writes no file. What it
prints belongs into the profile.
"""

import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

WINDOWS = {"win_amd64": "AMD64", "win32": "x86", "win_arm64": "ARM64"}
BELOW_A_64_BIT_KERNEL = {"x86_64": "i686", "aarch64": "armv7l", "armv8l": "armv7l"}
PYPY_RELEASE = (7, 3)


class UnknownError(Exception):
    """This machine or its Python is none that a profile can name."""


def python_word() -> str:
    """`3.12.4`, `3.13.1t` or `pypy3.10.14`; of a pre-release, the minor version only."""
    name = sys.implementation.name
    if name not in ("cpython", "pypy"):
        raise UnknownError(f"the interpreter is {name}; a profile knows CPython and PyPy")
    if name == "pypy" and sys.implementation.version[:2] != PYPY_RELEASE:
        raise UnknownError("a profile knows PyPy 7.3 only")
    major, minor, micro, level, _ = sys.version_info
    word = f"{major}.{minor}.{micro}" if level == "final" else f"{major}.{minor}"
    threading = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return ("pypy" if name == "pypy" else "") + word + threading


def platform_word() -> "tuple[str, str]":
    """The word for this platform, and the machine that a profile takes it to be."""
    system = platform.system()
    if system == "Linux":
        machine = linux_machine()
        return (machine + "-" if machine != "armv6l" else "") + libc(machine), machine
    if system == "Darwin":
        machine = platform.machine()
        return f"macosx_{macos_version()}_{machine}", machine
    tag = sysconfig.get_platform().replace("-", "_")
    if tag in WINDOWS:
        return tag, WINDOWS[tag]
    raise UnknownError(f"no wheels are made for {system or 'this system'} ({tag})")


def linux_machine() -> str:
    """What `uname -m` would say if the kernel were as wide as this Python."""
    machine = platform.machine()
    if sys.maxsize < 2**32:
        return BELOW_A_64_BIT_KERNEL.get(machine, machine)
    return machine


def libc(machine: str) -> str:
    """`manylinux_2_36` or `musllinux_1_2`; `linux_armv6l`, which there is no manylinux for."""
    glibc = re.match(r"glibc 2\.(\d+)", glibc_words())
    if glibc:
        return "linux_armv6l" if machine == "armv6l" else f"manylinux_2_{glibc.group(1)}"
    musl = re.search(r"^Version 1\.(\d+)", musl_words(), re.MULTILINE)
    if musl and machine != "armv6l":
        return f"musllinux_1_{musl.group(1)}"
    raise UnknownError("its C library is neither glibc 2 nor musl 1: hardly any wheel fits")


def glibc_words() -> str:
    """`glibc 2.36`; nothing where the C library is another."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return ""


def musl_words(maps: str = "/proc/self/maps") -> str:
    """What the loader that this process runs with says of itself; nothing if it is not musl's."""
    try:
        found = re.search(r"/\S*/ld-musl-\S+", Path(maps).read_text(errors="replace"))
    except OSError:
        return ""
    return run([found.group(0)]) if found else ""


def macos_version() -> str:
    """`10_15`, `13_0`; from 11 on, the tags of wheels have no other minor version than 0."""
    version = platform.mac_ver()[0]
    if version.startswith("10.16"):  # what a Python that was built on an older system is told
        code = "import platform; print(platform.mac_ver()[0])"
        version = run([sys.executable, "-sS", "-c", code], SYSTEM_VERSION_COMPAT="0").strip()
    major, minor = version.split(".")[:2]
    return f"10_{minor}" if major == "10" else f"{major}_0"


def run(words: "list[str]", **variables: str) -> str:
    """All that a program prints."""
    ran = subprocess.Popen(  # noqa: S603 - this Python, or the loader that it runs with
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **variables},
        universal_newlines=True,
    )
    return ran.communicate()[0]


def implementation_version() -> str:
    """As markers have it: PyPy's own version is not that of its Python."""
    major, minor, micro, level, serial = sys.implementation.version
    return f"{major}.{minor}.{micro}" + ("" if level == "final" else f"{level[0]}{serial}")


def markers(python: str, machine: str) -> "dict[str, str]":
    """Those that are not what a profile derives from the two words."""
    digits = python.replace("pypy", "").rstrip("t")
    derived = digits if digits.count(".") > 1 else digits + ".0"
    full = platform.python_version()
    there = {
        "implementation_version": implementation_version(),
        "platform_machine": platform.machine(),
        "python_full_version": full + "local" if full.endswith("+") else full,
    }
    expected = {
        "implementation_version": "7.3.0" if python.startswith("pypy") else derived,
        "platform_machine": machine,
        "python_full_version": derived,
    }
    return {name: value for name, value in there.items() if value != expected[name]}


def describe() -> str:
    """The lines for the profile."""
    python = python_word()
    word, machine = platform_word()
    different = markers(python, machine)
    release, version = json.dumps(platform.release()), json.dumps(platform.version())
    lines = [
        f"# {platform.python_implementation()} {platform.python_version()} on {platform.system()}",
        "[[target]]",
        f'python = "{python}"',
        f'platform = "{word}"',
    ]
    if different:
        pairs = ", ".join(f"{name} = {json.dumps(different[name])}" for name in sorted(different))
        lines.append(f"markers = {{{pairs}}}")
    lines.append(
        "# Two markers that change with each update, and that hardly any package asks for:"
    )
    lines.append(f"# platform_release = {release}, platform_version = {version}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the lines, or why there are none."""
    try:
        text = describe()
    except UnknownError as error:
        sys.stderr.write(f"error: a profile cannot name this Python or platform: {error}\n")
        return 1
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
