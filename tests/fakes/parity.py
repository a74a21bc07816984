"""Sets of volumes in memory, and their parity made by the real encoder."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bundler.archive.parity import PIECE, encode
from bundler.archive.rebuild import Rebuilt, rebuild
from bundler.archive.store import BlobStore
from bundler.events import Observer, ignore
from bundler.model.artifact import Blob
from bundler.model.parity import Column, ParityDocument
from tests.fakes.volumes import Contents, stored


@dataclass(frozen=True)
class ParitySet:
    """A set of volumes with its parity; `contents` has blobs and pieces."""

    document: ParityDocument
    contents: Mapping[Blob, bytes]

    def blobs(self) -> set[Blob]:
        return {blob for column in self.document.columns for blob in column.blobs}

    def pieces(self) -> set[Blob]:
        return set(self.document.pieces())


@dataclass(frozen=True)
class Inside:
    """A store that some of a set has reached."""

    store: BlobStore
    set: ParitySet

    def bring(self, blobs: Collection[Blob]) -> None:
        for blob in blobs:
            self.store.put(self.set.contents[blob])

    def damage(self, blob: Blob) -> None:
        """Change one byte, but not the size."""
        path = self.store.path(blob.sha256)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def lose(self, blob: Blob) -> None:
        self.store.path(blob.sha256).unlink()

    def rebuild(self, observe: Observer = ignore) -> Rebuilt:
        return rebuild(
            self.set.document,
            have=self.store.has,
            open_blob=self.store.open,
            store=self.store,
            observe=observe,
        )

    def content(self) -> dict[str, bytes]:
        """Everything in the store by digest; nothing unfinished may lie about."""
        found = stored(self.store)
        assert not [name for name in found if name.startswith("partial")]
        return {Path(name).name: data for name, data in found.items()}


def make_columns(
    contents: Contents, columns: Sequence[Sequence[bytes]], first: int = 1
) -> tuple[Column, ...]:
    return tuple(
        Column(volume=number, blobs=tuple(contents.add(data) for data in column))
        for number, column in enumerate(columns, start=first)
    )


def make_set(
    folder: Path,
    columns: Sequence[Sequence[bytes]],
    rows: int,
    *,
    piece_size: int = PIECE,
    observe: Observer = ignore,
) -> ParitySet:
    """The parity of volumes with these blobs; `folder` gets a store with the pieces."""
    contents = Contents()
    made = make_columns(contents, columns)
    store = BlobStore(folder, durable=False)
    document = encode(made, rows, contents.open, store, piece_size=piece_size, observe=observe)
    for piece in document.pieces():
        contents.by_blob[piece] = store.read(piece, limit=piece.size)
    return ParitySet(document, contents.by_blob)


def make_inside(folder: Path, made: ParitySet, *, lost: Collection[Blob] = ()) -> Inside:
    """A store that everything has reached but what was `lost`."""
    inside = Inside(BlobStore(folder, durable=False), made)
    inside.bring((made.blobs() | made.pieces()) - set(lost))
    return inside


class Opened:
    """Gives blobs of `contents`, and notes which bytes were asked for."""

    def __init__(self, contents: Mapping[Blob, bytes]) -> None:
        self._contents = contents
        self.read: list[tuple[Blob, int, int]] = []

    def open(self, blob: Blob) -> BinaryIO:
        return _Noted(self, blob, self._contents[blob])


class _Noted(io.BytesIO):
    def __init__(self, opened: Opened, blob: Blob, data: bytes) -> None:
        super().__init__(data)
        self._opened, self._blob = opened, blob

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        data = super().read(size)
        self._opened.read.append((self._blob, start, self.tell()))
        return data
