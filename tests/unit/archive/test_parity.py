from __future__ import annotations

import io
from pathlib import Path

import pytest

from bundler.archive.galois import WINDOW, coefficient, multiply
from bundler.archive.joined import DamagedBlobsError, Joined
from bundler.archive.parity import PIECE, encode, read_size
from bundler.archive.store import BlobStore
from bundler.errors import BundlerError
from bundler.events import Advanced, Event, Finished, Started
from bundler.model.parity import MAX_LINES, MAX_ROWS, Column, ParityDocument
from tests.fakes.documents import ROOT, section
from tests.fakes.parity import make_columns, make_set
from tests.fakes.volumes import Contents, noise

COLUMNS = [[noise(50, 1), b"", noise(31, 2)], [noise(90, 3)], [], [noise(7, 4), b""]]


def naive_rows(columns: list[list[bytes]], rows: int) -> list[bytes]:
    """As docs/format.md has it, byte by byte."""
    contents = [b"".join(column) for column in columns]
    length = max(map(len, contents))
    found = []
    for row in range(rows):
        total = bytearray(length)
        for number, content in enumerate(contents):
            for place, value in enumerate(content):
                total[place] ^= multiply(coefficient(row, number), value)
        found.append(bytes(total))
    return found


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
@pytest.mark.parametrize("piece_size", [1000, 90, 89, 30, 7])
def test_rows_are_those_of_the_format_page(tmp_path: Path, rows: int, piece_size: int) -> None:
    made = make_set(tmp_path, COLUMNS, rows, piece_size=piece_size)
    pieces = [[made.contents[piece] for piece in row] for row in made.document.rows]
    assert [b"".join(row) for row in pieces] == naive_rows(COLUMNS, rows)
    for row in pieces:
        assert [len(piece) for piece in row[:-1]] == [piece_size] * (len(row) - 1)
    assert ParityDocument.from_bytes(made.document.to_bytes()) == made.document


def test_the_first_row_of_one_volume_is_that_volume(tmp_path: Path) -> None:
    made = make_set(tmp_path, [[b"hello ", b"world"]], 1)
    assert [made.contents[piece] for piece in made.document.pieces()] == [b"hello world"]


def test_nothing_but_empty_blobs_has_no_pieces(tmp_path: Path) -> None:
    made = make_set(tmp_path, [[b""], []], 2)
    assert made.document.rows == ((), ())
    assert made.document.length == 0


def test_large_volumes_are_read_in_blocks(tmp_path: Path) -> None:
    sizes = [(1 << 20) + 5, 3 * WINDOW, (1 << 20) - 1]
    columns = [[noise(size, seed), noise(size // 2, -seed)] for seed, size in enumerate(sizes, 1)]
    made = make_set(tmp_path, columns, 1, piece_size=700_000)
    contents = [b"".join(column) for column in columns]
    value = 0
    for content in contents:
        value ^= int.from_bytes(content, "little")
    row = b"".join(made.contents[piece] for piece in made.document.pieces())
    assert row == value.to_bytes(max(map(len, contents)), "little")


def test_progress_counts_the_content(tmp_path: Path) -> None:
    events: list[Event] = []
    make_set(tmp_path, COLUMNS, 2, piece_size=40, observe=events.append)
    assert events[0] == Started("parity", 178)
    assert events[-1] == Finished("parity", "0.0 MB for 0.0 MB")
    assert sum(event.amount for event in events if isinstance(event, Advanced)) == 178


def test_scratch_files_are_gone(tmp_path: Path) -> None:
    make_set(tmp_path, COLUMNS, 2, piece_size=40)
    assert list((tmp_path / "partial").iterdir()) == []


@pytest.mark.parametrize("volumes", [1, 10, 32, 33, 100, 250, 254])
def test_memory_does_not_grow_with_the_number_of_volumes(volumes: int) -> None:
    size = read_size(volumes)
    assert size % WINDOW == 0
    assert WINDOW <= size <= 1 << 20
    assert volumes * size <= 32 << 20


def test_too_many_volumes_are_refused(tmp_path: Path) -> None:
    columns = [Column(volume=number, blobs=()) for number in range(1, 254)]
    with pytest.raises(BundlerError) as caught:
        encode(columns, 3, Contents().open, BlobStore(tmp_path))
    assert str(caught.value) == "with 3 parity rows, a set has 1 to 252 volumes, not 253"
    assert caught.value.hint == "use larger volumes, or less parity"


def test_a_rotten_blob_gets_no_parity(tmp_path: Path) -> None:
    contents = Contents()
    columns = make_columns(contents, [[b"good", b"rotten"], [b"other"]])
    rotten = columns[0].blobs[1]
    contents.by_blob[rotten] = b"Rotten"
    store = BlobStore(tmp_path)
    with pytest.raises(DamagedBlobsError) as caught:
        encode(columns, 1, contents.open, store)
    assert caught.value.blobs == (rotten,)
    assert str(caught.value) == (
        f"damaged on this disk: {rotten.sha256}: the bytes are not those that the name says"
    )
    assert caught.value.hint == "remove these blobs and bring them again"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_blob_that_is_cut_short_gets_no_parity(tmp_path: Path) -> None:
    contents = Contents()
    columns = make_columns(contents, [[b"good", b"cut short"]])
    contents.by_blob[columns[0].blobs[1]] = b"cut"
    with pytest.raises(DamagedBlobsError) as caught:
        encode(columns, 1, contents.open, BlobStore(tmp_path))
    assert caught.value.blobs == (columns[0].blobs[1],)


def test_empty_blobs_are_never_opened() -> None:
    contents = Contents()
    (column,) = make_columns(contents, [[b"", b"ab", b"", b"", b"cd", b""]])
    opened = []

    def open_blob(blob: object) -> io.BytesIO:
        opened.append(blob)
        return io.BytesIO(b"abcd")

    joined = Joined(column.blobs, open_blob)
    assert joined.length == 4
    assert [(blob, *ends) for blob, *ends in joined.places(0, 9)] == [
        (column.blobs[1], 0, 2),
        (column.blobs[4], 0, 2),
    ]
    assert joined.read(0, 9) == b"abab"
    assert joined.read(1, 3) == b"ba"
    assert joined.read(4, 9) == b""
    assert joined.read(7, 9) == b""
    assert opened == [column.blobs[1], column.blobs[4]] * 2


def test_the_format_page_has_every_key_and_the_size_of_a_piece() -> None:
    page = section((ROOT / "docs" / "format.md").read_text(), "Parity")
    assert f"{PIECE:,}" in page
    assert f"1 ≤ m ≤ {MAX_ROWS} and k + m ≤ {MAX_LINES}" in page
    for kind in (ParityDocument, Column):
        for name in kind.__dataclass_fields__:
            assert f"`{name.replace('_', '-')}`" in page, name
