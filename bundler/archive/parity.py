"""Making the parity rows of a set of volumes, in one pass over their content.

A byte of row j is the sum of the bytes at the same place in all columns, each multiplied in GF(256)
with the matrix's element (`bundler.archive.galois`). A column that is shorter goes on with zero
bytes. Every blob is hashed while it is read: parity over a rotten blob would rebuild rot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from bundler.archive.galois import WINDOW, coefficient, sums
from bundler.archive.joined import Growing, Joined, OpenBlob, damaged
from bundler.archive.parallel import Leftovers
from bundler.archive.store import BlobStore
from bundler.disk import no_room_explained
from bundler.errors import BundlerError
from bundler.events import Advanced, Finished, Observer, Started, ignore
from bundler.model.artifact import Blob
from bundler.model.parity import Column, ParityDocument, check_shape, piece_sizes

PIECE: Final = 64 << 20
"""Bytes of a piece: damage inside a parity volume costs that much of a row."""

_PHASE = "parity"
_READ_MEMORY = 32 << 20
_READ = 1 << 20


def read_size(lines: int) -> int:
    """How many bytes of each of so many columns and rows are read at a time.

    Much, so that a disk with a head need not jump about; for 250 together 32 MiB.
    """
    return max(min(_READ, _READ_MEMORY // lines) // WINDOW * WINDOW, WINDOW)


def encode(
    columns: Sequence[Column],
    rows: int,
    open_blob: OpenBlob,
    store: BlobStore,
    *,
    piece_size: int = PIECE,
    observe: Observer = ignore,
) -> ParityDocument:
    """Compute so many parity rows over `columns`; their pieces come into `store`.

    Raises:
        DamagedBlobsError: if a blob's bytes are not those that its name says.
        BundlerError: if there are too many volumes or rows, or the disk is full.
    """
    try:
        check_shape(len(columns), rows)
    except ValueError as error:
        raise BundlerError(str(error), hint="use larger volumes, or less parity") from error
    length = max(column.length for column in columns)
    total = sum(column.length for column in columns)
    observe(Started(_PHASE, total))
    encoder = _Encoder(columns, rows, open_blob, store, observe)
    pieces, start = [], 0
    with no_room_explained(store.root, rows * length):
        for size in piece_sizes(length, piece_size):
            pieces.append(encoder.pieces(start, start + size))
            start += size
    observe(Finished(_PHASE, f"{rows * length / 1e6:.1f} MB for {total / 1e6:.1f} MB"))
    return ParityDocument(
        piece_size=piece_size,
        columns=tuple(columns),
        rows=tuple(tuple(made[row] for made in pieces) for row in range(rows)),
    )


class _Encoder:
    def __init__(
        self,
        columns: Sequence[Column],
        rows: int,
        open_blob: OpenBlob,
        store: BlobStore,
        observe: Observer,
    ) -> None:
        self._columns = [_Checked(column, open_blob) for column in columns]
        self._factors = [
            [coefficient(row, column) for row in range(rows)] for column in range(len(columns))
        ]
        self._rows = rows
        self._store = store
        self._observe = observe

    def pieces(self, start: int, end: int) -> list[Blob]:
        """The piece of each row from `start` to `end`."""
        step = read_size(len(self._columns))
        with Leftovers() as leftovers:
            growing = [leftovers.add(Growing(self._store)) for _ in range(self._rows)]
            for first in range(start, end, step):
                self._add(first, min(first + step, end), growing)
            return [piece.keep() for piece in growing]

    def _add(self, start: int, end: int, growing: Sequence[Growing]) -> None:
        # A function of its own: what was read is gone before the next is.
        read = [column.read(start, end) for column in self._columns]
        blocks = list(zip(read, self._factors, strict=True))
        for windows in sums(blocks, self._rows, end - start):
            for piece, window in zip(growing, windows, strict=True):
                piece.write(window)
        self._observe(Advanced(_PHASE, sum(map(len, read))))


class _Checked:
    """A column that is read from its beginning to its end, and hashed blob by blob."""

    def __init__(self, column: Column, open_blob: OpenBlob) -> None:
        self._content = Joined(column.blobs, open_blob)
        self._digest = hashlib.sha256()

    def read(self, start: int, end: int) -> bytes:
        """The next bytes; fewer where the column ends before."""
        found = []
        for blob, offset, data in self._content.parts(start, end):
            if not offset:
                self._digest = hashlib.sha256()
            self._digest.update(data)
            if offset + len(data) == blob.size and self._digest.hexdigest() != blob.sha256:
                raise damaged([blob])
            found.append(data)
        return b"".join(found)
