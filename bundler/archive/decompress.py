"""From frames to blobs: bounded decompression, and a tar stream that is compared, not parsed."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from threading import Event
from typing import BinaryIO, TypeAlias, cast

import zstandard

from bundler.archive.frame import MAX_WINDOW_LOG
from bundler.archive.keep import Keeper
from bundler.archive.parallel import StoppedError
from bundler.archive.source import CHUNK
from bundler.disk import WRITE_SIZE
from bundler.model.artifact import Blob

_LONGEST_FRAME_HEADER = 18

Buffer: TypeAlias = "bytes | memoryview"


class Pieces:
    """What was read, in the pieces in which it came; each is let go of when it is read again."""

    def __init__(self) -> None:
        self._pieces = deque[bytes]()

    def add(self, piece: bytes) -> None:
        """Put one behind the others."""
        self._pieces.append(piece)

    def start(self, size: int) -> bytes:
        """The first `size` bytes, or all if there are fewer; they stay."""
        first = b""
        while self._pieces and len(first) < size:
            first += self._pieces.popleft()
        self._pieces.appendleft(first)
        return first[:size]

    def read(self, size: int) -> bytes:
        """The next bytes: one piece, at most `size` of it; empty at the end."""
        while self._pieces:
            piece = self._pieces.popleft()
            if len(piece) > size:
                self._pieces.appendleft(piece[size:])
                piece = piece[:size]
            if piece:
                return piece
        return b""


def decompress(frame: Pieces, length: int, feed: Callable[[Buffer], None], stop: Event) -> None:
    """Feed on the `length` bytes that are in one frame, in pieces that are reused.

    Raises:
        ValueError: if the frame is not one of ours, or has fewer or more bytes.
        StoppedError: if `stop` is set.
    """
    try:
        parameters = zstandard.get_frame_parameters(frame.start(_LONGEST_FRAME_HEADER))
        if parameters.content_size != length or parameters.window_size > 1 << MAX_WINDOW_LOG:
            raise ValueError("its zstd header does not say what the index says")
        engine = zstandard.ZstdDecompressor(max_window_size=1 << MAX_WINDOW_LOG)
        with engine.stream_reader(
            cast("BinaryIO", frame),  # of which nothing but `read` is called
            read_size=CHUNK,
            read_across_frames=True,
            closefd=False,
        ) as reader:
            left, buffer = length, memoryview(bytearray(min(length, WRITE_SIZE)))
            while left:
                if stop.is_set():
                    raise StoppedError
                size = reader.readinto(buffer[:left])
                if not size:
                    raise ValueError(f"it ends {left} bytes too early when decompressed")
                left -= size
                feed(buffer[:size])
            # Reading on also makes the decoder compare the frame's own checksum.
            if reader.read(1):
                raise ValueError("more than one zstd frame is in it")
    except zstandard.ZstdError as error:
        raise ValueError(f"it cannot be decompressed: {error}") from error


class SegmentSink:
    """Takes what a segment holds in pieces of any size and keeps the blobs in it.

    It must be `entries` to the byte: literal bytes, and blobs. Whoever feeds it sees to the right
    length. A blob that `keeper` has is compared like the others, but not written.

    Attributes:
        broken: Set by whoever has stopped to feed it.
        fault: What was wrong, if it is not `strict`; it does without such blobs then.
    """

    def __init__(
        self, entries: Iterable[bytes | Blob], keeper: Keeper, *, strict: bool = True
    ) -> None:
        self.broken = False
        self.fault = ""
        self._strict = strict
        self._entries = iter(entries)
        self._keeper = keeper
        self._literal = b""
        self._blob: Blob | None = None
        self._lost = False
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._left = 0
        self._open = ExitStack()
        self._advance()

    def feed(self, data: Buffer) -> None:
        """Compare and keep the next bytes.

        Raises:
            ValueError: if it is strict, and they are not those of the entries.
        """
        view = memoryview(data)
        while view:
            part, view = view[: self._left], view[self._left :]
            if self._blob is None:
                self._compare(part)
            else:
                self._digest.update(part)
                if self._file is not None:
                    self._file.write(part)
            self._left -= len(part)
            self._advance()

    def skip(self, size: int) -> None:
        """Do without the next `size` bytes, and so without the blobs that they are of."""
        while size:
            part = min(size, self._left)
            self._lost = self._blob is not None
            self._left -= part
            size -= part
            self._advance()

    def close(self) -> None:
        """Remove what is unfinished."""
        self._open.close()

    def _compare(self, part: memoryview) -> None:
        start = len(self._literal) - self._left
        if part != self._literal[start : start + len(part)]:
            self._wrong("its tar headers are not those of the index's blobs")

    def _wrong(self, what: str) -> None:
        if self._strict:
            raise ValueError(what)
        self.fault = self.fault or what

    def _advance(self) -> None:
        """Go on to the next entry that still has bytes; empty ones are done at once."""
        while not self._left:
            if self._blob is not None:
                self._complete(self._blob)
            entry = next(self._entries, None)
            if entry is None:
                return
            if isinstance(entry, Blob):
                self._begin(entry)
            else:
                self._literal, self._left = entry, len(entry)

    def _begin(self, blob: Blob) -> None:
        self._blob, self._left, self._lost = blob, blob.size, False
        self._digest = hashlib.sha256()
        there = self._keeper.has(blob)
        self._file = None if there else self._open.enter_context(self._keeper.open(blob))

    def _complete(self, blob: Blob) -> None:
        if not self._lost:
            if self._digest.hexdigest() != blob.sha256:
                self._wrong(f"the blob {blob.sha256} in it has another digest")
            elif self._file is not None:
                self._keeper.keep(blob, self._file)
        self._open.close()
        self._blob = None
