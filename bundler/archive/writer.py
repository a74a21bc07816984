"""What writes one volume, whatever its form.

It grows as `NAME.part` and gets its name at the end, or never.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Protocol, Self, TypeAlias

from bundler.archive import ustar
from bundler.archive.compress import OpenBlob
from bundler.disk import sync_folder
from bundler.errors import BundlerError
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import Form, Frame, Segment, Slice, VolumeIndex

GiveUp: TypeAlias = Callable[[], None]
"""Ends the waiting of whoever opens a blob, after a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """All of a volume but its head; see `VolumeIndex` for the attributes."""

    segments: tuple[Segment, ...]
    tail: Frame
    form: Form
    paths: Mapping[Sha256, str] = field(default_factory=dict)

    def index(
        self,
        *,
        stream: str,
        sequence: int,
        volume: int,
        volumes: int,
        manifest: Sha256,
        head: Mapping[str, Sha256],
        slices: Mapping[Sha256, Slice] = MappingProxyType({}),
    ) -> VolumeIndex:
        """Describe the volume; see `VolumeIndex` for the arguments."""
        return VolumeIndex(
            stream=stream,
            sequence=sequence,
            volume=volume,
            volumes=volumes,
            manifest=manifest,
            size=self.tail.offset + self.tail.size,
            segments=self.segments,
            tail=self.tail,
            head=head,
            form=self.form,
            slices=slices,
            paths=self.paths,
        )


def tail_frame(data: bytes, offset: int) -> Frame:
    """The bytes that end a volume; the index counts their zero blocks alone as their length."""
    return Frame(
        offset=offset,
        size=len(data),
        sha256=Sha256(hashlib.sha256(data).hexdigest()),
        length=len(ustar.END),
    )


def part_path(final: Path) -> Path:
    """Where a volume is written.

    Raises:
        BundlerError: if its name is taken.
    """
    if os.path.lexists(final):
        raise BundlerError(
            f"{final} exists already",
            hint="a written volume is never changed: move it away, or choose another folder",
        )
    return final.with_name(f"{final.name}.part")


def name_part(final: Path) -> None:
    """Give a volume that was written its name.

    Raises:
        BundlerError: if something else has taken it meanwhile.
    """
    part_path(final).rename(final)
    sync_folder(final.parent)


class Writer(Protocol):
    """What writes one volume; see `bundler.archive.pack.VolumeWriter`."""

    def __enter__(self) -> Self:
        """Begin it."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing behind, unless it was revealed."""

    def append(
        self,
        label: str,
        blobs: Sequence[Blob],
        open_blob: OpenBlob,
        give_up: GiveUp,
        *,
        phase: str,
    ) -> Segment:
        """Write a segment."""

    def finish(self) -> Body:
        """Write the tail, and describe all that was written."""

    def fill(self, head_entries: Mapping[str, bytes]) -> None:
        """Write the head."""

    def reveal(self) -> None:
        """Give the volume its name."""
