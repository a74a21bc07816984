"""From blobs to frames: what each frame holds, and the work of making it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import BinaryIO, TypeAlias

from bundler.archive import frame as zstd
from bundler.archive import ustar
from bundler.archive.parallel import (
    WINDOW_MEMORY,
    Budget,
    Leftovers,
    Spool,
    StoppedError,
    new_spool,
)
from bundler.archive.source import CHUNK
from bundler.errors import DamagedError
from bundler.model.artifact import Blob, Sha256

OpenBlob: TypeAlias = Callable[[Blob], BinaryIO]
"""Opens a blob for reading, with seeking."""


class Outlet:
    """Where a frame's bytes go: into a spool until it is the frame's turn, then into the volume.

    The frames before it have been appended when `turn` is set, so nobody else writes then.
    """

    def __init__(self, volume: BinaryIO, spool: Spool, turn: Event) -> None:
        self._volume = volume
        self._spool = spool
        self._turn = turn
        self._waiting = False

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._turn.is_set():
            self.drain()
            self._volume.write(data)
        else:
            self._waiting = True
            self._spool.write(data)

    def drain(self) -> None:
        """Append what has been waiting; it must be the frame's turn."""
        if self._waiting:
            self._waiting = False
            self._spool.seek(0)
            while chunk := self._spool.read(CHUNK):
                self._volume.write(chunk)
            self.close()

    def close(self) -> None:
        """Let go of the spool."""
        self._spool.close()


@dataclass(frozen=True, slots=True)
class CompressedFrame:
    """A complete frame; whoever has drained its outlet sets `appended`, the next one's turn."""

    outlet: Outlet
    appended: Event
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


def frame_count(blobs: Iterable[Blob], frame_limit: int) -> int:
    """How many frames a segment of these blobs has."""
    return -(-ustar.stream_length(blobs) // frame_limit)


class Compression:
    """Makes the tasks that compress segments; they share a budget of memory."""

    def __init__(
        self,
        open_blob: OpenBlob,
        frame_limit: int,
        volume: BinaryIO,
        folder: Path,
        leftovers: Leftovers,
    ) -> None:
        """Spools are made in `folder`; those that nobody took over are left to `leftovers`."""
        self._open_blob = open_blob
        self._volume = volume
        self._folder = folder
        self._leftovers = leftovers
        self._frame_limit = frame_limit
        self._budget = Budget(WINDOW_MEMORY)
        self._turn = Event()
        self._turn.set()

    def tasks(self, blobs: Iterable[Blob]) -> Iterator[Callable[[Event], CompressedFrame]]:
        """One task for each frame of the segment, in order."""
        for pieces in _cut(blobs, self._frame_limit):
            turn, self._turn = self._turn, Event()
            yield partial(self._compress, pieces, turn, self._turn)

    def _compress(
        self, pieces: list[_Piece], turn: Event, appended: Event, stop: Event
    ) -> CompressedFrame:
        length = sum(_length(piece) for piece in pieces)
        with self._budget.hold(zstd.window_memory(length)):
            engine = zstd.compressor(length)
            outlet = self._leftovers.add(Outlet(self._volume, new_spool(self._folder), turn))
            digest, size = hashlib.sha256(), 0

            def keep(data: bytes) -> None:
                nonlocal size
                digest.update(data)
                size += len(data)
                outlet.write(data)

            for piece in pieces:
                for chunk in self._content(piece):
                    if stop.is_set():
                        raise StoppedError
                    keep(engine.compress(chunk))
            keep(engine.flush())
        return CompressedFrame(outlet, appended, size, Sha256(digest.hexdigest()), length)

    def _content(self, piece: _Piece) -> Iterator[bytes]:
        if isinstance(piece, bytes):
            yield piece
            return
        with self._open_blob(piece.blob) as file:
            if piece.start:
                file.seek(piece.start)
                yield from _exactly(file, piece.stop - piece.start, piece.blob)
                return
            # Where a blob begins, all of it is hashed, also what belongs to later frames.
            digest = hashlib.sha256()
            for chunk in _exactly(file, piece.stop, piece.blob):
                digest.update(chunk)
                yield chunk
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                yield b""  # so that the task sees when it shall stop
            if digest.hexdigest() != piece.blob.sha256:
                raise _rotten(file, piece.blob)


def _exactly(file: BinaryIO, size: int, blob: Blob) -> Iterator[bytes]:
    while size:
        chunk = file.read(min(size, CHUNK))
        if not chunk:
            raise _rotten(file, blob)
        size -= len(chunk)
        yield chunk


def _rotten(file: BinaryIO, blob: Blob) -> DamagedError:
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
