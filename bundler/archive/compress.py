"""From blobs to frames: what each frame holds, and the work of making it.

One thread reads and hashes, one feeds zstd, which compresses parts of the frame in threads of its
own, and one hashes and writes what comes out. So a frame goes straight into the volume, a single
one keeps several processors busy, and none of them waits for another between two frames.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias, TypeVar

from bundler.archive import frame as zstd
from bundler.archive import ustar
from bundler.archive.conveyor import Conveyor
from bundler.archive.source import CHUNK
from bundler.disk import WRITE_SIZE
from bundler.errors import DamagedError
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import Form

OpenBlob: TypeAlias = Callable[[Blob], BinaryIO]
"""Opens a blob for reading, with seeking."""

_WORTH_THREADS = 4 << 20
"""Bytes; for smaller segments it takes longer to start threads than they save."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WrittenFrame:
    """A frame that is in the volume; sizes in bytes, `length` before compression, if any."""

    size: int
    sha256: Sha256
    length: int


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

    def write(self, blobs: Sequence[Blob]) -> Generator[WrittenFrame]:
        """Append the frames of a segment, one at each step; close it if you do not take them all.

        Raises:
            DamagedError: if a blob is not what its name says; all of each is hashed.
        """
        left = ustar.stream_length(blobs)
        threads = left > _WORTH_THREADS
        with ExitStack() as stack:

            def ahead(items: Iterable[T]) -> Iterable[T]:
                return stack.enter_context(Conveyor(items, self.give_up)) if threads else items

            content = _cut(ahead(_content(blobs, self.open_blob)), self.frame_limit)
            packed = content if self.form == "tar" else self._compress(content, left)
            digest, size = hashlib.sha256(), 0
            for data in ahead(packed):
                if data is not None:
                    size += self._put(data, digest)
                    continue
                length = min(left, self.frame_limit)
                yield WrittenFrame(size, Sha256(digest.hexdigest()), length)
                left -= length
                digest, size = hashlib.sha256(), 0

    def _compress(self, content: Iterable[bytes | None], left: int) -> Iterator[bytes | None]:
        """The same frames compressed; they have `left` bytes in all."""
        engine = zstd.compressor(min(left, self.frame_limit), self.threads)
        for part in content:
            if part is not None:
                if data := engine.compress(part):
                    yield data
                continue
            yield engine.flush()
            yield None
            left -= self.frame_limit
            if left > 0:
                engine = zstd.compressor(min(left, self.frame_limit), self.threads)

    def _put(self, data: bytes, digest: hashlib._Hash) -> int:
        view = memoryview(data)
        for at in range(0, len(data), WRITE_SIZE):
            part = view[at : at + WRITE_SIZE]
            digest.update(part)
            self.volume.write(part)
        return len(data)


def _cut(content: Iterable[bytes], frame_limit: int) -> Iterator[bytes | None]:
    """The same bytes in frames, with None behind each."""
    room = frame_limit
    for chunk in content:
        rest = chunk
        while rest:
            if not room:
                yield None
                room = frame_limit
            part, rest = rest[:room], rest[room:]
            room -= len(part)
            yield part
    yield None


def _content(blobs: Iterable[Blob], open_blob: OpenBlob) -> Iterator[bytes]:
    """The tar stream of blobs."""
    for entry in ustar.entries(blobs):
        if isinstance(entry, Blob):
            yield from _read(entry, open_blob)
        else:
            yield entry


def _read(blob: Blob, open_blob: OpenBlob) -> Iterator[bytes]:
    digest, left = hashlib.sha256(), blob.size
    with open_blob(blob) as file:
        while left:
            chunk = file.read(min(left, CHUNK))
            if not chunk:
                raise rotten(file, blob)
            left -= len(chunk)
            digest.update(chunk)
            yield chunk
        if file.read(1) or digest.hexdigest() != blob.sha256:
            raise rotten(file, blob)


def rotten(file: BinaryIO, blob: Blob) -> DamagedError:
    """The error for a blob that is not what its name says."""
    return DamagedError(
        f"{getattr(file, 'name', 'a blob')} is damaged: it does not have the digest {blob.sha256}"
        f" and {blob.size} bytes, so it must not cross",
        hint="delete this file; the next `bundle create` fetches it again",
    )
