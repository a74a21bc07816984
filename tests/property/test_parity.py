"""Whatever is lost of a set of volumes, what can be known comes back, and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bundler.archive.joined import DamagedBlobsError
from bundler.model.artifact import Blob, parse_sha256
from bundler.model.parity import ParityDocument
from tests.fakes.parity import Inside, ParitySet, make_inside, make_set

# A few of them again and again: the same blob stands in several places.
BYTES = st.one_of(
    st.binary(max_size=30), st.sampled_from([b"", b"\0", b"licence", b"documents of everyone"])
)


@dataclass(frozen=True)
class Case:
    columns: list[list[bytes]]
    rows: int
    piece_size: int


CASES = st.builds(
    Case,
    columns=st.lists(st.lists(BYTES, max_size=5), min_size=1, max_size=7),
    rows=st.integers(1, 4),
    piece_size=st.integers(1, 80),
)


def knowable(document: ParityDocument, lost: Collection[Blob]) -> set[Blob]:
    """The blobs that can be rebuilt, found byte by byte."""
    columns = [column.blobs for column in document.columns]
    missing = {blob for column in columns for blob in column} & set(lost)
    no_row = count_lost(document.rows, lost, document.length)
    found: set[Blob] = set()
    while True:
        unknown = count_lost(columns, missing, document.length)
        more = {
            blob
            for column in columns
            for place, blob in placed(column)
            if blob in missing and all(unknown[p] + no_row[p] <= len(document.rows) for p in place)
        }
        if not more:
            return found
        found |= more
        missing -= more


def count_lost(lines: Iterable[tuple[Blob, ...]], lost: Collection[Blob], length: int) -> list[int]:
    """In how many lines each byte is lost."""
    counts = [0] * length
    for line in lines:
        for place, blob in placed(line):
            for number in place if blob in lost else ():
                counts[number] += 1
    return counts


def placed(blobs: tuple[Blob, ...]) -> list[tuple[range, Blob]]:
    found, start = [], 0
    for blob in blobs:
        found.append((range(start, start + blob.size), blob))
        start += blob.size
    return found


def nothing_wrong(there: Inside) -> set[str]:
    """Every digest in the store; all of them name their bytes."""
    content = there.content()
    by_name = {blob.sha256: data for blob, data in there.set.contents.items()}
    for name, data in content.items():
        assert data == by_name[parse_sha256(name)]
    return set(content)


@settings(max_examples=120)
@given(case=CASES, data=st.data())
def test_what_can_be_known_comes_back(case: Case, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder), case)
        everything = sorted(made.blobs() | made.pieces())
        lost = data.draw(st.sets(st.sampled_from(everything))) if everything else set()
        there = make_inside(Path(folder, "inside"), made, lost=lost)
        found = there.rebuild()
        expected = knowable(made.document, lost)
        assert set(found.blobs) == expected
        assert len(found.blobs) == len(expected)
        assert set(found.missing) == (made.blobs() & lost) - expected
        had = {blob.sha256 for blob in (set(everything) - lost) | expected}
        assert nothing_wrong(there) == had
        assert there.rebuild().blobs == ()


@settings(max_examples=80)
@given(case=CASES, data=st.data())
def test_as_many_volumes_as_rows_come_back(case: Case, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder), case)
        lines = [column.blobs for column in made.document.columns] + list(made.document.rows)
        gone = data.draw(st.sets(st.integers(0, len(lines) - 1), max_size=case.rows))
        kept = {blob for number, line in enumerate(lines) if number not in gone for blob in line}
        there = make_inside(
            Path(folder, "inside"), made, lost=(made.blobs() | made.pieces()) - kept
        )
        assert there.rebuild().missing == ()
        assert {blob.sha256 for blob in made.blobs()} <= nothing_wrong(there)


@settings(max_examples=80)
@given(case=CASES, data=st.data())
def test_nothing_wrong_is_kept_whatever_is_damaged(case: Case, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder), case)
        everything = sorted(made.blobs() | made.pieces())
        lost = data.draw(st.sets(st.sampled_from(everything))) if everything else set()
        there = make_inside(Path(folder, "inside"), made, lost=lost)
        there_is = sorted(blob for blob in set(everything) - lost if blob.size)
        rotten = data.draw(st.sets(st.sampled_from(there_is), max_size=3)) if there_is else set()
        for blob in rotten:
            there.damage(blob)
        # Whoever is told what is damaged removes it; then it counts as lost.
        while damaged := damaged_parts(there):
            assert damaged <= rotten
            for blob in damaged:
                there.lose(blob)
            rotten -= damaged
        for blob in rotten:  # they had no part in anything
            there.lose(blob)
        nothing_wrong(there)


def damaged_parts(there: Inside) -> set[Blob]:
    """What an attempt to rebuild complains about."""
    try:
        there.rebuild()
    except DamagedBlobsError as error:
        return set(error.blobs) or {Blob(parse_sha256("0" * 64), 0)}  # which is never rotten
    return set()


def make(folder: Path, case: Case) -> ParitySet:
    return make_set(folder / "outside", case.columns, case.rows, piece_size=case.piece_size)
