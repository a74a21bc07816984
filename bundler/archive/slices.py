"""Parts of a blob that is too large for one volume: each is read as a blob of its own."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

from bundler.archive.compress import OpenBlob, rotten
from bundler.archive.source import CHUNK
from bundler.model.artifact import Blob, Sha256


def check_whole(open_blob: OpenBlob, blob: Blob) -> None:
    """Hash all of a blob that is about to be cut: its parts have digests of their own.

    Raises:
        DamagedError: if it is not what its name says.
    """
    with open_blob(blob) as file:
        digest, size = _hashed(file, blob.size + 1)
        if size != blob.size or digest != blob.sha256:
            raise rotten(file, blob)


def part_of(open_blob: OpenBlob, blob: Blob, offset: int, size: int) -> Blob:
    """The blob that so many bytes of another one are."""
    with open_blob(blob) as file:
        file.seek(offset)
        return Blob(_hashed(file, size)[0], size)


def _hashed(file: BinaryIO, size: int) -> tuple[Sha256, int]:
    digest, left = hashlib.sha256(), size
    while left and (chunk := file.read(min(left, CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    return Sha256(digest.hexdigest()), size - left


def opener_of(open_blob: OpenBlob, whole: Blob, offset: int) -> OpenBlob:
    """Opens the part of a blob that begins at `offset`."""
    return lambda part: io.BufferedReader(_Window(open_blob(whole), offset, part.size), CHUNK)


class _Window(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        super().__init__()
        self._file, self._offset, self._size = file, offset, size
        self._at = 0
        file.seek(offset)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation
        self._at = self._file.seek(self._offset + offset) - self._offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._size - self._at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
