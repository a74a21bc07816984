"""The script that is carried to the far machine: run there, and made to believe in others."""

from __future__ import annotations

import ast
import os
import platform
import runpy
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags

from bundler.cli import detect_target
from bundler.model.profile import parse_profile
from bundler.model.target import Target

SCRIPT = Path(detect_target.__file__)

# What a target leaves empty on purpose: it changes with each update of the system.
OF_THE_DAY = ("platform_release", "platform_version")


def parsed(lines: str) -> Target:
    """The target of what the script printed."""
    profile = '[profile]\nname = "far"\nrequirements = ["a"]\n' + lines
    (target,) = parse_profile(profile.encode(), "far.toml").parsed_targets()
    return target


def test_the_target_is_what_packaging_finds_on_this_host() -> None:
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT)], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    target = parsed(run.stdout)
    expected = {**default_environment()}
    for marker in OF_THE_DAY:
        assert f"{marker} = " in run.stdout
        expected[marker] = ""
    assert target.environment == expected
    assert list(target.tags) == list(dict.fromkeys(sys_tags()))


@pytest.mark.parametrize("version", [(3, 6), (3, 7), (3, 9)])
def test_it_is_in_the_language_of_old_pythons(version: tuple[int, int]) -> None:
    tree = ast.parse(SCRIPT.read_text(), feature_version=version)
    imported: set[str | None] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    assert imported <= set(sys.stdlib_module_names)


