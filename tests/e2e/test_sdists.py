"""A source distribution crosses, and pip builds it behind the gap with what came along."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.command import Site, bundle, read_json, site, succeed
from tests.fakes.netns import clean_environment, require_isolation, run_isolated
from tests.fakes.sdists import build_sdist
from tests.fakes.wheels import build_wheel

pytestmark = pytest.mark.netns

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A mirror with `answer`, of which there is only a source distribution.

    It needs `leaf`, its build needs `flat`, and the build of that one needs nothing.
    """
    require_isolation()
    with site(tmp_path_factory.mktemp("site")) as host:
        host.index.add(*build_wheel("leaf", "1.0"))
        host.index.add(*build_sdist("flat", "2.0", in_tree=True))
        host.index.add(*build_sdist("answer", "4.2", requires=["leaf"], build=["flat>=1"]))
        host.profile.write_text(
            "[profile]\n"
            'name = "test"\n'
            'requirements = ["answer"]\n'
            'sdists = "when-no-wheel"\n'
            "[[index]]\n"
            f'url = "{host.index.url}"\n'
            "[targets]\n"
            f'python = ["{HERE}"]\n'
            'platforms = ["x86_64-manylinux_2_28"]\n'
        )
        assert host.create().exit_code == 0
        succeed("unpack", host.volume(), "--into", host.mirror)
        yield host


def test_pip_builds_it_with_what_came_along(crossed: Site, tmp_path: Path) -> None:
    venv, home = tmp_path / "venv", tmp_path / "user"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    home.mkdir()
    serve: list[str | Path] = [sys.executable, "-m", "tests.fakes.serving", crossed.mirror]
    python = venv / "bin" / "python"
    install: list[str | Path] = [sys.executable, "-m", "pip", "--isolated", "--python", python,
                                 "install", "--index-url", "{url}simple/", "answer"]  # fmt: skip
    result = run_isolated([*serve, *install], clean_environment(home), home)
    assert result.returncode == 0, result.stdout + result.stderr
    folders = map(str, venv.glob("lib/*/site-packages"))
    found = importlib.metadata.distributions(path=list(folders))
    # The backend was needed for the build only.
    assert {item.name: item.version for item in found} == {"answer": "4.2", "leaf": "1.0"}


def test_it_is_called_what_it_is(crossed: Site) -> None:
    inspected = bundle("inspect", crossed.volume())
    assert "answer   4.2 (source distribution)" in inspected.stdout
    projects = read_json(bundle("inspect", crossed.volume(), "--json"))["projects"]
    assert {"name": "leaf", "versions": ["1.0"], "sdists": []} in projects
    assert {"name": "flat", "versions": ["2.0"], "sdists": ["2.0"]} in projects
    (lock,) = (crossed.out / "test-000001.locks").iterdir()
    assert "[packages.sdist]" in lock.read_text()
    assert "flat" not in lock.read_text()


def test_locking_counts_each_kind(crossed: Site) -> None:
    locked = bundle("lock", crossed.profile, *crossed.home)
    assert "3 projects, 1 wheel and 2 source distributions for 1 target," in locked.stdout


def test_creating_again_from_the_locks(crossed: Site) -> None:
    locks = crossed.out / "test-000001.locks"
    assert crossed.create("--locked", "--locks", str(locks)).exit_code == 0
    said = read_json(bundle("unpack", crossed.volume(2), "--into", crossed.mirror, "--json"))
    (again,) = said["sequences"]
    assert (again["files"], again["new-files"]) == (3, 0)
