from __future__ import annotations

import time
from collections.abc import Collection

from bundler.archive.lost import Place, Recovery, Stretch
from bundler.model.artifact import Blob, Sha256
from bundler.model.parity import Column, ParityDocument, piece_sizes


def blob(number: int, size: int) -> Blob:
    return Blob(Sha256(f"{number:064x}"), size)


def document(columns: list[list[Blob]], rows: int, piece_size: int) -> ParityDocument:
    made = tuple(
        Column(volume=number, blobs=tuple(blobs)) for number, blobs in enumerate(columns, 1)
    )
    length = max(column.length for column in made)
    return ParityDocument(
        piece_size=piece_size,
        columns=made,
        rows=tuple(
            tuple(
                blob(10**6 * (row + 1) + number, size)
                for number, size in enumerate(piece_sizes(length, piece_size))
            )
            for row in range(rows)
        ),
    )


def recovery(made: ParityDocument, lost: Collection[Blob]) -> Recovery:
    return Recovery.of(made, lambda blob: blob not in lost)


A, B, C, D, E = (blob(number, 10) for number in range(1, 6))


def test_nothing_is_to_be_done_when_nothing_is_lost() -> None:
    found = recovery(document([[A, B], [C]], 1, 7), ())
    assert found == Recovery(steps=(), missing=())
    assert found.size == 0


def test_lost_pieces_alone_need_nothing() -> None:
    made = document([[A, B], [C]], 1, 7)
    assert recovery(made, made.rows[0]) == Recovery(steps=(), missing=())


def test_one_lost_volume_is_one_stretch_for_each_blob() -> None:
    found = recovery(document([[A, B], [C, D]], 1, 100), [A, B])
    first, second = Place(A, 0, 0), Place(B, 0, 10)
    assert found.steps == (
        (
            (first, second),
            (
                Stretch(start=0, end=10, lost=(0,), rows=(0,), wanted=(first,)),
                Stretch(start=10, end=20, lost=(0,), rows=(0,), wanted=(second,)),
            ),
        ),
    )
    assert (found.blobs, found.size, found.missing) == ((A, B), 20, ())


def test_a_lost_piece_sends_the_stretch_to_another_row() -> None:
    made = document([[A, B], [C, D]], 2, 15)
    found = recovery(made, [B, made.rows[0][0]])
    ((_places, stretches),) = found.steps
    assert [(one.start, one.end, one.rows) for one in stretches] == [(10, 15, (1,)), (15, 20, (0,))]


def test_what_cannot_be_rebuilt_does_not_keep_others_from_it() -> None:
    # B and D lie beside each other, with one row: neither. A stands alone in its place.
    found = recovery(document([[A, B], [C, D]], 1, 100), [A, B, D])
    assert found.blobs == (A,)
    assert found.missing == (B, D)


def test_touching_blobs_do_not_overlap() -> None:
    found = recovery(document([[A, B], [C, D]], 1, 100), [A, D])
    assert found.blobs == (A, D)


def test_a_blob_that_overlaps_a_hopeless_place_is_missing() -> None:
    long = blob(9, 20)
    found = recovery(document([[long], [C, D]], 1, 100), [long, D])
    assert found == Recovery(steps=(), missing=(long, D))


def test_a_lost_neighbour_takes_part_in_the_sum() -> None:
    # The long one cannot be rebuilt: at its end there is one row for two. A can, and the beginning
    # of the long one is a second unknown beside it.
    long = blob(9, 20)
    made = document([[A, B], [long], [C, D]], 2, 10)
    found = recovery(made, [A, long, made.rows[0][1], B])
    ((places, stretches),) = found.steps
    assert [place.blob for place in places] == [A]
    assert stretches == (
        Stretch(start=0, end=10, lost=(0, 1), rows=(0, 1), wanted=(Place(A, 0, 0),)),
    )
    assert found.missing == (B, long)


def test_a_blob_that_stands_twice_is_rebuilt_once_and_helps_the_next_step() -> None:
    # In columns 1 and 2, A and C lie beside each other; A stands in column 3, too, where it is
    # alone. With A, C has one unknown less.
    made = document([[A, B], [C, D], [E, A]], 1, 100)
    found = recovery(made, [A, C])
    assert [list(places) for places, _stretches in found.steps] == [
        [Place(A, 2, 10)],
        [Place(C, 1, 0)],
    ]
    assert found.missing == ()


def test_an_empty_blob_needs_no_row() -> None:
    empty = blob(0, 0)
    made = document([[A, empty, B], [empty, C, D]], 1, 100)
    found = recovery(made, [empty, B, D, *made.rows[0]])
    assert found.steps == (((Place(empty, 0, 10),), ()),)
    assert found.missing == (B, D)


def test_a_large_set_of_which_little_has_come_is_seen_through_in_no_time() -> None:
    columns = [
        [blob(1000 * number + place, 1 + number) for place in range(100)] for number in range(200)
    ]
    made = document(columns, 4, 500)
    started = time.process_time()
    found = recovery(made, {one for column in columns[1:] for one in column})
    assert time.process_time() - started < 5
    assert set(found.missing) | set(found.blobs) == {one for row in columns[1:] for one in row}
    # At the end, only the four longest columns go on.
    assert set(found.blobs) <= {one for column in columns[-4:] for one in column}
    assert found.blobs
