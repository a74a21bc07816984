"""Writing a volume: blobs in, one file out, in one pass and with the same bytes every time.

The file grows as `NAME.part` and gets its name when its head is sealed, or never.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from bundler.archive import frame as zstd
from bundler.archive import ustar
from bundler.archive.compress import FrameWriter, OpenBlob
from bundler.archive.head import encode_head
from bundler.archive.writer import Body, name_part, part_path, tail_frame
from bundler.disk import no_room_explained
from bundler.events import Advanced, Finished, Observer, Started, ignore
from bundler.model.artifact import Blob
from bundler.model.volume import Form, Frame, Segment

Wanted: TypeAlias = "tuple[str, Sequence[Blob]]"
"""A segment to be: its label and its blobs in order."""

_SYNC_AT = 32 << 20
"""Bytes that are written before the disk is asked to make them safe."""


class VolumeWriter:
    """Writes one volume; a context manager that leaves no file behind unless it was sealed.

    Call `append` or `add` as often as wanted, then `finish`, which says what the frames have
    become, then `seal` with the documents for the head, or `fill` and `reveal`.
    """

    def __init__(
        self,
        final: Path,
        reserved: int,
        *,
        form: Form = "zst",
        threads: int | None = None,
        frame_limit: int = zstd.FRAME_CUT,
        observe: Observer = ignore,
    ) -> None:
        """`reserved` bytes are kept for the head; `threads` compress, one a processor.

        `form` is "zst" or "tar".
        """
        self._form = form
        self._final = final
        self._reserved = reserved
        self._threads = threads or os.cpu_count() or 1
        self._frame_limit = frame_limit
        self._observe = observe
        self._segments: list[Segment] = []
        self._end = self._synced = reserved
        self._disk = ThreadPoolExecutor(1, "disk")
        self._sync: Future[None] = Future()

    def __enter__(self) -> Self:
        self._part = part_path(self._final)
        self._part.unlink(missing_ok=True)
        self._file = self._part.open("xb")
        self._file.seek(self._reserved)
        self._sync.set_result(None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._disk.shutdown()
        # What can no longer be flushed, to a full disk, is about to be removed anyway.
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)

    def add(
        self,
        segments: Iterable[Wanted],
        open_blob: OpenBlob,
        give_up: Callable[[], None] = lambda: None,
        *,
        phase: str = "pack",
    ) -> None:
        """Compress segments and append them in the order given.

        `open_blob` is called in other threads and may wait there, for a download say; `give_up` is
        called after a failure and must end such waiting. What is opened is hashed while it is
        packed.

        `phase` is what observers hear of it as.

        Raises:
            DamagedError: if a blob is not what its name says.
            BundlerError: if the disk is full; also whatever `open_blob` raises.
            ValueError: if a segment has no blobs; an index cannot say that.
        """
        wanted = [(label, tuple(blobs)) for label, blobs in segments]
        total = sum(ustar.stream_length(blobs) for _, blobs in wanted)
        self._observe(Started(phase, total))
        before = self._end
        for label, blobs in wanted:
            self.append(label, blobs, open_blob, give_up, phase=phase)
        packed = self._end - before
        self._observe(Finished(phase, f"{total / 1e6:.1f} MB → {packed / 1e6:.1f} MB"))

    def append(
        self,
        label: str,
        blobs: Sequence[Blob],
        open_blob: OpenBlob,
        give_up: Callable[[], None],
        *,
        phase: str,
    ) -> Segment:
        """Compress one segment; see `add`, which says more to observers."""
        if not blobs:
            raise ValueError(f"a segment without blobs: {label}")
        work = FrameWriter(
            volume=self._file,
            open_blob=open_blob,
            give_up=give_up,
            frame_limit=self._frame_limit,
            threads=self._threads,
            form=self._form,
        )
        with no_room_explained(self._final.parent, ustar.stream_length(blobs)):
            frames = tuple(self._frames(blobs, work, phase))
            self._file.flush()
        segment = Segment(label=label, blobs=tuple(blobs), frames=frames)
        self._segments.append(segment)
        return segment

    def finish(self) -> Body:
        """Append the tail, and describe all that was written.

        The tail is a frame with the two zero blocks that end a tar, and the seek table. The index
        counts both as one `Frame`, whose length is that of the zero blocks. In a plain tar, it is
        these blocks.
        """
        data = ustar.END if self._form == "tar" else self._tail()
        with no_room_explained(self._final.parent, len(data)):
            self._file.write(data)
            self._file.flush()
        return Body(
            segments=tuple(self._segments),
            tail=tail_frame(data, self._end),
            form=self._form,
        )

    def seal(self, head_entries: Mapping[str, bytes]) -> None:
        """Write the head, make the file safe on disk and give it its name.

        Raises:
            BundlerError: as `fill` and `reveal`.
        """
        self.fill(head_entries)
        self.reveal()

    def fill(self, head_entries: Mapping[str, bytes]) -> None:
        """Write the head and make the file safe on disk.

        Raises:
            BundlerError: if the entries do not fit in the reserved room, or the disk is full.
        """
        head = encode_head(head_entries, self._reserved, self._form)
        with no_room_explained(self._final.parent, len(head)):
            self._file.seek(0)
            self._file.write(head)
            self._file.flush()
            self._sync.result()
            os.fsync(self._file.fileno())
            self._file.close()

    def reveal(self) -> None:
        """Give the file its name.

        Raises:
            BundlerError: if another file has taken it meanwhile.
        """
        name_part(self._final)

    def _tail(self) -> bytes:
        engine = zstd.compressor(len(ustar.END))
        end = engine.compress(ustar.END) + engine.flush()
        frames = [frame for segment in self._segments for frame in segment.frames]
        sizes = [(self._reserved, 0), *((frame.size, frame.length) for frame in frames)]
        return end + zstd.seek_table([*sizes, (len(end), len(ustar.END))])

    def _frames(self, blobs: Sequence[Blob], work: FrameWriter, phase: str) -> Iterator[Frame]:
        with closing(work.write(blobs)) as written:
            for one in written:
                offset, self._end = self._end, self._end + one.size
                self._observe(Advanced(phase, one.length))
                self._sync_early()
                yield Frame(offset=offset, size=one.size, sha256=one.sha256, length=one.length)

    def _sync_early(self) -> None:
        """Let the disk work while frames are made, so that `seal` has little to wait for.

        An error is told once, to whoever syncs first, so it is kept for the next who asks.
        """
        if self._end - self._synced > _SYNC_AT and self._sync.done():
            self._sync.result()
            self._synced = self._end
            self._sync = self._disk.submit(os.fdatasync, self._file.fileno())
