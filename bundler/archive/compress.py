"""From blobs to frames: what each frame holds, and the work of making it.

One thread reads and hashes, one feeds zstd, which compresses parts of the frame in threads of its
own, and one hashes and writes what comes out. So a frame goes straight into the volume, and a
single one keeps several processors busy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import zstandard

from bundler.archive import frame as zstd
from bundler.archive import ustar
from bundler.archive.conveyor import Conveyor
from bundler.archive.source import CHUNK
from bundler.errors import DamagedError
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import Form

OpenBlob: TypeAlias = Callable[[Blob], BinaryIO]
"""Opens a blob for reading, with seeking."""

_WORTH_THREADS = 4 << 20
"""Bytes; for smaller frames it takes longer to start threads than they save."""


@dataclass(frozen=True, slots=True)
class WrittenFrame:
    """A frame that is in the volume; sizes in bytes, `length` before compression, if any."""

    size: int
    sha256: Sha256
    length: int


@dataclass(frozen=True, slots=True)
class _Part:
    """The bytes of a blob from `start` up to `stop`."""

    blob: Blob
    start: int
    stop: int


_Piece: TypeAlias = "bytes | _Part"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameWriter:
    """Appends frames to a volume.

    Attributes:
        open_blob: May wait, for a download say; it is called in another thread.
        give_up: Ends such waiting, after a failure.
        threads: How many compress.
        form: "tar" for runs of plain bytes instead of zstd frames.
    """

    volume: BinaryIO
    open_blob: OpenBlob
    give_up: Callable[[], None]
    frame_limit: int
    threads: int
    form: Form = "zst"

    def write(self, blobs: Iterable[Blob]) -> Iterator[WrittenFrame]:
        """Append the frames of a segment, one at each step.

        Raises:
            DamagedError: if a blob is not what its name says; all of each is hashed.
        """
        for pieces in _cut(blobs, self.frame_limit):
            yield self._write(pieces)

    def _write(self, pieces: list[_Piece]) -> WrittenFrame:
        length = sum(_length(piece) for piece in pieces)
        content: Iterable[bytes] = (
            chunk for piece in pieces for chunk in _content(piece, self.open_blob)
        )
        digest, size = hashlib.sha256(), 0
        with ExitStack() as stack:
            if length > _WORTH_THREADS:
                content = stack.enter_context(Conveyor(content, self.give_up))
            compressed = content
            if self.form == "zst":
                compressed = _compress(content, zstd.compressor(length, self.threads))
                if length > _WORTH_THREADS:
                    compressed = stack.enter_context(Conveyor(compressed, self.give_up))
            for data in compressed:
                digest.update(data)
                size += len(data)
                self.volume.write(data)
        return WrittenFrame(size, Sha256(digest.hexdigest()), length)


def _compress(content: Iterable[bytes], engine: zstandard.ZstdCompressionObj) -> Iterator[bytes]:
    for chunk in content:
        if data := engine.compress(chunk):
            yield data
    yield engine.flush()


def _content(piece: _Piece, open_blob: OpenBlob) -> Iterator[bytes]:
    if isinstance(piece, bytes):
        yield piece
        return
    with open_blob(piece.blob) as file:
        if piece.start:
            file.seek(piece.start)
            yield from _exactly(file, piece.stop - piece.start, piece.blob)
            return
        # Where a blob begins, all of it is hashed, also what belongs to later frames.
        digest = hashlib.sha256()
        for chunk in _exactly(file, piece.stop, piece.blob):
            digest.update(chunk)
            yield chunk
        for chunk in _exactly(file, piece.blob.size - piece.stop, piece.blob):
            digest.update(chunk)
        if file.read(1) or digest.hexdigest() != piece.blob.sha256:
            raise rotten(file, piece.blob)


def _exactly(file: BinaryIO, size: int, blob: Blob) -> Iterator[bytes]:
    while size:
        chunk = file.read(min(size, CHUNK))
        if not chunk:
            raise rotten(file, blob)
        size -= len(chunk)
        yield chunk


def rotten(file: BinaryIO, blob: Blob) -> DamagedError:
    """The error for a blob that is not what its name says."""
    return DamagedError(
        f"{getattr(file, 'name', 'a blob')} is damaged: it does not have the digest {blob.sha256}"
        f" and {blob.size} bytes, so it must not cross",
        hint="delete this file; the next `bundle create` fetches it again",
    )


def _cut(blobs: Iterable[Blob], frame_limit: int) -> Iterator[list[_Piece]]:
    """The tar stream of `blobs`, of which there is at least one, cut into frames."""
    frame: list[_Piece] = []
    room = frame_limit
    for entry in ustar.entries(blobs):
        piece: _Piece = _Part(entry, 0, entry.size) if isinstance(entry, Blob) else entry
        while _length(piece) > room:
            if room:
                front, piece = _split(piece, room)
                frame.append(front)
            yield frame
            frame, room = [], frame_limit
        frame.append(piece)
        room -= _length(piece)
    yield frame


def _length(piece: _Piece) -> int:
    return piece.stop - piece.start if isinstance(piece, _Part) else len(piece)


def _split(piece: _Piece, at: int) -> tuple[_Piece, _Piece]:
    if isinstance(piece, bytes):
        return piece[:at], piece[at:]
    middle = piece.start + at
    return _Part(piece.blob, piece.start, middle), _Part(piece.blob, middle, piece.stop)
