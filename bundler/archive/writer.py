"""What writes one volume, whatever its form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from bundler.archive.compress import OpenBlob
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import Segment, Slice, VolumeIndex

GiveUp: TypeAlias = Callable[[], None]
"""Ends the waiting of whoever opens a blob, after a failure."""


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

    def finish(
        self,
        *,
        stream: str,
        sequence: int,
        volume: int,
        volumes: int,
        manifest: Sha256,
        head: Mapping[str, Sha256],
        slices: Mapping[Sha256, Slice],
    ) -> VolumeIndex:
        """Write the tail, and describe it all."""

    def fill(self, head_entries: Mapping[str, bytes]) -> None:
        """Write the head."""

    def reveal(self) -> None:
        """Give the volume its name."""
