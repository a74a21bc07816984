"""What the parity of a set of volumes is made of, and what it can bring back.

The volumes of a set are *columns*: the content of a column is that of its blobs, one after the
other. A *row* is as long as the longest column; each of its bytes is a sum over the bytes at the
same place in every column. It is cut into *pieces*, which are blobs. Where no more columns than
rows lack a byte, it can be computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import canonical
from bundler.model.document import FORMAT, Reader
from bundler.model.manifest import blob_to_json
from bundler.model.volume import Slice, slices_from_json, slices_to_json

MAX_ROWS: Final = 4
"""Parity rows of a set."""

MAX_LINES: Final = 255
"""Columns and rows of a set together: the field that is computed in has 256 elements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One volume of a set, as the parity sees it.

    Attributes:
        volume: Its number.
        blobs: In the order of its index.
    """

    volume: int
    blobs: tuple[Blob, ...]

    @property
    def length(self) -> int:
        """Of its content, in bytes."""
        return sum(blob.size for blob in self.blobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityDocument:
    """The columns of a set, and the pieces of its parity rows.

    Attributes:
        piece_size: Of every piece but the last of a row, in bytes.
        columns: By number of the volume.
        rows: The pieces of each row, in their order.
        slices: Which of the columns' blobs are parts of others, by the digest of the part.
    """

    piece_size: int
    columns: tuple[Column, ...]
    rows: tuple[tuple[Blob, ...], ...]
    slices: Mapping[Sha256, Slice] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Of every row, in bytes: that of the longest column."""
        return max(column.length for column in self.columns)

    def pieces(self) -> Iterator[Blob]:
        """Every piece, row by row.

        As long as what is carried together is no longer than a row and follows each other here, no
        two of these pieces have to do with the same place in the columns.
        """
        return chain.from_iterable(self.rows)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "piece-size": self.piece_size,
                "columns": [
                    {
                        "volume": column.volume,
                        "blobs": [blob_to_json(blob) for blob in column.blobs],
                    }
                    for column in self.columns
                ],
                "rows": [{"pieces": [blob_to_json(piece) for piece in row]} for row in self.rows],
                "slices": slices_to_json(self.slices),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ParityDocument:
        """Read one.

        Raises:
            ValueError: naming the place in the document; also when pieces do not make rows of the
                length that the columns have.
        """
        document = Reader.over(data, "parity document")
        found = cls(
            piece_size=document.positive("piece-size"),
            columns=tuple(_column_from_json(item) for item in document.objects("columns")),
            rows=tuple(_row_from_json(item) for item in document.objects("rows")),
            slices=slices_from_json(document),
        )
        document.finish()
        check_shape(len(found.columns), len(found.rows))
        volumes = [column.volume for column in found.columns]
        if volumes != sorted(set(volumes)):
            raise ValueError(
                "parity document: columns are not sorted by volume, or one stands twice"
            )
        _check_pieces(found)
        _check_sizes(found)
        return found


def check_shape(columns: int, rows: int) -> None:
    """That there can be a set of so many columns and rows.

    Raises:
        ValueError: if there cannot.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise ValueError(f"a set of volumes has 1 to {MAX_ROWS} parity rows, not {rows}")
    if not 1 <= columns <= MAX_LINES - rows:
        raise ValueError(
            f"with {rows} parity rows, a set has 1 to {MAX_LINES - rows} volumes, not {columns}"
        )


def piece_sizes(length: int, piece_size: int) -> Iterator[int]:
    """The sizes of the pieces that a row of `length` bytes is cut into."""
    for start in range(0, length, piece_size):
        yield min(piece_size, length - start)


def _column_from_json(document: Reader) -> Column:
    column = Column(
        volume=document.positive("volume"),
        blobs=tuple(item.whole_blob() for item in document.objects("blobs")),
    )
    document.finish()
    return column


def _row_from_json(document: Reader) -> tuple[Blob, ...]:
    pieces = tuple(item.whole_blob() for item in document.objects("pieces"))
    document.finish()
    return pieces


def _check_pieces(document: ParityDocument) -> None:
    length, size = document.length, document.piece_size
    count = -(-length // size)  # counted first: what is written here may be any number
    for number, row in enumerate(document.rows):
        if len(row) != count or [piece.size for piece in row] != list(piece_sizes(length, size)):
            raise ValueError(
                f"parity document.rows[{number}]: its pieces are not those of {length} bytes"
            )


def _check_sizes(document: ParityDocument) -> None:
    sizes: dict[Sha256, int] = {}
    for blob in chain(*(column.blobs for column in document.columns), document.pieces()):
        if sizes.setdefault(blob.sha256, blob.size) != blob.size:
            raise ValueError(f"parity document: {blob.sha256} stands there with two sizes")
