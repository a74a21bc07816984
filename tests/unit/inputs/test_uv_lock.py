from __future__ import annotations

from pathlib import Path

import pytest

from bundler.inputs.read import read_inputs
from bundler.model.profile import Profile
from tests.fakes.inputs import LINUX, MAC, WINDOWS, digest, faults, profile_of, write

REGISTRY = 'source = { registry = "https://example.org/simple" }'


def files(name: str, version: str, *tags: str) -> str:
    """The files of a package as uv writes them."""
    wheels = "".join(
        f'    {{ url = "https://files.example.org/{wheel}",'
        f' hash = "sha256:{digest(wheel)}", size = 7 }},\n'
        for wheel in (f"{name}-{version}-{tag}.whl" for tag in tags or ("py3-none-any",))
    )
    sdist = f"{name}-{version}.tar.gz"
    return (
        f'sdist = {{ url = "https://files.example.org/{sdist}",'
        f' hash = "sha256:{digest(sdist)}", size = 9 }}\nwheels = [\n{wheels}]\n'
    )


def package(name: str, version: str, more: str = "") -> str:
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\n{REGISTRY}\n{more}\n'
        f"{files(name, version)}\n"
    )


# A workspace of two members, with forks by Python version, as uv 0.13 writes it.
WORKSPACE = f"""\
version = 1
revision = 3
requires-python = ">=3.11"
resolution-markers = [
    "python_full_version >= '3.12'",
    "python_full_version < '3.12'",
]

[manifest]
members = [
    "lib",
    "web-app",
]

{package("colorama", "0.4.6")}
{
    package(
        "click",
        "8.2.0",
        '''dependencies = [
    { name = "colorama", marker = "sys_platform == 'win32'" },
]''',
    )
}
[[package]]
name = "lib"
version = "0.2.0"
source = {{ editable = "packages/lib" }}
dependencies = [
    {{ name = "click" }},
]

[package.optional-dependencies]
gui = [
    {{ name = "pyqt" }},
]

[package.metadata]
requires-dist = [
    {{ name = "click" }},
    {{ name = "pyqt", marker = "extra == 'gui'" }},
]
provides-extras = ["gui", "nothing"]

[[package]]
name = "numpy"
version = "1.26.4"
{REGISTRY}
resolution-markers = [
    "python_full_version < '3.12'",
]
{files("numpy", "1.26.4", "cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-win_amd64")}
[[package]]
name = "numpy"
version = "2.3.1"
{REGISTRY}
resolution-markers = [
    "python_full_version >= '3.12'",
]
{files("numpy", "2.3.1", "cp312-cp312-manylinux_2_28_x86_64", "cp312-cp312-win_amd64")}
{package("pyqt", "6.1")}
{package("pysocks", "1.7.1")}
{package("pytest", "9.0")}
[[package]]
name = "requests"
version = "2.32.5"
{REGISTRY}
{files("requests", "2.32.5")}
[package.optional-dependencies]
socks = [
    {{ name = "pysocks" }},
    {{ name = "requests", extra = ["socks"] }},
]

{package("ruff", "0.14.1")}
[[package]]
name = "web-app"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [
    {{ name = "lib" }},
    {{ name = "numpy", version = "1.26.4", {REGISTRY}, marker = "python_full_version < '3.12'" }},
    {{ name = "numpy", version = "2.3.1", {REGISTRY}, marker = "python_full_version >= '3.12'" }},
]

[package.optional-dependencies]
net = [
    {{ name = "requests", extra = ["socks"] }},
]

[package.dev-dependencies]
dev = [
    {{ name = "pytest" }},
    {{ name = "web-app", extra = ["net"] }},
]

[package.metadata]
provides-extras = ["net"]

[package.metadata.requires-dev]
dev = [{{ name = "pytest" }}]
empty = []
"""


def pins(
    folder: Path, profile: Profile, *, sdists: bool = False
) -> dict[str, dict[str, frozenset[str]]]:
    """For each target the wheels' digests of each `name version`."""
    (lock,) = read_inputs(profile, folder, sdists=sdists).locks
    return {
        target.name: {
            f"{pin.project} {pin.version}": frozenset(pin.sha256s) for pin in lock.pins(target)
        }
        for target in profile.parsed_targets()
    }


def names(folder: Path, *files: str) -> set[str]:
    """What one target gets."""
    ((_, found),) = pins(folder, profile_of(*files)).items()
    return set(found)


ALWAYS = {"click 8.2.0", "numpy 2.3.1"}


