from __future__ import annotations

from pathlib import Path

import pytest

from bundler.archive.keep import Keeper
from bundler.archive.sliced import Sliced
from bundler.archive.store import BlobStore
from bundler.errors import DamagedError
from bundler.model.artifact import Blob
from bundler.model.volume import Slice
from tests.fakes.trust import blob
from tests.fakes.volumes import noise, stored

DATA = noise(1000)
WHOLE = blob(DATA)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


def part_of(start: int, stop: int) -> tuple[Blob, Slice]:
    return blob(DATA[start:stop]), Slice(WHOLE, start)


def keep(store: BlobStore, start: int, stop: int, data: bytes = DATA) -> None:
    part, where = part_of(start, stop)
    keeper = Keeper(store, slices={part.sha256: where})
    assert not keeper.has(part)
    with keeper.open(part) as file:
        file.write(data[start:stop])
        keeper.keep(part, file)
    assert keeper.has(part)


@pytest.mark.parametrize("order", [((0, 400), (400, 1000)), ((300, 1000), (0, 500), (200, 310))])
def test_parts_make_the_whole(store: BlobStore, order: tuple[tuple[int, int], ...]) -> None:
    for span in order:
        assert not store.has(WHOLE)
        if not store.has(WHOLE):
            keep(store, *span)
        if store.has(WHOLE):
            break
    assert store.read(WHOLE, 1000) == DATA
    assert list(stored(store).values()) == [DATA]


def test_what_is_not_the_whole_is_dropped(store: BlobStore) -> None:
    keep(store, 0, 400)
    part, where = part_of(400, 1000)
    keeper = Keeper(store, slices={part.sha256: where})
    with keeper.open(part) as file:
        file.write(bytes(600))
        with pytest.raises(DamagedError, match=f"the parts of the blob {WHOLE.sha256} .1000 byte"):
            keeper.keep(part, file)
    assert stored(store) == {}
    keep(store, 0, 400)
    keep(store, 400, 1000)
    assert store.has(WHOLE)


def test_marks_without_a_whole_count_for_nothing(store: BlobStore) -> None:
    keep(store, 0, 400)
    folder = store.root / "sliced"
    (folder / WHOLE.sha256).unlink()
    part, where = part_of(0, 400)
    assert not Sliced(store).has(where, part.size)
    Sliced(store).sweep()
    assert list(folder.iterdir()) == []
    keep(store, 400, 1000)
    assert not store.has(WHOLE)


def test_a_whole_of_another_length_is_begun_anew(store: BlobStore) -> None:
    keep(store, 0, 400)
    (store.root / "sliced" / WHOLE.sha256).write_bytes(b"short")
    keep(store, 400, 1000)
    assert not store.has(WHOLE)
    keep(store, 0, 400)
    assert store.has(WHOLE)


@pytest.mark.parametrize("data", [DATA, bytes(1000)])
def test_a_crash_before_the_last_step_is_made_good(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    keep(store, 0, 400, data)
    monkeypatch.setattr(Sliced, "_adopt", lambda *_arguments: None)
    keep(store, 400, 1000, data)
    monkeypatch.undo()
    assert not store.has(WHOLE)
    Sliced(store).sweep()
    assert store.has(WHOLE) == (data == DATA)
    assert list((store.root / "sliced").iterdir()) == []


def test_what_is_unfinished_can_be_dropped(store: BlobStore) -> None:
    Sliced(store).clear()
    keep(store, 0, 400)
    Sliced(store).clear()
    assert not (store.root / "sliced").exists()
    Sliced(store).sweep()
