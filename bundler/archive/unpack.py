"""Reading a volume: from a medium that nobody trusts into the store, front to back, once.

A frame's bytes are hashed and compared with the signed index before a decompressor sees them, and
what is decompressed are these very bytes, never the medium's again. The tar stream inside is not
parsed: the index says which bytes it must have, and those are compared. So every byte behind the
head is either the expected one or told as damage. Blobs that were complete all the same stay in
the store; they are what their names say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from threading import Event

from bundler.archive import frame as zstd
from bundler.archive import ustar
from bundler.archive.decompress import Pieces, SegmentSink, decompress
from bundler.archive.frames import FrameReader
from bundler.archive.keep import Keeper
from bundler.archive.parallel import Crew, Leftovers
from bundler.archive.source import Source
from bundler.disk import no_room_explained, require_room
from bundler.events import Advanced, Finished, Observer, Started, ignore
from bundler.model.artifact import Blob
from bundler.model.volume import Form, Frame, Segment, VerifiedIndex

_WORKERS = 3
"""Threads that decompress, each with a window of up to 128 MiB; one that reads and hashes cannot
feed more."""

_FRAMES = 128 << 20
"""Bytes of frames that were hashed and are not decompressed yet; at least one frame."""

_ENTRIES: dict[Form, Callable[[Iterable[Blob]], Iterable[bytes | Blob]]] = {
    "zst": ustar.entries,
    "tar": ustar.entries,
    "files": lambda blobs: blobs,
}


def unpack_volume(
    index: VerifiedIndex,
    source: Source,
    keeper: Keeper,
    *,
    check: Callable[[Segment], bool] = lambda _segment: True,
    workers: int = _WORKERS,
    observe: Observer = ignore,
) -> tuple[Segment, ...]:
    """Bring every blob of the volume to where it is kept, but for those that are there already.

    `source` stands right behind the head; it is read without seeking. Where all blobs of a segment
    are there, its frames are hashed like all others, but not decompressed.

    Args:
        index: What the volume must be.
        source: The volume.
        keeper: Where blobs go.
        check: Is called with each segment before any of it is taken in, and may refuse it; the
            first segment has arrived by then, when there are more. False passes over a segment.
        workers: How many threads decompress.
        observe: Hears about the progress.

    Returns:
        The segments that were passed over.

    Raises:
        DamagedVolumeError: if a byte is not the one that was signed; all that can be is taken in
            before that is told.
        BundlerError: if the disk is full, or has too little room for what is missing.
    """
    reader = FrameReader(index, source, partial(_advance, observe, "unpack"))
    missing = sum(blob.size for blob in keeper.missing(index))
    if missing:
        require_room(keeper.store.root, missing)
    observe(Started("unpack", index.size - source.position))
    passed: list[Segment] = []
    offsets: set[int] = set()
    with no_room_explained(keeper.store.root, missing), Leftovers() as leftovers:
        unpacking = _Unpacking(reader, keeper, leftovers, index.form, offsets)
        for batch in (index.segments[:1], index.segments[1:]):
            passed += [segment for segment in batch if not check(segment)]
            offsets.update(segment.offset for segment in passed)
            with Crew(workers, _FRAMES) as crew:
                unpacking.read(batch, crew)
        reader.end()
    observe(Finished("unpack", f"{index.size / 1e6:.1f} MB → {missing / 1e6:.1f} MB"))
    return tuple(passed)


class _Unpacking:
    """Reads segments and has their frames decompressed."""

    def __init__(
        self,
        reader: FrameReader,
        keeper: Keeper,
        leftovers: Leftovers,
        form: Form,
        passed: set[int],
    ) -> None:
        self._reader = reader
        self._keeper = keeper
        self._leftovers = leftovers
        self._form = form
        self._passed = passed

    def read(self, segments: Iterable[Segment], crew: Crew) -> None:
        """Read segments; one task for each frame that must be decompressed."""
        for segment in segments:
            self._check_lengths(segment)
            if segment.offset in self._passed or not self._keeper.lacks(segment.blobs):
                for frame in segment.frames:
                    self._reader.take(frame, segment, lambda _chunk: None)
            elif self._form == "zst":
                self._read_frames(segment, crew)
            else:
                self._copy(segment)

    def _read_frames(self, segment: Segment, crew: Crew) -> None:
        sink = self._sink(segment)
        before = Event()
        before.set()
        for frame in segment.frames:
            crew.room(frame.size)
            pieces = Pieces()
            whole = self._reader.take(frame, segment, pieces.add)
            after = Event()
            good = pieces if whole else None
            crew.begin(frame.size, partial(self._unpack, segment, frame, good, sink, before, after))
            before = after

    def _unpack(
        self,
        segment: Segment,
        frame: Frame,
        pieces: Pieces | None,
        sink: SegmentSink,
        before: Event,
        after: Event,
        stop: Event,
    ) -> None:
        # The frame before it in the segment was begun earlier, so this wait has an end. If that
        # one failed, its own error is the one that is raised.
        before.wait()
        try:
            if pieces is None:
                sink.skip(frame.length)
            elif not sink.broken:
                decompress(pieces, frame.length, sink.feed, stop)
        except BaseException as error:
            sink.broken = True
            if isinstance(error, ValueError):
                raise self._reader.damaged(frame, segment, str(error)) from error
            raise
        finally:
            after.set()
        if frame is segment.frames[-1]:
            self._leftovers.release(sink)

    def _copy(self, segment: Segment) -> None:
        """Take in plain frames while they are hashed: a blob counts by its own digest."""
        sink = self._sink(segment, strict=False)
        for frame in segment.frames:
            left = frame.length

            def take(chunk: bytes) -> None:
                nonlocal left
                left -= len(chunk)
                sink.feed(chunk)

            if self._reader.take(frame, segment, take) and sink.fault:
                raise self._reader.damaged(frame, segment, sink.fault)
            sink.skip(left)
            sink.fault = ""
        self._leftovers.release(sink)

    def _sink(self, segment: Segment, *, strict: bool = True) -> SegmentSink:
        entries = _ENTRIES[self._form](segment.blobs)
        return self._leftovers.add(SegmentSink(entries, self._keeper, strict=strict))

    def _check_lengths(self, segment: Segment) -> None:
        if self._form == "files":
            sizes = [(blob.size, blob.sha256) for blob in segment.blobs]
            whole = sizes == [(frame.size, frame.sha256) for frame in segment.frames]
            limit = max(frame.length for frame in segment.frames)
        else:
            length = ustar.stream_length(segment.blobs)
            whole = sum(frame.length for frame in segment.frames) == length
            limit = zstd.FRAME_LIMIT
        for frame in segment.frames:
            if not whole or frame.length > limit or frame.size > zstd.size_bound(limit):
                raise self._reader.damaged(
                    frame, segment, "the index gives it sizes that cannot be"
                )


def _advance(observe: Observer, phase: str, amount: int) -> None:
    observe(Advanced(phase, amount))
