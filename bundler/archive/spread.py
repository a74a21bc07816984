"""Spreading blobs over the volumes of a set: in order, none larger than asked for.

A volume is closed when the next blob does not fit for sure. Where that would leave more than a
sixteenth of it empty, the blob is cut: its parts cross as blobs of their own. What is written
follows from the blobs and the limits alone, not from threads or time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import BinaryIO, Self

from packaging.utils import NormalizedName

from bundler.archive import ustar
from bundler.archive.compress import OpenBlob
from bundler.archive.parity import encode
from bundler.archive.room import Limits, Room, listed
from bundler.archive.slices import check_whole, opener_of, part_of
from bundler.archive.store import BlobStore
from bundler.archive.wanted import Wanted, too_small
from bundler.archive.writer import GiveUp, Writer
from bundler.errors import BundlerError
from bundler.events import Finished, Observer, Started, ignore
from bundler.model.artifact import Blob, Sha256
from bundler.model.parity import Column
from bundler.model.volume import Segment, Slice, VolumeIndex
from bundler.model.volume_set import VolumeSummary

MOST_VOLUMES = 500
"""All are open until the last one is packed, and nobody wants to carry more."""
_BOTH_ENDS = 2 << 10
"""What the list in a head says of parts of blobs at the beginning and at the end, in bytes."""

PARITY = "parity"


@dataclass(slots=True)
class Written:
    """A volume whose head is not written yet."""

    writer: Writer
    room: Room
    parity: bool = False
    blobs: list[Blob] = field(default_factory=list)
    projects: set[NormalizedName] = field(default_factory=set)
    slices: dict[Sha256, Slice] = field(default_factory=dict)

    def append(self, wanted: Wanted, open_blob: OpenBlob, give_up: GiveUp, phase: str) -> Segment:
        """Write a segment that fits."""
        segment = self.writer.append(*wanted.plain, open_blob, give_up, phase=phase)
        self.projects.update(wanted.projects)
        self.blobs += segment.blobs
        return segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """How a volume is begun.

    Attributes:
        writer: Makes the writer of volume N whose head has so many bytes.
        reserve: How many bytes a head must have whose index lists segments in so many bytes; and
            how many of them are for that list, which may be fewer.
    """

    writer: Callable[[int, int], Writer]
    reserve: Callable[[int], tuple[int, int]]


class Spreader:
    """Writes the volumes of a set; a context manager that leaves no volume half written."""

    def __init__(
        self,
        begin: Begin,
        limits: Limits,
        everywhere: Wanted | None,
        segments: Sequence[Wanted],
        *,
        observe: Observer = ignore,
    ) -> None:
        """Prepare.

        Args:
            begin: How volumes are made.
            limits: What bounds each.
            everywhere: A segment that every volume begins with.
            segments: What `write` will get, or as much as that at least.
            observe: Hears about the progress.
        """
        self.volumes: list[Written] = []
        self._begin = begin
        self._limits = limits
        self._everywhere = everywhere
        # What the list of all that is not written yet may take, in bytes.
        self._ahead = listed([each.plain for each in segments], limits)
        # What has a place in a list already, which a part with the same bytes would take.
        self._placed = {blob.sha256 for each in segments for blob in each.blobs}
        self._observe = observe
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(
        self,
        segments: Iterable[Wanted],
        open_blob: OpenBlob,
        give_up: GiveUp = lambda: None,
        *,
        phase: str = "pack",
    ) -> None:
        """Write segments behind those that are there; see `VolumeWriter.add`.

        Raises:
            DamagedError: if a blob is not what its name says.
            BundlerError: if the disk is full, or a volume could not even hold its head; also
                whatever `open_blob` raises.
        """
        segments = [*segments]
        total = sum(ustar.stream_length(each.blobs) for each in segments)
        self._observe(Started(phase, total))
        if not self.volumes:
            self._next(open_blob, give_up, phase)
        for wanted in segments:
            self._write(wanted, open_blob, give_up, phase)
            self._ahead -= listed([wanted.plain], self._limits)
        self._observe(Finished(phase, f"{total / 1e6:.1f} MB"))

    def add_parity(self, rows: int, open_blob: OpenBlob, store: BlobStore) -> Blob:
        """Write so many parity volumes over those that are there; the parity document.

        `store` takes the pieces until they are written.

        Raises:
            DamagedError: if a blob is not what its name says.
            BundlerError: if there are too many volumes, the disk is full, or a row is larger than a
                volume may be.
        """
        slices = {sha256: part for each in self.volumes for sha256, part in each.slices.items()}

        def opened(blob: Blob) -> BinaryIO:
            part = slices.get(blob.sha256)
            if part is None:
                return open_blob(blob)
            return opener_of(open_blob, part.whole, part.offset)(blob)

        columns = [
            Column(volume=number, blobs=tuple(each.blobs))
            for number, each in enumerate(self.volumes, start=1)
        ]
        made = encode(columns, rows, opened, store, observe=self._observe)
        document = store.put(replace(made, slices=slices).to_bytes())
        self._limits, self._everywhere = replace(self._limits, content=None), None
        for row in made.rows:
            segments = [Wanted(label=PARITY, blobs=[blob]) for blob in (document, *row)]
            self._ahead = listed([each.plain for each in segments], self._limits)
            self._next(store.open, _idle, PARITY)
            self.volumes[-1].parity = True
            for wanted in segments:
                if not self.volumes[-1].room.fitting(*wanted.plain):
                    raise too_small(self._limits)
                self.volumes[-1].room.take(
                    self.volumes[-1].append(wanted, store.open, _idle, PARITY)
                )
        return document

    def finish(
        self, stream: str, sequence: int, manifest: Sha256, head: Mapping[str, Sha256]
    ) -> list[VolumeIndex]:
        """Write the tails, and describe the volumes; see `VolumeIndex` for the arguments."""
        return [
            each.writer.finish().index(
                stream=stream,
                sequence=sequence,
                volume=number,
                volumes=len(self.volumes),
                manifest=manifest,
                head=head,
                slices=each.slices,
            )
            for number, each in enumerate(self.volumes, start=1)
        ]

    def summaries(self, indexes: Sequence[VolumeIndex]) -> list[VolumeSummary]:
        """What a set says of the volumes that have these indexes."""
        return [
            VolumeSummary(
                size=index.size, parity=each.parity, projects=tuple(sorted(each.projects))
            )
            for index, each in zip(indexes, self.volumes, strict=True)
        ]

    def seal(self, heads: Sequence[Mapping[str, bytes]]) -> None:
        """Write the heads; when all are safe on disk, give all volumes their names.

        Raises:
            BundlerError: if a head does not fit, the disk is full, or a name is taken.
        """
        for head, each in zip(heads, self.volumes, strict=True):
            each.writer.fill(head)
        for each in self.volumes:
            each.writer.reveal()

    def _write(self, wanted: Wanted, open_blob: OpenBlob, give_up: GiveUp, phase: str) -> None:
        rest = list(wanted.blobs)
        while rest:
            volume = self.volumes[-1]
            if count := volume.room.fitting(wanted.label, rest):
                fitting, rest = replace(wanted, blobs=rest[:count]), rest[count:]
                volume.room.take(volume.append(fitting, open_blob, give_up, phase))
            elif volume.room.part(wanted.label, rest[0], rest[0].size):
                self._cut(wanted, rest.pop(0), open_blob, give_up, phase)
            else:
                self._next(open_blob, give_up, phase)

    def _cut(
        self,
        wanted: Wanted,
        blob: Blob,
        open_blob: OpenBlob,
        give_up: GiveUp,
        phase: str,
    ) -> None:
        """Write a blob in parts, into as many volumes as it takes."""
        check_whole(open_blob, blob)
        done = 0
        while done < blob.size:
            volume = self.volumes[-1]
            size = volume.room.part(wanted.label, blob, blob.size - done)
            if not size:
                self._next(open_blob, give_up, phase)
                continue
            part = part_of(open_blob, blob, done, size)
            while part.sha256 in self._placed and size > 1:
                size = max(size - 1 - len(volume.slices), 1)
                part = part_of(open_blob, blob, done, size)
            self._placed.add(part.sha256)
            opened = opener_of(open_blob, blob, done)
            fitting = replace(wanted, blobs=[part])
            volume.room.take(volume.append(fitting, opened, give_up, phase))
            volume.slices[part.sha256] = Slice(blob, done)
            done += size

    def _next(self, open_blob: OpenBlob, give_up: GiveUp, phase: str) -> None:
        """Begin another volume."""
        if len(self.volumes) == MOST_VOLUMES:
            raise BundlerError(
                f"{MOST_VOLUMES} volumes of {self._limits.size} bytes are too few",
                hint="give a larger --volume-size",
            )
        everywhere = [self._everywhere] if self._everywhere else []
        documents = listed([each.plain for each in everywhere], self._limits)
        needed = documents + self._ahead + _BOTH_ENDS
        reserved, share = self._begin.reserve(needed)
        size = reserved + sum(ustar.stream_length(each.blobs) for each in everywhere)
        if self._limits.size is not None and (
            size > self._limits.size // 2 or share < min(needed, 2 * documents + _BOTH_ENDS)
        ):
            raise too_small(self._limits)
        room = Room(self._limits, reserved, share)
        writer = self._begin.writer(len(self.volumes) + 1, room.reserved)
        volume = Written(self._stack.enter_context(writer), room)
        self.volumes.append(volume)
        for wanted in everywhere:
            room.take(volume.append(wanted, open_blob, give_up, phase), fresh=True)


def _idle() -> None:
    """Nobody waits."""
