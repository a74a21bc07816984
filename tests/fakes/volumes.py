"""Small volumes for tests: packed by the real writer from bytes in memory."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bundler.archive.folder import FolderWriter
from bundler.archive.frame import FRAME_LIMIT
from bundler.archive.head import Head, read_head
from bundler.archive.keep import Keeper
from bundler.archive.medium import head_of, opened
from bundler.archive.pack import VolumeWriter
from bundler.archive.reserve import head_reserve
from bundler.archive.room import Limits, Room, listed
from bundler.archive.source import Source
from bundler.archive.spread import Begin, Spreader
from bundler.archive.store import BlobStore
from bundler.archive.unpack import unpack_volume
from bundler.archive.wanted import Wanted
from bundler.archive.writer import Writer
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
    workers: int = 2,
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


HEAD_ENTRIES = {"manifest.json": 5000, "metadata/1.root.json": 300}
"""Names and sizes of what stands in the heads of `spread` beside the index."""


@dataclass(frozen=True)
class Spread:
    """What `spread` has written; index by index the same as volume by volume.

    Attributes:
        rooms: What was left of each volume.
        shares: How many bytes each head has for the list of segments.
    """

    paths: Sequence[Path]
    indexes: Sequence[VolumeIndex]
    rooms: Sequence[Room]
    shares: Sequence[int]


def spread(
    folder: Path,
    segments: Sequence[Wanted],
    contents: Contents,
    limits: Limits,
    everywhere: Wanted | None = None,
    *,
    threads: int = 1,
    observe: Observer = ignore,
) -> Spread:
    """Write segments into volumes `1`, `2`, … of the folder; their heads are as full as said."""
    folder.mkdir(exist_ok=True)
    shares: list[int] = []

    def writer(number: int, reserved: int) -> Writer:
        path = folder / str(number)
        if limits.form == "files":
            return FolderWriter(path, reserved, lambda blob: f"files/{blob.sha256}")
        return VolumeWriter(
            path, reserved, form=limits.form, threads=threads, frame_limit=limits.frame
        )

    def reserve(listed_bytes: int) -> tuple[int, int]:
        reserved, share = head_reserve(listed_bytes, HEAD_ENTRIES, limits)
        shares.append(share)
        return reserved, share

    begin = Begin(writer=writer, reserve=reserve)
    with Spreader(begin, limits, everywhere, segments, observe=observe) as spreader:
        spreader.write(segments, contents.open)
        indexes = spreader.finish("web", 7, MANIFEST, {})
        others = {name: bytes(size) for name, size in HEAD_ENTRIES.items()}
        spreader.seal([{**others, index.name: index.to_bytes()} for index in indexes])
        rooms = [each.room for each in spreader.volumes]
    return Spread([folder / str(n + 1) for n in range(len(indexes))], indexes, rooms, shares)


def finish(writer: VolumeWriter) -> VolumeIndex:
    return writer.finish().index(
        stream="web", sequence=7, volume=1, volumes=1, manifest=MANIFEST, head={}
    )


def read_volume_head(volume: Path) -> Head:
    """The head of a volume; nothing of it is verified."""
    with opened(volume) as source:
        return head_of(source)


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
