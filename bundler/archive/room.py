"""How much a volume can still take: bounds that hold whatever zstd makes of the bytes.

What a segment needs in the file is known once it is there; before, only that a frame cannot be
larger than its content and a little. The list in the head is bounded by the longest numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bundler.archive import frame as zstd
from bundler.archive import ustar
from bundler.model.artifact import Blob
from bundler.model.canonical import canonical
from bundler.model.volume import Form, Segment

_SEEK_ENTRY = 8
_TAIL = zstd.size_bound(len(ustar.END)) + len(zstd.seek_table([(0, 0), (0, 0)]))
_DIGEST, _NUMBER = 64, 16
_BLOB = len('{"sha256":"","size":},') + _DIGEST
_FRAME = len('{"length":,"offset":,"sha256":"","size":},') + _DIGEST + 3 * _NUMBER
_SEGMENT = len('{"blobs":[],"frames":[],"label":},')
_SLICE = len('"":{"offset":,"whole":{"sha256":"","size":}},') + 2 * _DIGEST + 2 * _NUMBER
_PATH = len('"":"",') + _DIGEST + 270
_BOUNDLESS = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a volume.

    Attributes:
        size: Of the whole file, in bytes; None for as large as needed.
        content: Of all blobs in it, in bytes, where a row of parity must hold as much.
        frame: Of a frame before compression, in bytes.
        form: How blobs lie in it.
    """

    size: int | None = None
    content: int | None = None
    frame: int = zstd.FRAME_LIMIT
    form: Form = "zst"


@dataclass(slots=True)
class _Need:
    """What a segment of some blobs may take: of the tar stream, of blobs, of the head's list."""

    stream: int = 0
    content: int = 0
    listed: int = 0

    def add(self, blob: Blob, size: int, form: Form) -> None:
        self.stream += ustar.stream_length_of(size)
        self.content += size
        self.listed += _BLOB + len(str(blob.size)) + (_PATH + _FRAME if form == "files" else 0)


class Room:
    """What is left of one volume."""

    def __init__(self, limits: Limits, reserved: int, listed: int) -> None:
        """`reserved` bytes are for the head, `listed` of them for the list of segments."""
        self.reserved = reserved
        self._limits = limits
        self._file = _BOUNDLESS if limits.size is None else limits.size - reserved - _TAIL
        self._content = _BOUNDLESS if limits.content is None else limits.content
        self._listed = listed
        self._fresh = True

    @property
    def is_wide(self) -> bool:
        """Whether so much is left that a blob is cut rather than carried over whole."""
        sixteenth = (self._limits.size or 0) // 16
        return self._fresh or min(self._file, self._content) > sixteenth

    def fitting(self, label: str, blobs: Sequence[Blob]) -> int:
        """How many of `blobs`, from the first one on, fit for sure as one segment."""
        need = _Need()
        for count, blob in enumerate(blobs):
            need.add(blob, blob.size, self._limits.form)
            too_long = blob.size > ustar.LARGEST and self._limits.form != "files"
            if too_long or not self._takes(label, need):
                return count
        return len(blobs)

    def largest_slice(self, label: str, whole: Blob, left: int) -> int:
        """How many of the last `left` bytes of a blob fit for sure; 0 if none do."""
        most = min(left, whole.size - 1, ustar.LARGEST, self._content, self._file)
        while most > 0:
            need = _Need()
            need.add(whole, most, self._limits.form)
            if self._takes(label, need):
                return most
            # Beside its content a frame has three bytes for each 128 KiB, and a tar its header.
            most -= most // 40_000 + 2 * ustar.BLOCK
        return 0

    def take(self, segment: Segment, *, fresh: bool = False) -> None:
        """Less is left: `segment` is in the volume now; `fresh`: it is in every volume."""
        self._fresh = self._fresh and fresh
        self._file -= segment.size + _SEEK_ENTRY * len(segment.frames)
        need = _Need()
        for blob in segment.blobs:
            need.add(blob, blob.size, self._limits.form)
        self._content -= need.content
        self._listed -= _of_segment(segment.label, need, self._limits)

    def _takes(self, label: str, need: _Need) -> bool:
        whole, rest = divmod(need.stream, self._limits.frame)
        size = need.stream
        if self._limits.form == "zst":
            size = whole * zstd.size_bound(self._limits.frame) + zstd.size_bound(rest)
        return (
            size + _SEEK_ENTRY * (whole + 1) <= self._file
            and need.content <= self._content
            and _of_segment(label, need, self._limits) <= self._listed
        )


def listed(segments: Iterable[tuple[str, Sequence[Blob]]], limits: Limits) -> int:
    """A bound, in bytes, of what an index says of these segments."""
    total = 0
    for label, blobs in segments:
        need = _Need()
        for blob in blobs:
            need.add(blob, blob.size, limits.form)
        total += _of_segment(label, need, limits)
    return total


def _of_segment(label: str, need: _Need, limits: Limits) -> int:
    """With room for one part of a blob."""
    frames = need.stream // limits.frame + 1
    return _SEGMENT + len(canonical({"": label})) + need.listed + frames * _FRAME + _SLICE
