from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import canonical
from bundler.model.parity import Column, ParityDocument, check_shape, piece_sizes

SIZES = st.lists(st.integers(0, 2**40), max_size=4)


def blob(number: int, size: int) -> Blob:
    return Blob(Sha256(f"{number:064x}"), size)


@st.composite
def documents(draw: st.DrawFn) -> ParityDocument:
    number = 0

    def fresh(size: int) -> Blob:
        nonlocal number
        number += 1
        return blob(number, size)

    columns = tuple(
        Column(volume=volume, blobs=tuple(fresh(size) for size in draw(SIZES)))
        for volume in sorted(draw(st.sets(st.integers(1, 300), min_size=1, max_size=5)))
    )
    length = max(column.length for column in columns)
    piece_size = draw(st.integers(max(1, length // 5), 2**42))
    rows = tuple(
        tuple(fresh(size) for size in piece_sizes(length, piece_size))
        for _ in range(draw(st.integers(1, 4)))
    )
    return ParityDocument(piece_size=piece_size, columns=columns, rows=rows)


@given(documents())
def test_documents_are_read_as_they_were_written(document: ParityDocument) -> None:
    data = document.to_bytes()
    assert ParityDocument.from_bytes(data) == document
    assert ParityDocument.from_bytes(data).to_bytes() == data
    assert sum(piece.size for piece in document.pieces()) == document.length * len(document.rows)


DOCUMENT = ParityDocument(
    piece_size=8,
    columns=(
        Column(volume=1, blobs=(blob(1, 5), blob(2, 0), blob(3, 6))),
        Column(volume=3, blobs=()),
        Column(volume=4, blobs=(blob(4, 10), blob(2, 0))),
    ),
    rows=((blob(11, 8), blob(12, 3)), (blob(13, 8), blob(14, 3))),
)


def test_a_row_is_as_long_as_the_longest_column() -> None:
    assert [column.length for column in DOCUMENT.columns] == [11, 0, 10]
    assert DOCUMENT.length == 11
    assert list(DOCUMENT.pieces()) == [blob(11, 8), blob(12, 3), blob(13, 8), blob(14, 3)]


def test_empty_volumes_have_rows_without_pieces() -> None:
    empty = ParityDocument(
        piece_size=8, columns=(Column(volume=1, blobs=(blob(2, 0),)),), rows=((),)
    )
    assert ParityDocument.from_bytes(empty.to_bytes()) == empty


def changed(**keys: Any) -> bytes:
    return canonical(json.loads(DOCUMENT.to_bytes()) | keys)


PIECE = {"sha256": "ab" * 32, "size": 11}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}", "parity document: no key 'format'"),
        (changed(format=2), "parity document.format: this version of bundle reads format 1 only"),
        (changed(extra=1), "parity document: unknown key 'extra'"),
        (changed(**{"piece-size": 0}), "parity document.piece-size: not an integer of 1 or more"),
        (changed(columns=3), "parity document.columns: not an array"),
        (
            changed(columns=[{"volume": 0, "blobs": []}]),
            "parity document.columns[0].volume: not an integer of 1 or more",
        ),
        (
            changed(columns=[{"volume": 1, "blobs": [], "name": "web"}]),
            "parity document.columns[0]: unknown key 'name'",
        ),
        (
            changed(columns=[{"volume": 1, "blobs": [{"sha256": "AB", "size": 1}]}]),
            "parity document.columns[0].blobs[0].sha256: not a sha256 digest: 'AB'",
        ),
        (changed(columns=[]), "with 2 parity rows, a set has 1 to 253 volumes, not 0"),
        (
            changed(columns=[{"volume": 2, "blobs": []}, {"volume": 2, "blobs": []}]),
            "parity document: columns are not sorted by volume, or one stands twice",
        ),
        (
            changed(columns=[{"volume": 2, "blobs": []}, {"volume": 1, "blobs": []}]),
            "parity document: columns are not sorted by volume, or one stands twice",
        ),
        (changed(rows=[]), "a set of volumes has 1 to 4 parity rows, not 0"),
        (changed(rows=[{"pieces": [PIECE], "row": 1}]), "rows[0]: unknown key 'row'"),
        (changed(rows=[{"pieces": [PIECE]}]), "rows[0]: its pieces are not those of 11 bytes"),
        (
            changed(rows=[{"pieces": [PIECE | {"size": 3}, PIECE | {"size": 8}]}]),
            "parity document.rows[0]: its pieces are not those of 11 bytes",
        ),
        (
            changed(**{"piece-size": 1}),
            "parity document.rows[0]: its pieces are not those of 11 bytes",
        ),
    ],
)
def test_everything_else_is_refused_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        ParityDocument.from_bytes(data)
    assert str(caught.value).endswith(message)


def test_a_blob_has_one_size() -> None:
    twice = replace(DOCUMENT, columns=(*DOCUMENT.columns, Column(volume=5, blobs=(blob(11, 9),))))
    with pytest.raises(ValueError) as caught:
        ParityDocument.from_bytes(twice.to_bytes())
    assert str(caught.value) == f"parity document: {blob(11, 0).sha256} stands there with two sizes"


def test_an_enormous_row_of_one_byte_pieces_is_not_written_out() -> None:
    huge = replace(DOCUMENT, piece_size=1, columns=(Column(volume=1, blobs=(blob(1, 2**53 - 1),)),))
    with pytest.raises(ValueError, match=r"rows\[0\]: its pieces are not those"):
        ParityDocument.from_bytes(huge.to_bytes())


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (254, 1), (251, 4)])
def test_shapes_that_can_be(columns: int, rows: int) -> None:
    check_shape(columns, rows)


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        (255, 1, "with 1 parity rows, a set has 1 to 254 volumes, not 255"),
        (252, 4, "with 4 parity rows, a set has 1 to 251 volumes, not 252"),
        (10, 5, "a set of volumes has 1 to 4 parity rows, not 5"),
    ],
)
def test_shapes_that_cannot_be(columns: int, rows: int, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_shape(columns, rows)
    assert str(caught.value) == message
