from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from bundler.archive.galois import WINDOW
from bundler.archive.joined import DamagedBlobsError, is_whole
from bundler.archive.rebuild import Rebuilt, rebuild
from bundler.archive.store import BlobStore
from bundler.errors import BundlerError, IncompleteError
from bundler.events import Advanced, Event, Finished, Started
from bundler.model.artifact import Blob
from tests.fakes.parity import Inside, Opened, ParitySet, make_inside, make_set
from tests.fakes.volumes import noise

COLUMNS = [
    [noise(50, 1), b"", noise(31, 2)],
    [noise(90, 3)],
    [noise(20, 4), noise(20, 5), noise(20, 6), noise(20, 7)],
    [noise(7, 8)],
]


@pytest.fixture
def made(tmp_path: Path) -> ParitySet:
    return make_set(tmp_path / "outside", COLUMNS, 2, piece_size=40)


def inside(tmp_path: Path, made: ParitySet, *lost: Blob) -> Inside:
    return make_inside(tmp_path / "inside", made, lost=lost)


def column(made: ParitySet, number: int) -> tuple[Blob, ...]:
    return made.document.columns[number].blobs


def all_is_there(there: Inside) -> bool:
    content = there.content()
    return all(content[blob.sha256] == there.set.contents[blob] for blob in there.set.blobs())


def test_any_two_lost_volumes_come_back(tmp_path: Path, made: ParitySet) -> None:
    for first in range(4):
        for second in range(first):
            lost = (*column(made, first), *column(made, second))
            there = make_inside(tmp_path / f"{first}{second}", made, lost=lost)
            found = there.rebuild()
            assert set(found.blobs) == set(lost)
            assert found.missing == ()
            assert all_is_there(there)


def test_a_volume_and_a_row_may_be_lost(tmp_path: Path, made: ParitySet) -> None:
    for row in made.document.rows:
        there = make_inside(tmp_path / row[0].sha256, made, lost=(*column(made, 1), *row))
        assert there.rebuild() == Rebuilt(blobs=column(made, 1), missing=())
        assert all_is_there(there)


def test_nothing_lost_is_nothing_done(tmp_path: Path, made: ParitySet) -> None:
    there = inside(tmp_path, made, *made.pieces())
    before = there.content()
    assert there.rebuild() == Rebuilt(blobs=(), missing=())
    assert there.content() == before


def test_too_much_lost_is_told_and_nothing_is_written(tmp_path: Path, made: ParitySet) -> None:
    lost = (*column(made, 0), *column(made, 1), *made.document.rows[0])
    there = inside(tmp_path, made, *lost)
    before = there.content()
    found = there.rebuild()
    empty = column(made, 0)[1]
    assert found == Rebuilt(
        blobs=(empty,), missing=(column(made, 0)[0], column(made, 0)[2], column(made, 1)[0])
    )
    assert there.content() == before | {empty.sha256: b""}


def test_what_is_missing_is_rebuilt_when_more_has_come(tmp_path: Path, made: ParitySet) -> None:
    there = Inside(BlobStore(tmp_path / "inside", durable=False), made)
    there.bring(column(made, 1))
    assert len(there.rebuild().blobs) == 1  # the empty one
    there.bring(made.document.rows[1])
    assert there.rebuild().blobs == ()  # one row for two or three unknowns
    there.bring(column(made, 2))
    there.bring(made.document.rows[0])
    assert there.rebuild().missing == ()
    assert all_is_there(there)


def test_long_blobs_of_different_lengths(tmp_path: Path) -> None:
    columns = [
        [noise((1 << 20) + 77, 1), noise(WINDOW, 2)],
        [noise(3 * WINDOW + 1, 3), noise((1 << 20) - 5, 4)],
        [noise(100, 5)],
    ]
    made = make_set(tmp_path / "outside", columns, 2, piece_size=300_000)
    lost = (*column(made, 0), *column(made, 1))
    there = inside(tmp_path, made, *lost)
    assert there.rebuild().missing == ()
    assert all_is_there(there)


def test_only_what_lies_beside_the_lost_is_read(tmp_path: Path, made: ParitySet) -> None:
    lost = column(made, 2)[1]  # bytes 20 to 40 of its column
    opened = Opened(made.contents)
    there = inside(tmp_path, made, lost)
    rebuild(made.document, have=there.store.has, open_blob=opened.open, store=there.store)
    assert set(opened.read) == {
        (made.document.rows[0][0], 20, 40),
        (column(made, 0)[0], 20, 40),
        (column(made, 1)[0], 20, 40),
    }
    assert len(opened.read) == 3


