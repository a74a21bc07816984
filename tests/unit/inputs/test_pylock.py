from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from bundler.inputs.read import read_inputs
from bundler.model.asked import LockedPin
from bundler.model.profile import Profile
from bundler.model.target import Target
from tests.fakes.inputs import LINUX, MAC, WINDOWS, digest, faults, profile_of, read, write

URL = "https://files.example.org"


def wheel(name: str) -> str:
    return f'{{url = "{URL}/{name}", hashes = {{sha256 = "{digest(name)}"}}}}'


PURE = "idna-3.10-py3-none-any.whl"
NUMPY = [
    f"numpy-2.3.1-cp312-cp312-{platform}.whl"
    for platform in ("manylinux_2_28_x86_64", "win_amd64", "macosx_14_0_arm64")
]
LOCK = f"""
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.11"
extras = ["gui", "fast-io"]
dependency-groups = ["Dev", "docs"]
default-groups = ["Dev"]

[[packages]]
name = "colorama"
version = "0.4.6"
marker = "sys_platform == 'win32'"
wheels = [{wheel("colorama-0.4.6-py2.py3-none-any.whl")}]

[[packages]]
name = "idna"
index = "https://example.org/simple"
wheels = [{wheel(PURE)}]
sdist = {{url = "{URL}/idna-3.10.tar.gz", hashes = {{md5 = "0"}}}}

[[packages]]
name = "numpy"
version = "1.26.4"
marker = "python_full_version < '3.12'"
wheels = [{wheel("numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl")}]
sdist = {wheel("numpy-1.26.4.tar.gz")}

[[packages]]
name = "numpy"
version = "2.3.1"
marker = "python_full_version >= '3.12'"
wheels = [{", ".join(wheel(name) for name in NUMPY)}]
sdist = {wheel("numpy-2.3.1.tar.gz")}

[[packages]]
name = "pyqt"
version = "6.1"
marker = "'gui' in extras"
wheels = [{wheel("pyqt-6.1-py3-none-any.whl")}]

[[packages]]
name = "pytest"
version = "9.0"
marker = "'Dev' in dependency_groups"
wheels = [{wheel("pytest-9.0-py3-none-any.whl")}]

[[packages]]
name = "sphinx"
version = "8.2"
marker = "'docs' in dependency_groups"
wheels = [{wheel("sphinx-8.2-py3-none-any.whl")}]

[[packages]]
name = "web"
directory = {{path = "./", editable = true}}
"""


def pins(folder: Path, profile: Profile) -> dict[str, dict[str, str]]:
    """The versions of each target, by the target's name."""
    (lock,) = read_inputs(profile, folder).locks
    return {
        target.name: {pin.project: str(pin.version) for pin in lock.pins(target)}
        for target in profile.parsed_targets()
    }


def test_each_target_gets_its_pins(tmp_path: Path) -> None:
    write(tmp_path, pylock__toml=LOCK)
    profile = profile_of('"pylock.toml"', python=("3.11", "3.12"), platforms=(LINUX, WINDOWS))
    both = {"idna": "3.10", "pytest": "9.0"}
    assert pins(tmp_path, profile) == {
        "cp311-x86_64-manylinux_2_28": both | {"numpy": "1.26.4"},
        # The lock has an sdist for it only: that there is no wheel is the resolver's to tell.
        "cp311-x86_64-pc-windows-msvc": both | {"numpy": "1.26.4", "colorama": "0.4.6"},
        "cp312-x86_64-manylinux_2_28": both | {"numpy": "2.3.1"},
        "cp312-x86_64-pc-windows-msvc": both | {"numpy": "2.3.1", "colorama": "0.4.6"},
    }


def test_a_pin_has_the_digests_of_all_its_wheels(tmp_path: Path) -> None:
    write(tmp_path, locks___pylock__web__toml=LOCK)
    profile = profile_of('"locks/pylock.web.toml"')
    inputs = read_inputs(profile, tmp_path)
    (lock,), (target,) = inputs.locks, profile.parsed_targets()
    assert lock.name == "locks/pylock.web.toml"
    assert lock.pins(target)[1] == LockedPin(
        project=lock.pins(target)[1].project,
        version=Version("2.3.1"),
        sha256s=frozenset(map(digest, NUMPY)),
        sdists=frozenset(),
        origin="locks/pylock.web.toml, package numpy",
    )
    assert not inputs.requirements
    assert [file.name for file in inputs.files] == ["locks/pylock.web.toml"]


@pytest.mark.parametrize(
    ("more", "added"),
    [
        ('extras = ["GUI"]', {"pytest", "pyqt"}),
        ('groups = ["docs"]', {"sphinx"}),
        ('groups = ["DOCS", "dev"]', {"sphinx", "pytest"}),
    ],
)
def test_extras_and_groups(tmp_path: Path, more: str, added: set[str]) -> None:
    write(tmp_path, pylock__toml=LOCK)
    ((_, found),) = pins(tmp_path, profile_of(f'{{path = "pylock.toml", {more}}}')).items()
    assert set(found) == {"idna", "numpy"} | added