def test_each_target_walks_its_own_part(tmp_path: Path) -> None:
    write(tmp_path, uv__lock=WORKSPACE)
    profile = profile_of('"uv.lock"', python=("3.11", "3.12"), platforms=(LINUX, WINDOWS))
    found = pins(tmp_path, profile)
    assert {target: set(pins) for target, pins in found.items()} == {
        f"cp311-{LINUX}": {"click 8.2.0", "numpy 1.26.4"},
        f"cp311-{WINDOWS}": {"click 8.2.0", "colorama 0.4.6", "numpy 1.26.4"},
        f"cp312-{LINUX}": ALWAYS,
        f"cp312-{WINDOWS}": ALWAYS | {"colorama 0.4.6"},
    }
    assert found[f"cp311-{LINUX}"]["numpy 1.26.4"] == {
        digest("numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl"),
        digest("numpy-1.26.4-cp311-cp311-win_amd64.whl"),
    }


def test_where_a_pin_comes_from(tmp_path: Path) -> None:
    write(tmp_path, app___uv__lock=WORKSPACE)
    profile = profile_of('"app/uv.lock"')
    inputs = read_inputs(profile, tmp_path, sdists=True)
    (lock,), (target,) = inputs.locks, profile.parsed_targets()
    assert lock.name == "app/uv.lock"
    assert [pin.origin for pin in lock.pins(target)] == [
        "app/uv.lock, package click",
        "app/uv.lock, package numpy",
    ]
    assert lock.pins(target)[1].sdists == {digest("numpy-2.3.1.tar.gz")}
    assert [file.name for file in inputs.files] == ["app/uv.lock"]


@pytest.mark.parametrize(
    ("more", "added"),
    [
        ('extras = ["GUI"]', {"pyqt 6.1"}),
        ('extras = ["net", "nothing"]', {"pysocks 1.7.1", "requests 2.32.5"}),
        ('groups = ["Dev"]', {"pysocks 1.7.1", "pytest 9.0", "requests 2.32.5"}),
        ('groups = ["empty"]', set()),
    ],
)
def test_extras_and_groups_of_the_members(tmp_path: Path, more: str, added: set[str]) -> None:
    write(tmp_path, uv__lock=WORKSPACE)
    assert names(tmp_path, f'{{path = "uv.lock", {more}}}') == ALWAYS | added


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('extras = ["x"]', "uv.lock: no member has the extra 'x'; there are: gui, nothing, net"),
        ('groups = ["x"]', "uv.lock: no member has the group 'x'; there are: dev, empty"),
    ],
)
def test_extras_and_groups_that_are_not_there(tmp_path: Path, more: str, message: str) -> None:
    write(tmp_path, uv__lock=WORKSPACE)
    assert faults(tmp_path, f'{{path = "uv.lock", {more}}}') == [message]


def project(*dependencies: str, more: str = "", packages: str = "") -> str:
    """A lock of one project."""
    edges = "".join(f"    {{ {edge} }},\n" for edge in dependencies)
    return (
        f"version = 1\nrevision = 3\n{more}\n{packages}\n"
        f'[[package]]\nname = "app"\nversion = "1"\nsource = {{ virtual = "." }}\n'
        f"dependencies = [\n{edges}]\n"
    )


def test_a_single_project_is_its_own_root(tmp_path: Path) -> None:
    write(tmp_path, uv__lock=project('name = "a"', packages=package("a", "1")))
    assert names(tmp_path, '"uv.lock"') == {"a 1"}


def test_groups_of_a_workspace_whose_root_is_no_project(tmp_path: Path) -> None:
    group = """\
[manifest.dependency-groups]
dev = [
    { name = "requests", extras = ["socks"] },
    { name = "numpy", specifier = ">=1" },
]
"""
    text = WORKSPACE.replace("[manifest]", f"{group}[manifest]")
    write(tmp_path, uv__lock=text.replace('"web-app",\n]', "]").replace('virtual = "."', 'x = "y"'))
    got = names(tmp_path, '{path = "uv.lock", groups = ["dev"]}')
    assert got == {"click 8.2.0", "numpy 2.3.1", "pysocks 1.7.1", "requests 2.32.5"}
    alone = f"version = 1\n{group.replace('specifier', 'x')}" + "".join(
        package(name, "1") for name in ("requests", "numpy")
    )
    write(tmp_path, uv__lock=alone)
    assert names(tmp_path, '{path = "uv.lock", groups = ["dev"]}') == {"requests 1", "numpy 1"}


def test_the_source_tells_packages_apart(tmp_path: Path) -> None:
    other = package("a", "1", "resolution-markers = []").replace("/simple", "/other")
    edge = f'name = "a", version = "1", {REGISTRY}'
    write(tmp_path, uv__lock=project(edge, packages=package("a", "1") + other))
    assert names(tmp_path, '"uv.lock"') == {"a 1"}
    write(tmp_path, uv__lock=project('name = "a"', packages=package("a", "1") + other))
    assert faults(tmp_path, '"uv.lock"') == [
        f"uv.lock: it has 0 packages for a; one is needed (for cp312-{LINUX})"
    ]


