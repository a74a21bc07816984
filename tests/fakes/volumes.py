"""Small volumes for tests: packed by the real writer from bytes in memory."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bundler.archive.frame import FRAME_LIMIT
from bundler.archive.head import read_head
from bundler.archive.keep import Keeper
from bundler.archive.pack import VolumeWriter, head_reserve
from bundler.archive.room import Limits, listed
from bundler.archive.source import Source
from bundler.archive.store import BlobStore
from bundler.archive.unpack import unpack_volume
from bundler.events import Observer, ignore
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import VerifiedIndex, VolumeIndex

MANIFEST = Sha256("ab" * 32)


class Contents:
    """Bytes by blob; `open` is what a `VolumeWriter` asks for them."""

    def __init__(self) -> None:
        self.by_blob: dict[Blob, bytes] = {}

    def add(self, data: bytes) -> Blob:
        blob = Blob(Sha256(hashlib.sha256(data).hexdigest()), len(data))
        self.by_blob[blob] = data
        return blob

    def open(self, blob: Blob) -> BinaryIO:
        return io.BytesIO(self.by_blob[blob])


@dataclass(frozen=True)
class Packed:
    path: Path
    index: VerifiedIndex
    contents: Mapping[Blob, bytes]

    @property
    def start(self) -> int:
        return next(self.index.frames()).offset

    def unpack(self, store: BlobStore, *, workers: int = 2, observe: Observer = ignore) -> None:
        with self.path.open("rb") as volume:
            start = read_head(volume).size
            unpack_from(self.index, volume, start, store, workers=workers, observe=observe)


def unpack_from(
    index: VerifiedIndex,
    volume: BinaryIO,
    start: int,
    store: BlobStore,
    *,
    have: Callable[[Blob], bool] | None = None,
    workers: int | None = 2,
    observe: Observer = ignore,
) -> None:
    """`volume` stands at `start`, right behind the head."""
    keeper = Keeper(store, have, index.slices)
    unpack_volume(index, Source(volume, start), keeper, workers=workers, observe=observe)


def pack(
    path: Path,
    segments: Sequence[tuple[str, Sequence[bytes]]],
    *,
    frame_limit: int = FRAME_LIMIT,
    threads: int = 2,
    reserved: int | None = None,
    observe: Observer = ignore,
) -> Packed:
    contents = Contents()
    wanted = [(label, [contents.add(data) for data in parts]) for label, parts in segments]
    if reserved is None:
        limits = Limits(frame=frame_limit)
        reserved, _ = head_reserve(listed(wanted, limits), {}, limits)
    with VolumeWriter(
        path, reserved, threads=threads, frame_limit=frame_limit, observe=observe
    ) as writer:
        writer.add(wanted, contents.open)
        index = finish(writer)
        writer.seal({index.name: index.to_bytes()})
    return Packed(path, VerifiedIndex(index), contents.by_blob)


def finish(writer: VolumeWriter) -> VolumeIndex:
    return writer.finish(stream="web", sequence=7, volume=1, volumes=1, manifest=MANIFEST, head={})


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - test data


def stored(store: BlobStore) -> dict[str, bytes]:
    """Everything in the store by name, scratch files included."""
    return {
        str(path.relative_to(store.root)): path.read_bytes()
        for path in store.root.rglob("*")
        if path.is_file()
    }
