"""`verify.py` comes to lie beside the volumes, whole, and over nothing of anybody else's."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundler.archive.pack import VolumeWriter
from bundler.errors import BundlerError
from bundler.second_opinion.beside import PROGRAM, check_place, program, program_beside
from tests.fakes.command import Site, site
from tests.fakes.documents import ROOT
from tests.fakes.wheels import build_wheel

STEM = "web-000001"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


def test_the_program_gets_its_name_at_the_end(tmp_path: Path) -> None:
    with program_beside(tmp_path, STEM):
        assert [path.name for path in tmp_path.iterdir()] == [f".{STEM}.verify.part"]
    assert [path.name for path in tmp_path.iterdir()] == [PROGRAM]
    assert (tmp_path / PROGRAM).read_bytes() == program()


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    def fail() -> None:
        with program_beside(tmp_path, STEM):
            raise BundlerError("no")

    with pytest.raises(BundlerError, match="no"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_one_of_another_version_is_replaced(tmp_path: Path) -> None:
    title = program().partition(b"\n")[0]
    (tmp_path / PROGRAM).write_bytes(title + b"\nold = True\n")
    check_place(tmp_path)
    with program_beside(tmp_path, STEM):
        pass
    assert (tmp_path / PROGRAM).read_bytes() == program()


def test_a_folder_of_that_name_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / PROGRAM).mkdir()
    with pytest.raises(BundlerError, match=r"verify\.py cannot be read: Is a directory"):
        check_place(tmp_path)


def test_create_writes_it_and_it_accepts_the_volume(host: Site) -> None:
    assert host.create().exit_code == 0
    argv = [sys.executable, PROGRAM, host.volume().name, "--root", "../root.json"]
    done = subprocess.run(argv, cwd=host.out, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        f"{host.volume().name}: good: test sequence 1, full, volume 1 of 1, 8 files\n"
    )
    host.index.add(*build_wheel("app", "2.0"))
    assert host.create().exit_code == 0
    assert (host.out / PROGRAM).read_bytes() == program()


def test_create_touches_no_program_of_somebody_else(host: Site) -> None:
    host.out.mkdir()
    (host.out / PROGRAM).write_text("print('mine')\n")
    host.index.requests.clear()
    result = host.create()
    assert result.exit_code == 1
    assert f"{host.out / PROGRAM} exists already and is another program" in result.stderr
    assert (host.out / PROGRAM).read_text() == "print('mine')\n"
    assert host.index.requests == []


def test_an_interrupted_create_leaves_none(host: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(VolumeWriter, "fill", interrupt)
    assert host.create().exit_code == 130
    assert list(host.out.iterdir()) == []


def test_an_installation_has_it(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(argv, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(f"bundler/second_opinion/{PROGRAM}") == program()