BARE = f'[[package]]\nname = "a"\nversion = "1"\n{REGISTRY}\n'
SDIST_ONLY = BARE + files("a", "1").partition("\n")[0] + "\n"


def of_a(packages: str, more: str = "") -> str:
    return project('name = "a"', packages=packages, more=more)


def from_(source: str) -> str:
    return of_a(package("a", "1").replace(REGISTRY, f"source = {{ {source} }}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (of_a(SDIST_ONLY), "package a has a source distribution and no wheel (for cp312-"),
        (of_a(BARE), "package a has no file (for cp312-"),
        (of_a(""), "it has 0 packages for a; one is needed (for "),
        (
            project('name = "a", version = "2"', packages=package("a", "1")),
            "it has 0 packages for a 2; one is needed (for ",
        ),
        (
            project(
                'name = "a", version = "1"',
                'name = "a", version = "2"',
                packages=package("a", "1") + package("a", "2"),
            ),
            "it gives a twice, 2 and 1 (for ",
        ),
        (
            from_('git = "https://example.org/a?rev=x#0"'),
            (
                "package a comes from git and not from an index; build a wheel, put it onto your"
                f" index and lock that (for cp312-{LINUX}, cp312-{MAC})"
            ),
        ),
        (from_('url = "https://example.org/a.whl"'), "package a comes from url and not from an"),
        (from_('path = "a.whl"'), "package a comes from path and not from an index; build"),
        (from_('directory = "../a"'), "package a comes from directory and not from an index"),
        (from_('editable = "../a"'), "package a comes from editable and not from an index"),
        (from_(""), "package a comes from nothing and not from an index"),
        (of_a(package("a", "1!x")), "package a: Invalid version: '1!x' (for "),
        (
            of_a(package("a", "1"), 'requires-python = ">=3.13"'),
            "it is for Python >=3.13, and not for 3.12.0 (for ",
        ),
        (of_a(package("a", "1"), 'requires-python = "new"'), "requires-python: Invalid specifier"),
        (
            of_a(
                package("a", "1"), "supported-markers = [\"os_name == 'nt'\", \"os_name == 'x'\"]"
            ),
            f"it is for os_name == 'nt' or os_name == 'x' only (for cp312-{LINUX}, cp312-{MAC})",
        ),
        (
            project("name = 'a', marker = 'x'", packages=package("a", "1")),
            "'x' is no marker (for ",
        ),
        (
            project("name = 'a', marker = \"os_name ~= 'x'\"", packages=package("a", "1")),
            "the marker \"os_name ~= 'x'\" cannot be evaluated: Undefined",
        ),
        (
            project("name = 'a', marker = \"'x' in extras\"", packages=package("a", "1")),
            "the marker \"'x' in extras\" cannot be evaluated: 'extras' (for ",
        ),
        (
            of_a(package("a", "1").replace("sha256:", "sha512:")),
            "a-1-py3-none-any.whl: not a sha256 digest: 'sha512:",
        ),
        (
            of_a(BARE + 'wheels = [{ filename = "a-1-py3-none-any.whl" }]'),
            "a-1-py3-none-any.whl has no sha256 digest; lock against an index that tells them",
        ),
        (
            of_a(BARE + "wheels = [{ size = 1 }]"),
            "package[0].wheels[0] has no sha256 digest; lock against an index that tells them",
        ),
        (
            of_a("", 'conflicts = [[{ package = "a", extra = "x" }]]'),
            (
                "it has conflicting extras or groups, which are not read; export what you need with"
                " `uv export --format pylock.toml` and name that file instead"
            ),
        ),
        ("version = 2", "not a uv.lock of version 1, the only one that is read"),
        (
            "version = 1\n" + package("a", "1"),
            "it has no workspace member to begin with; export what you need with `uv export",
        ),
        ("version = 1\n[[package]]\nnam = 'a'", "package[0].name: not a string"),
        ("version = 1\npackage = 'a'", "package[0]: not a table"),
        (project("nam = 'a'"), "package[0].dependencies[0].name: not a string"),
    ],
)
def test_each_fault_names_file_package_and_targets(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, uv__lock=text)
    (told,) = faults(tmp_path, '"uv.lock"', platforms=(LINUX, MAC))
    assert told.startswith(f"uv.lock: {message}")


def test_source_distributions_where_they_may_be_carried(tmp_path: Path) -> None:
    write(tmp_path, uv__lock=of_a(SDIST_ONLY))
    profile = profile_of('"uv.lock"')
    assert pins(tmp_path, profile, sdists=True) == {f"cp312-{LINUX}": {"a 1": frozenset()}}