def lock_of(package: str, head: str = "") -> str:
    return f'lock-version = "1.0"\ncreated-by = "x"\n{head}\n[[packages]]\nname = "a"\n{package}\n'


SDIST = f'version = "1"\nsdist = {wheel("a-1.tar.gz")}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            lock_of(SDIST),
            (
                "package a has a source distribution and no wheel"
                f" (for cp312-{LINUX}, cp312-{MAC}, cp313-{LINUX}, cp313-{MAC})"
            ),
        ),
        (
            lock_of(SDIST, 'requires-python = "<3.13"').replace("1.0", "1", 1),
            (
                f"package a has a source distribution and no wheel (for cp312-{LINUX},"
                f" cp312-{MAC})|"
                " in provided environment does not satisfy the Python version requirement '<3.13'"
                f" (for cp313-{LINUX}, cp313-{MAC})"
            ),
        ),
        (
            lock_of(f'version = "1"\nwheels = [{wheel("a-1-cp312-cp312-macosx_12_0_arm64.whl")}]'),
            (
                "No wheel found matching the provided tags for package 'a' at packages[0], and no"
                f" sdist available as a fallback (for cp312-{LINUX}, cp313-{LINUX}, cp313-{MAC})"
            ),
        ),
        (
            lock_of(
                f"wheels = [{wheel('a-1-py3-none-any.whl')}]",
                "environments = [\"sys_platform != 'linux'\"]",
            ),
            (
                "Provided environment does not satisfy any of the environments specified in the"
                f" lock file (for cp312-{LINUX}, cp313-{LINUX})"
            ),
        ),
        (
            lock_of('vcs = {type = "git", url = "https://example.org/a", commit-id = "0"}'),
            (
                "package a comes from a repository and not from an index; build a wheel, put it"
                " onto your index and lock that"
            ),
        ),
        (
            lock_of('directory = {path = "../a"}'),
            "package a comes from a folder and not from an index; build a wheel",
        ),
        (
            lock_of('archive = {path = "a.whl", hashes = {sha256 = "0"}}'),
            "package a comes from a URL or path and not from an index; build a wheel",
        ),
        (
            lock_of(f"wheels = [{wheel('a-1-py3-none-any.whl').replace('sha256', 'sha512')}]"),
            "a-1-py3-none-any.whl has no sha256 digest; lock against an index that tells them",
        ),
        (
            lock_of('wheels = [{path = "a-1-py3-none-any.whl", hashes = {sha256 = "0"}}]'),
            "a-1-py3-none-any.whl: not a sha256 digest: '0' (for ",
        ),
        (
            lock_of("marker = \"os_name ~= 'x'\"\n" + SDIST),
            "Undefined <Op('~=')> on 'posix' and 'x'. (for ",
        ),
        (lock_of("x = 1"), "Exactly one of vcs, directory, archive must be set if sdist and"),
        (lock_of(SDIST).replace("1.0", "2.0"), "pylock version 2.0 is not supported"),
        ("x = 1", "Missing required value in 'lock-version'"),
    ],
)
def test_each_fault_names_file_package_and_targets(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, pylock__toml=text)
    told = faults(tmp_path, '"pylock.toml"', python=("3.12", "3.13"), platforms=(LINUX, MAC))
    for line, part in zip(told, message.split("|"), strict=True):
        assert line.startswith("pylock.toml: ")
        assert part in line


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('extras = ["x"]', "pylock.toml: it has no extra 'x'; it has: gui, fast-io"),
        ('groups = ["x"]', "pylock.toml: it has no group 'x'; it has: Dev, docs"),
    ],
)
def test_extras_and_groups_that_are_not_there(tmp_path: Path, more: str, message: str) -> None:
    write(tmp_path, pylock__toml=LOCK)
    assert faults(tmp_path, f'{{path = "pylock.toml", {more}}}') == [message]
    write(tmp_path, pylock__toml=lock_of(SDIST))
    (told,) = faults(tmp_path, f'{{path = "pylock.toml", {more}}}')
    assert told.endswith("it has: none")


def test_source_distributions_where_they_may_be_carried(tmp_path: Path) -> None:
    write(tmp_path, pylock__toml=lock_of(SDIST.partition("\n")[2]))
    profile = profile_of('"pylock.toml"')
    (target,) = profile.parsed_targets()
    ((pin,),) = (lock.pins(target) for lock in read_inputs(profile, tmp_path, sdists=True).locks)
    assert pin.version == Version("1")
    assert not pin.sha256s
    assert pin.sdists == {digest("a-1.tar.gz")}


def test_a_lock_answers_for_the_profiles_targets_only(tmp_path: Path) -> None:
    write(tmp_path, pylock__toml=LOCK)
    (lock,) = read(tmp_path, '"pylock.toml"').locks
    other: Target = profile_of(platforms=(MAC,), requirements=("a",)).parsed_targets()[0]
    with pytest.raises(KeyError, match=other.name):
        lock.pins(other)
