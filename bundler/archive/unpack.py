"""Reading a volume: from a medium that nobody trusts into the store, front to back, once.

A frame's bytes are hashed and compared with the signed index before a decompressor sees them, and
what is decompressed are these very bytes, never the medium's again. The tar stream inside is not
parsed: the index says which bytes it must have, and those are compared. So every byte behind the
head is either the expected one or the end of the attempt. Blobs that were complete before that
stay in the store; they are what their names say.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from threading import Event
from typing import BinaryIO

from bundler.archive import frame as zstd
from bundler.archive import ustar
from bundler.archive.decompress import SegmentSink, decompress
from bundler.archive.parallel import (
    WINDOW_MEMORY,
    Budget,
    Leftovers,
    Spool,
    in_order,
    new_spool,
)
from bundler.archive.source import Source
from bundler.archive.store import BlobStore
from bundler.disk import no_room_explained
from bundler.errors import DamagedError
from bundler.events import Advanced, Finished, Observer, Started, ignore
from bundler.model.artifact import Blob
from bundler.model.volume import Frame, Segment, VerifiedIndex


def verify_volume(
    index: VerifiedIndex, volume: BinaryIO, start: int, *, observe: Observer = ignore
) -> None:
    """Read everything behind the head and compare it with the index; nothing is decompressed.

    `volume` stands at `start`, the offset right behind the head.

    Raises:
        DamagedError: if a byte is not the one that was signed; names volume, frame and segment.
        BundlerError: if the medium cannot be read.
    """
    reader = _Reader(index, volume, start, partial(_advance, observe, "verify"))
    observe(Started("verify", index.size - start))
    for segment in index.segments:
        for frame in segment.frames:
            reader.take(frame, segment.label)
    reader.end()
    observe(Finished("verify", f"{index.size / 1e6:.1f} MB as signed"))


def unpack_volume(
    index: VerifiedIndex,
    volume: BinaryIO,
    start: int,
    store: BlobStore,
    *,
    have: Callable[[Blob], bool],
    check: Callable[[Segment], None] = lambda _segment: None,
    workers: int | None = None,
    observe: Observer = ignore,
) -> None:
    """Bring every blob of the volume into `store`, but for those that are there already.

    `check` is called with each segment before any of it is decompressed, and may refuse it; the
    first segment is complete by then, when there are more.

    `volume` stands at `start`, the offset right behind the head; it is read without seeking.
    `have` is called from several threads. Where it holds for all blobs of a segment, its frames
    are hashed like all others, but not decompressed.

    Raises:
        DamagedError: if a byte is not the one that was signed; names volume, frame and segment.
        BundlerError: if the medium cannot be read or the disk is full.
    """
    reader = _Reader(index, volume, start, partial(_advance, observe, "unpack"))
    missing = sum(
        blob.size for segment in index.segments for blob in segment.blobs if not have(blob)
    )
    observe(Started("unpack", index.size - start))
    with no_room_explained(store.root, missing), Leftovers() as leftovers:
        unpacking = _Unpacking(reader, store, have, leftovers)
        for batch in (index.segments[:1], index.segments[1:]):
            for segment in batch:
                check(segment)
            with closing(in_order(unpacking.tasks(batch), workers or os.cpu_count() or 1)) as done:
                deque(done, maxlen=0)
        reader.end()
    observe(Finished("unpack", f"{index.size / 1e6:.1f} MB → {missing / 1e6:.1f} MB"))


class _Reader:
    """Reads frames in order and compares each with the index."""

    def __init__(
        self, index: VerifiedIndex, volume: BinaryIO, start: int, advance: Callable[[int], None]
    ) -> None:
        self._index = index
        self._source = Source(volume, start)
        self._advance = advance
        self._numbers = {frame.offset: n for n, frame in enumerate(index.frames(), start=1)}
        first = next(index.frames())
        if first.offset != start:
            raise DamagedError(
                f"{self._source.name} is not the volume {index.stem} as it was signed: its frames"
                f" begin at byte {start}, not at {first.offset}",
                hint="have the volume sent again",
            )

    def take(self, frame: Frame, label: str, keep: Callable[[bytes], object] | None = None) -> None:
        """Read one frame and compare it; its bytes go to `keep` as well."""
        digest, size = hashlib.sha256(), 0
        for chunk in self._source.chunks(frame.size):
            digest.update(chunk)
            size += len(chunk)
            if keep is not None:
                keep(chunk)
            self._advance(len(chunk))
        if size < frame.size:
            raise self.damaged(frame, label, f"the file ends at byte {frame.offset + size}")
        if digest.hexdigest() != frame.sha256:
            raise self.damaged(frame, label, "its bytes are not those that were signed")

    def end(self) -> None:
        """Read the tail, behind which the file must end."""
        tail = self._index.tail
        self.take(tail, "the end of the archive")
        if self._source.read(1):
            raise self.damaged(tail, "the end of the archive", "the file goes on behind it")

    def damaged(self, frame: Frame, label: str, what: str) -> DamagedError:
        """The error that says where."""
        number = self._numbers[frame.offset]
        return DamagedError(
            f"{self._source.name} ({self._index.stem}): frame {number} of {len(self._numbers)},"
            f" bytes {frame.offset} to {frame.offset + frame.size} ({label}): {what}",
            hint="have the volume sent again; whatever arrived whole is kept",
        )


class _Unpacking:
    """Makes the tasks that decompress; they share a budget of memory."""

    def __init__(
        self,
        reader: _Reader,
        store: BlobStore,
        have: Callable[[Blob], bool],
        leftovers: Leftovers,
    ) -> None:
        self._reader = reader
        self._store = store
        self._have = have
        self._leftovers = leftovers
        self._budget = Budget(WINDOW_MEMORY)

    def tasks(self, segments: Iterable[Segment]) -> Iterator[Callable[[Event], None]]:
        """Read segments; one task for each frame that must be decompressed."""
        for segment in segments:
            self._check_lengths(segment)
            if all(self._have(blob) for blob in segment.blobs):
                for frame in segment.frames:
                    self._reader.take(frame, segment.label)
            else:
                yield from self._segment_tasks(segment)

    def _segment_tasks(self, segment: Segment) -> Iterator[Callable[[Event], None]]:
        sink = self._leftovers.add(SegmentSink(segment.blobs, self._store, self._have))
        before = Event()
        before.set()
        for frame in segment.frames:
            spool = self._leftovers.add(new_spool(self._store.scratch))
            self._reader.take(frame, segment.label, spool.write)
            after = Event()
            yield partial(self._unpack, segment, frame, spool, sink, before, after)
            before = after

    def _unpack(
        self,
        segment: Segment,
        frame: Frame,
        spool: Spool,
        sink: SegmentSink,
        before: Event,
        after: Event,
        stop: Event,
    ) -> None:
        # The frame before it in the segment was begun earlier, so this wait has an end. If that
        # one failed, its own error is the one that is raised.
        before.wait()
        try:
            if not sink.broken:
                with self._budget.hold(zstd.window_memory(frame.length)):
                    decompress(spool, frame.length, sink.feed, stop)
        except BaseException as error:
            sink.broken = True
            if isinstance(error, ValueError):
                raise self._reader.damaged(frame, segment.label, str(error)) from error
            raise
        finally:
            after.set()
        self._leftovers.release(spool)
        if frame is segment.frames[-1]:
            self._leftovers.release(sink)

    def _check_lengths(self, segment: Segment) -> None:
        whole = sum(frame.length for frame in segment.frames) == ustar.stream_length(segment.blobs)
        for frame in segment.frames:
            if (
                not whole
                or frame.length > zstd.FRAME_LIMIT
                or frame.size > zstd.size_bound(zstd.FRAME_LIMIT)
            ):
                raise self._reader.damaged(
                    frame, segment.label, "the index gives it sizes that cannot be"
                )


def _advance(observe: Observer, phase: str, amount: int) -> None:
    observe(Advanced(phase, amount))
