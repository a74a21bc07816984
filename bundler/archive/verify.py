"""Comparing a volume with its index: read once from front to back, hashed on all processors."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Semaphore

from bundler.archive.frames import FrameReader
from bundler.archive.source import CHUNK, Source
from bundler.events import Advanced, Finished, Observer, Started, ignore
from bundler.model.volume import Frame, Segment, VerifiedIndex

_AHEAD = (96 << 20) // CHUNK
"""Chunks that were read and not hashed yet: while one frame is hashed, the next is read."""

_WORTH_A_THREAD = 1 << 20
"""Bytes; a smaller frame is hashed sooner than it is handed over."""


def verify_volume(
    index: VerifiedIndex,
    source: Source,
    *,
    workers: int | None = None,
    observe: Observer = ignore,
) -> None:
    """Read everything behind the head and compare it with the index; nothing is decompressed.

    `source` stands right behind the head.

    Raises:
        DamagedVolumeError: if bytes are not those that were signed, all of them named.
    """

    def advance(amount: int) -> None:
        observe(Advanced("verify", amount))

    reader = FrameReader(index, source, advance)
    observe(Started("verify", index.size - source.position))
    hashing: list[tuple[Frame, Segment, Future[str]]] = []
    pool = ThreadPoolExecutor(workers or os.cpu_count() or 1)
    try:
        room = Semaphore(_AHEAD)
        for segment in index.segments:
            for frame in segment.frames:
                if frame.size < _WORTH_A_THREAD:
                    reader.take(frame, segment, lambda _chunk: None)
                else:
                    hashing.append((frame, segment, _hash(reader, frame, segment, pool, room)))
        for frame, segment, digest in hashing:
            if digest.result() not in {frame.sha256, ""}:
                reader.changed(frame, segment)
        reader.end()
    finally:
        pool.shutdown(cancel_futures=True)
    observe(Finished("verify", f"{index.size / 1e6:.1f} MB as signed"))


def _hash(
    reader: FrameReader,
    frame: Frame,
    segment: Segment,
    pool: ThreadPoolExecutor,
    room: Semaphore,
) -> Future[str]:
    """Read a frame; its digest, which is empty where not all of it could be read."""
    chunks: SimpleQueue[bytes | None] = SimpleQueue()
    # Workers take frames in order, so those that wait for room wait for somebody who works.
    digest = pool.submit(_digest, chunks, room)
    whole = False
    try:

        def keep(chunk: bytes) -> None:
            room.acquire()
            chunks.put(chunk)

        whole = reader.read(frame, segment, keep)
    finally:
        if not whole:
            chunks.put(b"")
        chunks.put(None)
    return digest


def _digest(chunks: SimpleQueue[bytes | None], room: Semaphore) -> str:
    digest, whole = hashlib.sha256(), True
    while (chunk := chunks.get()) is not None:
        if chunk:
            digest.update(chunk)
            room.release()
        else:
            whole = False
    return digest.hexdigest() if whole else ""
