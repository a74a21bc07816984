"""Rebuilding lost blobs of a set of volumes from the others and from parity pieces.

What can be rebuilt follows from the parity document and from what is at hand, and from nothing
else: not from media, their order or an earlier attempt. So it may be stopped at any time and begun
again. Only the places that lost blobs had are read and computed. A blob is kept when its digest is
the one that was asked for, and never otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bundler.archive.galois import coefficient, invert, multiply, sums
from bundler.archive.joined import (
    DamagedBlobsError,
    Growing,
    Joined,
    OpenBlob,
    damaged,
    is_whole,
)
from bundler.archive.lost import Place, Recovery, Stretch
from bundler.archive.parallel import Leftovers
from bundler.archive.parity import read_size
from bundler.archive.store import BlobStore
from bundler.disk import no_room_explained
from bundler.events import Advanced, Finished, Observer, Started, ignore
from bundler.model.artifact import Blob
from bundler.model.parity import ParityDocument

_PHASE = "rebuild"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What came of it.

    Attributes:
        blobs: Those that are in the store now, and were not.
        missing: Those of the columns that are still not at hand.
    """

    blobs: tuple[Blob, ...]
    missing: tuple[Blob, ...]


def rebuild(
    document: ParityDocument,
    *,
    have: Callable[[Blob], bool],
    open_blob: OpenBlob,
    store: BlobStore,
    observe: Observer = ignore,
) -> Rebuilt:
    """Bring into `store` every blob of the columns that is not at hand and can be computed.

    `have` and `open_blob` are asked for blobs and pieces alike; what is in `store` is at hand.

    Raises:
        DamagedBlobsError: if what was computed is wrong, because something that it was computed
            from is damaged; names that. What was rebuilt before is kept.
        BundlerError: if the disk is full.
    """
    recovery = Recovery.of(document, have)
    observe(Started(_PHASE, recovery.size))
    rebuilder = _Rebuilder(document, open_blob, store, observe)
    with no_room_explained(store.root, recovery.size), Leftovers() as leftovers:
        for places, stretches in recovery.steps:
            rebuilder.step(places, stretches, leftovers)
    observe(Finished(_PHASE, f"{recovery.size / 1e6:.1f} MB rebuilt"))
    return Rebuilt(blobs=recovery.blobs, missing=recovery.missing)


class _Rebuilder:
    def __init__(
        self, document: ParityDocument, open_blob: OpenBlob, store: BlobStore, observe: Observer
    ) -> None:
        self._columns = [Joined(column.blobs, open_blob) for column in document.columns]
        self._rows = [Joined(row, open_blob) for row in document.rows]
        self._open_blob = open_blob
        self._store = store
        self._observe = observe

    def step(
        self, places: Sequence[Place], stretches: Sequence[Stretch], leftovers: Leftovers
    ) -> None:
        """Rebuild the blobs of one step; all of its stretches can be solved."""
        growing: dict[Place, Growing] = {}
        for place in places:
            if not place.blob.size:
                self._finish(place, leftovers.add(Growing(self._store)), ())
        for stretch in stretches:
            for place in stretch.wanted:
                if place.start == stretch.start:
                    growing[place] = leftovers.add(Growing(self._store))
            self._compute(stretch, growing)
            for place in stretch.wanted:
                if place.end == stretch.end:
                    grown = growing.pop(place)
                    self._finish(place, grown, stretches)
                    leftovers.release(grown)

    def _compute(self, stretch: Stretch, growing: dict[Place, Growing]) -> None:
        terms = self._terms(stretch)
        outputs = [growing[place] for place in stretch.wanted]
        step = read_size(len(terms))
        for first in range(stretch.start, stretch.end, step):
            last = min(first + step, stretch.end)
            _add_up(terms, first, last, outputs)
            self._observe(Advanced(_PHASE, len(outputs) * (last - first)))

    def _terms(self, stretch: Stretch) -> list[tuple[Joined, list[int]]]:
        """What each wanted column is the sum of, there: pieces and other columns, with factors.

        With the lost columns as unknowns, each row is an equation; the inverse of their matrix
        says how many times each equation goes into each unknown.
        """
        rows, lost = stretch.rows, stretch.lost
        inverse = invert([[coefficient(row, column) for column in lost] for row in rows])
        wanted = [inverse[lost.index(place.column)] for place in stretch.wanted]
        terms = [
            (self._rows[row], [shares[number] for shares in wanted])
            for number, row in enumerate(rows)
        ]
        for column in self._at_hand(stretch):
            elements = [coefficient(row, column) for row in rows]
            terms.append((self._columns[column], [_dot(shares, elements) for shares in wanted]))
        return terms

    def _at_hand(self, stretch: Stretch) -> Iterator[int]:
        for number, column in enumerate(self._columns):
            if number not in stretch.lost and column.length > stretch.start:
                yield number

    def _finish(self, place: Place, grown: Growing, stretches: Sequence[Stretch]) -> None:
        if grown.blob() == place.blob:
            grown.keep()
            return
        guilty = [blob for blob in self._inputs(place, stretches) if not self._is_whole(blob)]
        if guilty:
            raise damaged(guilty)
        raise DamagedBlobsError(
            f"{place.blob.sha256} cannot be rebuilt: the parity was not made of these volumes",
            (),
            hint="have the volumes sent again that are missing",
        )

    def _is_whole(self, blob: Blob) -> bool:
        return is_whole(blob, self._open_blob)

    def _inputs(self, place: Place, stretches: Sequence[Stretch]) -> list[Blob]:
        """Every blob and piece that had a part in what was computed for `place`."""
        found: dict[Blob, None] = {}
        for stretch in stretches:
            if place in stretch.wanted:
                contents = [
                    *(self._rows[row] for row in stretch.rows),
                    *(self._columns[column] for column in self._at_hand(stretch)),
                ]
                for content in contents:
                    for blob, _first, _last in content.places(stretch.start, stretch.end):
                        found[blob] = None
        return list(found)


def _add_up(
    terms: Sequence[tuple[Joined, list[int]]], start: int, end: int, outputs: Sequence[Growing]
) -> None:
    # A function of its own: what was read is gone before the next is.
    blocks = [(content.read(start, end), factors) for content, factors in terms]
    for windows in sums(blocks, len(outputs), end - start):
        for output, window in zip(outputs, windows, strict=True):
            output.write(window)


def _dot(left: Sequence[int], right: Sequence[int]) -> int:
    total = 0
    for one, other in zip(left, right, strict=True):
        total ^= multiply(one, other)
    return total
