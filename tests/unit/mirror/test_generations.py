from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bundler.errors import BundlerError, DamagedError
from bundler.mirror.generations import (
    RECORD,
    Generation,
    Shown,
    folder_of,
    live,
    live_number,
    make_live,
    read_generation,
    sweep,
)
from bundler.mirror.layout import Mirror
from tests.fakes.mirrors import blob_of


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror.create(tmp_path)


def _write(mirror: Mirror, number: int, **sequences: int) -> Generation:
    streams = {
        stream: Shown(sequence, blob_of(f"{stream} {sequence}".encode()))
        for stream, sequence in sequences.items()
    }
    generation = Generation(number, streams)
    (folder_of(mirror, number) / "simple").mkdir(parents=True)
    (folder_of(mirror, number) / RECORD).write_bytes(generation.to_bytes())
    return generation


def test_a_new_mirror_shows_nothing(mirror: Mirror) -> None:
    assert live(mirror) is None
    assert live_number(mirror) is None


def test_one_generation_is_live(mirror: Mirror) -> None:
    last = _write(mirror, 1_000_000, web=9)
    first = _write(mirror, 2, web=7, ml=1)
    make_live(mirror, 2)
    assert mirror.simple.readlink() == Path(".bundler/generations/000002/simple")
    assert live(mirror) == first
    make_live(mirror, 1_000_000)
    assert live(mirror) == last
    assert live_number(mirror) == 1_000_000


def test_a_link_left_by_a_killed_publication_is_replaced(mirror: Mirror) -> None:
    _write(mirror, 1)
    (mirror.state / "simple.new").symlink_to("old")
    make_live(mirror, 1)
    assert live_number(mirror) == 1
    assert not (mirror.state / "simple.new").is_symlink()


@pytest.mark.parametrize("target", ["elsewhere", ".bundler/generations/1/simple", "/etc"])
def test_a_link_of_somebody_else_is_named(mirror: Mirror, target: str) -> None:
    mirror.simple.symlink_to(target)
    with pytest.raises(BundlerError, match="simple is not the link that this program makes"):
        live(mirror)


def test_a_folder_in_place_of_the_link_is_left_alone(mirror: Mirror) -> None:
    mirror.simple.mkdir()
    with pytest.raises(BundlerError, match="is not the link that this program makes"):
        live_number(mirror)
    with pytest.raises(BundlerError, match="is not the link that this program makes"):
        make_live(mirror, 1)
    assert not (mirror.state / "simple.new").is_symlink()


def test_another_failure_of_the_rename_leaves_no_link(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Path, _target: Path) -> Path:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="broken disk"):
        make_live(mirror, 1)
    assert not (mirror.state / "simple.new").is_symlink()


def test_a_record_is_read_strictly(mirror: Mirror) -> None:
    with pytest.raises(DamagedError, match=r"000003/generation\.json is lost"):
        read_generation(mirror, 3)
    _write(mirror, 4, web=1)
    folder_of(mirror, 4).rename(folder_of(mirror, 3))
    with pytest.raises(DamagedError, match="it says generation 4"):
        read_generation(mirror, 3)
    (folder_of(mirror, 3) / RECORD).write_bytes(b"{}")
    with pytest.raises(DamagedError, match="generation: no key 'format'"):
        read_generation(mirror, 3)


def test_a_record_that_cannot_be_read_is_not_taken_for_a_lost_one(mirror: Mirror) -> None:
    (folder_of(mirror, 3) / RECORD).mkdir(parents=True)
    with pytest.raises(BundlerError, match=r"generation\.json cannot be read") as caught:
        read_generation(mirror, 3)
    assert not isinstance(caught.value, DamagedError)


def test_sweep_removes_what_was_never_shown(mirror: Mirror) -> None:
    for number in (1, 2, 3):
        _write(mirror, number)
    make_live(mirror, 2)
    (mirror.generations / ".new-abc" / "simple").mkdir(parents=True)
    (mirror.generations / "notes").mkdir()
    sweep(mirror)
    found = sorted(path.name for path in mirror.generations.iterdir())
    assert found == ["000001", "000002", "notes"]


def test_sweep_before_the_first_publication(mirror: Mirror) -> None:
    _write(mirror, 1)
    sweep(mirror)
    assert list(mirror.generations.iterdir()) == []
