"""What can be rebuilt of a set of volumes: found from sizes alone, before any byte is read.

Lost blobs and lost pieces are intervals. Between two of their ends, it is the same columns and rows
that are lost: that is a *stretch*. It can be solved when there are as many rows as lost columns. A
blob can be rebuilt when every stretch that it has a part in can be solved. As a blob may stand in
several places, what is rebuilt may help others: hence steps, until nothing more is found.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Self, TypeAlias

from bundler.model.artifact import Blob
from bundler.model.parity import ParityDocument


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lost blob stands: its first byte in a column, counted from 0."""

    blob: Blob
    column: int
    start: int

    @property
    def end(self) -> int:
        """Behind its last byte."""
        return self.start + self.blob.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Bytes `start` to `end` of every column and row.

    Attributes:
        lost: The columns that lack them.
        rows: As many rows that have them.
        wanted: The places in these columns whose blobs are to be rebuilt.
    """

    start: int
    end: int
    lost: tuple[int, ...]
    rows: tuple[int, ...]
    wanted: tuple[Place, ...]


Step: TypeAlias = tuple[tuple[Place, ...], tuple[Stretch, ...]]
"""Places to be rebuilt, and the stretches that they have a part in, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What is to be done.

    Attributes:
        steps: One after the other: a later one needs the blobs of those before.
        missing: The blobs that are not at hand and cannot be rebuilt.
    """

    steps: tuple[Step, ...]
    missing: tuple[Blob, ...]

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """Those that can be rebuilt."""
        return tuple(place.blob for places, _stretches in self.steps for place in places)

    @property
    def size(self) -> int:
        """Of these blobs together, in bytes."""
        return sum(blob.size for blob in self.blobs)

    @classmethod
    def of(cls, document: ParityDocument, have: Callable[[Blob], bool]) -> Self:
        """What can be done with the blobs and pieces that `have` knows."""
        in_columns = chain.from_iterable(column.blobs for column in document.columns)
        missing = dict.fromkeys(blob for blob in in_columns if not have(blob))
        no_pieces = {piece for piece in document.pieces() if not have(piece)}
        steps = []
        while missing:
            places, stretches = _next_step(document, missing, no_pieces)
            if not places:
                break
            steps.append((places, stretches))
            for place in places:
                del missing[place.blob]
        return cls(steps=tuple(steps), missing=tuple(missing))


@dataclass(frozen=True, slots=True)
class _Gap:
    """Where a row has lost bytes."""

    row: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Run:
    """As `Stretch`, before it is known which places are wanted."""

    start: int
    end: int
    lost: tuple[Place, ...]
    rows: tuple[int, ...]


def _next_step(
    document: ParityDocument, missing: Collection[Blob], no_pieces: Collection[Blob]
) -> Step:
    places = tuple(_places(document, missing))
    runs, hopeless = _solvable(places, tuple(_gaps(document, no_pieces)), len(document.rows))
    chosen: dict[Blob, Place] = {}
    for place in places:
        if bisect_left(hopeless, place.start) == bisect_left(hopeless, place.end):
            chosen.setdefault(place.blob, place)
    return tuple(chosen.values()), tuple(_stretches(runs, frozenset(chosen.values())))


def _places(document: ParityDocument, missing: Collection[Blob]) -> Iterator[Place]:
    for number, column in enumerate(document.columns):
        start = 0
        for blob in column.blobs:
            if blob in missing:
                yield Place(blob, number, start)
            start += blob.size


def _gaps(document: ParityDocument, no_pieces: Collection[Blob]) -> Iterator[_Gap]:
    for number, row in enumerate(document.rows):
        start = 0
        for piece in row:
            if piece in no_pieces:
                yield _Gap(number, start, start + piece.size)
            start += piece.size


def _solvable(
    places: Sequence[Place], gaps: Sequence[_Gap], rows: int
) -> tuple[list[_Run], list[int]]:
    """The runs that can be solved, and where those begin that cannot, in their order."""
    starts: defaultdict[int, list[Place | _Gap]] = defaultdict(list)
    ends: defaultdict[int, list[Place | _Gap]] = defaultdict(list)
    things: list[Place | _Gap] = [*places, *gaps]
    for thing in things:
        if thing.start < thing.end:
            starts[thing.start].append(thing)
            ends[thing.end].append(thing)
    runs: list[_Run] = []
    hopeless: list[int] = []
    lost: dict[int, Place] = {}
    at_hand = set(range(rows))
    for start, end in pairwise(sorted(starts.keys() | ends.keys())):
        for thing in ends[start]:
            if isinstance(thing, Place):
                del lost[thing.column]
            else:
                at_hand.add(thing.row)
        for thing in starts[start]:
            if isinstance(thing, Place):
                lost[thing.column] = thing
            else:
                at_hand.remove(thing.row)
        if len(lost) > len(at_hand):
            hopeless.append(start)
        elif lost:
            enough = tuple(sorted(at_hand)[: len(lost)])
            runs.append(_Run(start, end, tuple(lost.values()), enough))
    return runs, hopeless


def _stretches(runs: Iterable[_Run], chosen: Collection[Place]) -> Iterator[Stretch]:
    for run in runs:
        wanted = tuple(place for place in run.lost if place in chosen)
        if wanted:
            lost = tuple(place.column for place in run.lost)
            yield Stretch(start=run.start, end=run.end, lost=lost, rows=run.rows, wanted=wanted)