def test_progress_counts_what_is_rebuilt(tmp_path: Path, made: ParitySet) -> None:
    events: list[Event] = []
    inside(tmp_path, made, *column(made, 0), *column(made, 1)).rebuild(events.append)
    assert events[0] == Started("rebuild", 171)
    assert events[-1] == Finished("rebuild", "0.0 MB rebuilt")
    assert sum(event.amount for event in events if isinstance(event, Advanced)) == 171


def test_a_damaged_input_is_named_and_the_rest_is_kept(tmp_path: Path, made: ParitySet) -> None:
    # Column 2 is lost; of column 1, the bytes 0 to 90 are one blob, of which one byte is wrong.
    there = inside(tmp_path, made, *column(made, 2))
    there.damage(column(made, 1)[0])  # byte 45: beside the third blob
    with pytest.raises(DamagedBlobsError) as caught:
        there.rebuild()
    assert caught.value.blobs == column(made, 1)
    assert str(caught.value).startswith(f"damaged on this disk: {column(made, 1)[0].sha256}: ")
    content = there.content()
    assert [blob.sha256 in content for blob in column(made, 2)] == [True, True, False, False]
    there.lose(column(made, 1)[0])
    assert there.rebuild().missing == ()
    assert all_is_there(there)


def test_a_damaged_piece_is_named(tmp_path: Path, made: ParitySet) -> None:
    there = inside(tmp_path, made, *column(made, 0))
    piece = made.document.rows[0][1]
    there.damage(piece)
    with pytest.raises(DamagedBlobsError) as caught:
        there.rebuild()
    assert caught.value.blobs == (piece,)
    there.lose(piece)
    assert there.rebuild().missing == ()
    assert all_is_there(there)


def test_a_blob_that_is_too_short_is_named(tmp_path: Path, made: ParitySet) -> None:
    there = inside(tmp_path, made, *column(made, 0))
    blob = column(made, 1)[0]
    there.store.path(blob.sha256).write_bytes(made.contents[blob][:60])
    with pytest.raises(DamagedBlobsError) as caught:
        rebuild(
            made.document,
            have=lambda wanted: wanted == blob or there.store.has(wanted),
            open_blob=lambda wanted: there.store.path(wanted.sha256).open("rb"),
            store=there.store,
        )
    assert caught.value.blobs == (blob,)
    assert not is_whole(blob, lambda wanted: there.store.path(wanted.sha256).open("rb"))
    there.content()


def test_parity_of_other_volumes_rebuilds_nothing(tmp_path: Path, made: ParitySet) -> None:
    others = [[noise(50, 1), b"", noise(31, 9)], *COLUMNS[1:]]
    other = make_set(tmp_path / "other", others, 2, piece_size=40)
    wrong = ParitySet(
        type(made.document)(piece_size=40, columns=made.document.columns, rows=other.document.rows),
        {**made.contents, **other.contents},
    )
    there = inside(tmp_path, wrong, column(made, 0)[2])
    before = there.content()
    with pytest.raises(DamagedBlobsError) as caught:
        there.rebuild()
    assert str(caught.value) == (
        f"{column(made, 0)[2].sha256} cannot be rebuilt: the parity was not made of these volumes"
    )
    assert caught.value.hint == "have the volumes sent again that are missing"
    assert caught.value.blobs == ()
    assert there.content() == before


def test_stopped_anywhere_it_goes_on_from_there(tmp_path: Path, made: ParitySet) -> None:
    lost = (*column(made, 0), *column(made, 2))
    there = inside(tmp_path, made, *lost)
    rebuilt: list[Blob] = []
    for number in range(1, 100):
        calls = 0

        def open_blob(blob: Blob, limit: int = number) -> BinaryIO:
            nonlocal calls
            calls += 1
            if calls > limit:
                raise KeyboardInterrupt
            return there.store.open(blob)

        try:
            found = rebuild(
                made.document, have=there.store.has, open_blob=open_blob, store=there.store
            )
        except KeyboardInterrupt:
            there.content()  # nothing unfinished lies about
            continue
        rebuilt.extend(found.blobs)
        break
    assert len(rebuilt) < len(lost)  # the others were kept by those that were stopped
    assert all_is_there(there)


def test_a_blob_that_goes_meanwhile_is_an_error(tmp_path: Path, made: ParitySet) -> None:
    there = inside(tmp_path, made, *column(made, 0), *column(made, 1), column(made, 2)[0])
    with pytest.raises(IncompleteError, match="does not have the blob"):
        rebuild(
            made.document,
            have=lambda blob: there.store.has(blob) or blob == column(made, 2)[0],
            open_blob=there.store.open,
            store=there.store,
        )


def test_a_full_disk_is_explained(
    tmp_path: Path, made: ParitySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = inside(tmp_path, made, *column(made, 1))

    def full(_blob: Blob, _temp: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(there.store, "adopt", full)
    with pytest.raises(BundlerError, match=r"no room left in .*inside: 90 bytes are needed"):
        there.rebuild()
