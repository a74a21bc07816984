"""Blobs that are read as one run of bytes, and blobs that grow until they are whole."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, TypeAlias

from bundler.archive.store import BlobStore
from bundler.errors import DamagedError
from bundler.model.artifact import Blob, Sha256

OpenBlob: TypeAlias = Callable[[Blob], BinaryIO]
"""Gives the bytes of a blob that is there; they can be read from any place."""

_CHUNK = 1 << 20


class DamagedBlobsError(DamagedError):
    """Blobs on this disk are not what their names say.

    Attributes:
        blobs: Those that are damaged. Without them, the same step may be tried again.
    """

    def __init__(self, message: str, blobs: Sequence[Blob], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.blobs = tuple(blobs)


class Joined:
    """The content of `blobs`, one after the other. Nothing stays open between two calls."""

    def __init__(self, blobs: Sequence[Blob], open_blob: OpenBlob) -> None:
        self._blobs = blobs
        self._open_blob = open_blob
        self._starts = list(accumulate((blob.size for blob in blobs), initial=0))

    @property
    def length(self) -> int:
        """In bytes."""
        return self._starts[-1]

    def places(self, start: int, end: int) -> Iterator[tuple[Blob, int, int]]:
        """Each blob between two offsets, with the first and the last offset in it."""
        end = min(end, self.length)
        number = bisect_right(self._starts, start) - 1
        while start < end:
            blob, first = self._blobs[number], start - self._starts[number]
            last = min(end - self._starts[number], blob.size)
            if first < last:
                yield blob, first, last
            start += last - first
            number += 1

    def parts(self, start: int, end: int) -> Iterator[tuple[Blob, int, bytes]]:
        """What lies between two offsets: each blob, an offset in it, and the bytes there.

        Raises:
            DamagedBlobsError: if a blob is shorter than it says.
        """
        for blob, first, last in self.places(start, end):
            with self._open_blob(blob) as file:
                file.seek(first)
                data = file.read(last - first)
            if len(data) < last - first:
                raise damaged([blob])
            yield blob, first, data

    def read(self, start: int, end: int) -> bytes:
        """The bytes between two offsets; fewer where the content ends before.

        Raises:
            DamagedBlobsError: if a blob is shorter than it says.
        """
        return b"".join(data for _blob, _offset, data in self.parts(start, end))


class Growing:
    """A scratch file in a store that becomes a blob."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._open = ExitStack()
        self._file = self._open.enter_context(store.new_file())
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def blob(self) -> Blob:
        """What it is as it stands."""
        return Blob(Sha256(self._digest.hexdigest()), self._size)

    def keep(self) -> Blob:
        """Give it its name in the store."""
        self._file.flush()
        blob = self.blob()
        self._store.adopt(blob, Path(self._file.name))
        self.close()
        return blob

    def close(self) -> None:
        """Remove it, unless it was kept."""
        self._open.close()


def is_whole(blob: Blob, open_blob: OpenBlob) -> bool:
    """Whether its bytes are those that its name says; reads them all."""
    digest, size = hashlib.sha256(), 0
    with open_blob(blob) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Blob(Sha256(digest.hexdigest()), size) == blob


def damaged(blobs: Sequence[Blob]) -> DamagedBlobsError:
    """The error that names them."""
    names = ", ".join(blob.sha256 for blob in blobs)
    return DamagedBlobsError(
        f"damaged on this disk: {names}: the bytes are not those that the name says",
        blobs,
        hint="remove these blobs and bring them again",
    )
