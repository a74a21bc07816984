"""What the real uv writes: its lock and two exports of it must mean the same to us, per target."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import NormalizedName

from bundler.inputs.read import read_inputs
from bundler.model.artifact import Sha256
from bundler.model.target import Target
from tests.fakes.index import FakeIndex
from tests.fakes.inputs import LINUX, MAC, WINDOWS, profile_of, write
from tests.fakes.netns import clean_environment
from tests.fakes.wheels import build_wheel

WHEELS = [
    build_wheel("click", "8.2", requires=["colorama; sys_platform == 'win32'"]),
    build_wheel("colorama", "0.4"),
    build_wheel("pysocks", "1.7"),
    build_wheel(
        "requests",
        "2.32",
        requires=["pysocks; extra == 'socks'", "requests[socks]; extra == 'all'"],
        extras=["socks", "all"],
    ),
    build_wheel("pytest", "9.0", requires=["colorama; sys_platform == 'win32'", "numpy<2"]),
    build_wheel("ruff", "0.14"),
    *(
        build_wheel("numpy", "1.26", tags=f"{python}-{python}-{platform}", requires_python="<3.13")
        for python in ("cp311", "cp312")
        for platform in ("manylinux_2_17_x86_64", "win_amd64", "macosx_11_0_arm64")
    ),
    *(
        build_wheel("numpy", "2.3", tags=f"cp313-cp313-{platform}", requires_python=">=3.12")
        for platform in ("manylinux_2_28_x86_64", "win_amd64", "macosx_12_0_arm64")
    ),
]
ROOT = """
[project]
name = "web"
version = "1"
requires-python = ">=3.11"
dependencies = ["lib", "numpy<2; python_version < '3.13'", "numpy>=2; python_version >= '3.13'"]
[project.optional-dependencies]
net = ["requests[all]", "web[nothing]"]
nothing = []
[dependency-groups]
check = [{include-group = "lint"}, "pytest; python_version < '3.13'"]
lint = ["ruff; sys_platform != 'win32'"]
[tool.uv.workspace]
members = ["packages/*"]
[tool.uv.sources]
lib = {workspace = true}
"""
LIB = """
[project]
name = "lib"
version = "1"
requires-python = ">=3.11"
dependencies = ["click>=8"]
"""
Pins = set[tuple[NormalizedName, str, frozenset[Sha256]]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A locked workspace and what uv exports from it."""
    folder = tmp_path_factory.mktemp("project")
    write(folder, pyproject__toml=ROOT, packages___lib___pyproject__toml=LIB)
    with FakeIndex() as index:
        for filename, content in WHEELS:
            index.add(filename, content)
        _uv(folder, "lock", "--default-index", index.url)
        every = ("--extra", "net", "--group", "check", "--no-emit-workspace", "--frozen")
        _uv(folder, "export", *every, "--format", "pylock.toml", "-o", "pylock.toml")
        _uv(folder, "export", *every, "--format", "requirements-txt", "-o", "requirements.txt")
    return folder


def _uv(folder: Path, *words: str) -> None:
    options = ("--quiet", "--no-config", "--python", sys.executable, "--cache-dir", ".cache")
    subprocess.run(
        [shutil.which("uv") or "uv", *words, *options],
        cwd=folder,
        env=clean_environment(folder),
        check=True,
    )


TARGETS = profile_of(
    requirements=["x"], python=("3.11", "3.12", "3.13"), platforms=(LINUX, WINDOWS, MAC)
).parsed_targets()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_lock_and_its_exports_agree(project: Path, target: Target) -> None:
    options = 'extras = ["net"], groups = ["check"]'
    found = _locked(project, f'{{path = "uv.lock", {options}}}', target)
    projects = {name for name, _, _ in found}
    assert {"click", "numpy", "requests", "pysocks"} <= projects
    assert ("pytest" in projects) == (target.python.name != "3.13")
    assert ("colorama" in projects) == (target.environment["sys_platform"] == "win32")
    assert ("ruff" in projects) == (target.environment["sys_platform"] != "win32")
    assert found == _locked(project, '"pylock.toml"', target)
    assert found == _required(project, '"requirements.txt"', target)


def _locked(project: Path, file: str, target: Target) -> Pins:
    profile = profile_of(file, python=(target.python.name,), platforms=(target.platform.name,))
    (lock,) = read_inputs(profile, project).locks
    return {(pin.project, str(pin.version), pin.sha256s) for pin in lock.pins(target)}


def _required(project: Path, file: str, target: Target) -> Pins:
    inputs = read_inputs(profile_of(file), project)
    return {
        (asked.project, str(asked.requirement.specifier).removeprefix("=="), asked.sha256s)
        for asked in inputs.requirements
        if asked.applies(target)
    }