class Machine:
    """Sets what the script asks of the machine and the Python that run it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.set = monkeypatch.setattr
        self.variables: dict[str, object] = {}
        self.set(sysconfig, "get_config_var", self.variables.get)
        self.set(platform, "release", lambda: "1")
        self.set(platform, "version", lambda: 'a "quoted" one')

    def python(
        self, *version: int | str, name: str = "cpython", own: tuple[object, ...] = ()
    ) -> None:
        *digits, level, serial = version if len(version) > 3 else (*version, "final", 0)
        suffix = "" if level == "final" else f"{str(level)[0]}{serial}"
        self.system = SimpleNamespace(
            implementation=SimpleNamespace(
                name=name,
                version=(*own, "final", 0) if own else (*digits, level, serial),
            ),
            version_info=(*digits, level, serial),
            maxsize=2**63 - 1,
            executable=sys.executable,
            stdout=sys.stdout,
            stderr=sys.stderr,
        )
        self.set(detect_target, "sys", self.system)
        full = ".".join(map(str, digits)) + suffix
        self.set(platform, "python_version", lambda: full)
        self.set(platform, "python_implementation", lambda: "PyPy" if name == "pypy" else "CPython")

    def linux(self, machine: str, glibc: str = "", musl: str = "") -> None:
        self.system_is("Linux", machine)
        self.set(os, "confstr", lambda _name: f"glibc {glibc}" if glibc else None)
        self.set(detect_target, "musl_words", lambda: musl)

    def system_is(self, system: str, machine: str, tag: str = "") -> None:
        self.set(platform, "system", lambda: system)
        self.set(platform, "machine", lambda: machine)
        self.set(sysconfig, "get_platform", lambda: tag)

    def target(self) -> Target:
        return parsed(detect_target.describe())


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(monkeypatch)
    found.python(3, 12, 4)
    found.linux("x86_64", glibc="2.28")
    return found


def test_glibc(machine: Machine) -> None:
    assert detect_target.describe() == (
        "# CPython 3.12.4 on Linux\n"
        "[[target]]\n"
        'python = "3.12.4"\n'
        'platform = "x86_64-manylinux_2_28"\n'
        "# Two markers that change with each update, and that hardly any package asks for:\n"
        '# platform_release = "1", platform_version = "a \\"quoted\\" one"\n'
    )
    assert machine.target().markers == ()


MUSL = "musl libc (aarch64)\nVersion 1.2.5\nDynamic Program Loader\nUsage: …\n"


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda m: m.linux("s390x", glibc="2.34"), ("3.12.4", "s390x-manylinux_2_34")),
        (lambda m: m.linux("aarch64", musl=MUSL), ("3.12.4", "aarch64-musllinux_1_2")),
        (lambda m: m.linux("armv6l", glibc="2.36"), ("3.12.4", "linux_armv6l")),
        (lambda m: m.python(3, 13, 2), ("3.13.2", "x86_64-manylinux_2_28")),
        (lambda m: m.system_is("Windows", "AMD64", "win-amd64"), ("3.12.4", "win_amd64")),
        (lambda m: m.system_is("Windows", "ARM64", "win-arm64"), ("3.12.4", "win_arm64")),
    ],
)
def test_words_without_further_markers(
    machine: Machine, prepare: Callable[[Machine], None], words: tuple[str, str]
) -> None:
    prepare(machine)
    target = machine.target()
    assert (target.python.name, target.platform.name) == words
    assert target.markers == ()
    assert target.environment["platform_machine"] == platform.machine()


def test_free_threaded(machine: Machine) -> None:
    machine.python(3, 14, 0)
    machine.variables["Py_GIL_DISABLED"] = 1
    assert machine.target().python.name == "3.14.0t"


def test_pypy(machine: Machine) -> None:
    machine.python(3, 10, 14, name="pypy", own=(7, 3, 17))
    target = machine.target()
    assert target.python.name == "pypy3.10.14"
    assert target.markers == (("implementation_version", "7.3.17"),)


@pytest.mark.parametrize("suffix", ["", "+"])
def test_a_prerelease(machine: Machine, suffix: str) -> None:
    machine.python(3, 15, 0, "candidate", 2)
    machine.set(platform, "python_version", lambda: "3.15.0rc2" + suffix)
    target = machine.target()
    assert target.python.name == "3.15"
    assert dict(target.markers) == {
        "implementation_version": "3.15.0c2",
        "python_full_version": "3.15.0rc2" + ("+local" if suffix else ""),
    }


@pytest.mark.parametrize(
    ("kernel", "word"), [("x86_64", "i686"), ("aarch64", "armv7l"), ("armv7l", "armv7l")]
)
def test_a_32_bit_python(machine: Machine, kernel: str, word: str) -> None:
    machine.linux(kernel, glibc="2.31")
    machine.system.maxsize = 2**31 - 1
    target = machine.target()
    assert target.platform.name == f"{word}-manylinux_2_31"
    assert target.environment["platform_machine"] == kernel


def test_a_32_bit_python_on_windows(machine: Machine) -> None:
    machine.system_is("Windows", "AMD64", "win32")
    assert machine.target().markers == (("platform_machine", "AMD64"),)


@pytest.mark.parametrize(
    ("version", "tag"),
    [("14.5.1", "14_0"), ("26.1", "26_0"), ("10.15.7", "10_15"), ("11.0", "11_0")],
)
def test_macos(machine: Machine, version: str, tag: str) -> None:
    machine.system_is("Darwin", "x86_64")
    machine.set(platform, "mac_ver", lambda: (version, ("", "", ""), "x86_64"))
    assert machine.target().platform.name == f"macosx_{tag}_x86_64"


def test_a_macos_that_hides_its_version(machine: Machine) -> None:
    machine.system_is("Darwin", "arm64")
    machine.set(platform, "mac_ver", lambda: ("10.16", ("", "", ""), "arm64"))
    asked: list[dict[str, str]] = []

    def run(_words: list[str], **variables: str) -> str:
        asked.append(variables)
        return "13.6\n"

    machine.set(detect_target, "run", run)
    assert machine.target().platform.name == "macosx_13_0_arm64"
    assert asked == [{"SYSTEM_VERSION_COMPAT": "0"}]


def test_the_output_of_a_program_with_a_variable() -> None:
    code = "import os, sys; print(os.environ['A']); print('b', file=sys.stderr)"
    assert sorted(detect_target.run([sys.executable, "-c", code], A="a").split()) == ["a", "b"]


def test_the_loader_of_musl(tmp_path: Path) -> None:
    loader = tmp_path / "ld-musl-x86_64.so.1"
    loader.write_text(f"#!/bin/sh\ncat <<'END' >&2\n{MUSL}END\nexit 1\n")
    loader.chmod(0o755)
    maps = tmp_path / "maps"
    maps.write_text(
        f"7f00-7f01 r--p 0 fe:00 1   /lib/other.so\n7f02-7f03 r-xp 0 fe:00 2   {loader}\n"
    )
    assert detect_target.musl_words(str(maps)) == MUSL
    maps.write_text("7f00-7f01 r--p 0 fe:00 1   /lib/libc.so.6\n")
    assert detect_target.musl_words(str(maps)) == ""
    assert detect_target.musl_words(str(tmp_path / "none")) == ""


@pytest.mark.parametrize("error", [AttributeError, OSError, ValueError])
def test_a_c_library_that_is_not_glibc(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def confstr(_name: str) -> str:
        raise error

    monkeypatch.setattr(os, "confstr", confstr)
    assert detect_target.glibc_words() == ""


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda m: m.python(3, 12, 4, name="graalpy"), "the interpreter is graalpy;"),
        (lambda m: m.python(3, 12, 4, name="pypy", own=(8, 0, 0)), "a profile knows PyPy 7.3 only"),
        (lambda m: m.linux("x86_64"), "its C library is neither glibc 2 nor musl 1"),
        (lambda m: m.linux("armv6l", musl=MUSL), "its C library is neither glibc 2 nor musl 1"),
        (lambda m: m.system_is("FreeBSD", "amd64", "freebsd-14"), "for FreeBSD (freebsd_14)"),
        (lambda m: m.system_is("", "x", "x-y"), "no wheels are made for this system (x_y)"),
    ],
)
def test_what_a_profile_cannot_name(
    machine: Machine,
    capsys: pytest.CaptureFixture[str],
    prepare: Callable[[Machine], None],
    message: str,
) -> None:
    machine.system.stderr = sys.stderr
    prepare(machine)
    assert detect_target.main() == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: a profile cannot name this Python or platform: ")
    assert message in shown.err


def test_the_lines_go_to_stdout(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.system.stdout = sys.stdout
    assert detect_target.main() == 0
    assert capsys.readouterr().out == detect_target.describe()
    assert machine.target().name == "cp312_4-x86_64-manylinux_2_28"


def test_the_exit_code_is_that_of_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert end.value.code == 0
    assert parsed(capsys.readouterr().out).python.name.startswith("3.")
