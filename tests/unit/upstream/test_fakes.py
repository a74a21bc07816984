"""The fakes are believed by the tools that they stand in for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.index import FakeIndex, Form
from tests.fakes.wheels import build_wheel


@pytest.fixture
def stocked(index: FakeIndex) -> FakeIndex:
    index.add(*build_wheel("My.Demo", "1.0+local.1", requires=["other>=1"], extras=["x"]))
    index.add(*build_wheel("my-demo", "2.0", tags="py2.py3-none-any"), yanked="broken")
    index.add(*build_wheel("other", "1.5", build="3", requires_python=">=3.8"))
    return index


def run(*command: str | Path, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    subprocess.run(command, env=environ, check=True, capture_output=True)


@pytest.mark.parametrize("form", ["html", "json"])
def test_pip_installs(stocked: FakeIndex, tmp_path: Path, form: Form) -> None:
    stocked.form = form
    into = tmp_path / "site"
    run(
        *(sys.executable, "-m", "pip", "install", "--isolated", "--no-cache-dir"),
        *("--disable-pip-version-check", "--index-url", stocked.url, "-t", into, "my-demo"),
        tmp_path=tmp_path,
    )
    assert (into / "my_demo/__init__.py").read_text() == 'VERSION = "1.0+local.1"\n'
    assert (into / "other/__init__.py").exists()


@pytest.mark.parametrize("form", ["html", "json"])
def test_uv_installs(stocked: FakeIndex, tmp_path: Path, form: Form) -> None:
    stocked.form = form
    into = tmp_path / "site"
    run(
        *("uv", "pip", "install", "--no-cache", "--no-config", "--python", sys.executable),
        *("--index-url", stocked.url, "--target", into, "my-demo[x]"),
        tmp_path=tmp_path,
    )
    assert (into / "my_demo/__init__.py").read_text() == 'VERSION = "1.0+local.1"\n'
    assert (into / "other/__init__.py").exists()


def test_the_same_wheel_twice_is_the_same_bytes() -> None:
    assert build_wheel("demo", "1", files={"a": b"1"}) == build_wheel(
        "demo", "1", files={"a": b"1"}
    )
