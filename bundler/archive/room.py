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
LIST_SHARE = 32 << 10
"""The list of segments gets so many bytes of the smallest volume, if it needs them."""


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
    frame: int = zstd.FRAME_CUT
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

    def size(self, limits: Limits) -> int:
        """Of the frames in the file, with what the seek table says of them."""
        whole, rest = divmod(self.stream, limits.frame)
        size = self.stream
        if limits.form == "zst":
            size = whole * zstd.size_bound(limits.frame) + zstd.size_bound(rest)
        return size + _SEEK_ENTRY * (whole + 1)


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

    def fitting(self, label: str, blobs: Sequence[Blob]) -> int:
        """How many of `blobs`, from the first one on, fit for sure as one segment."""
        need = _Need()
        for count, blob in enumerate(blobs):
            need.add(blob, blob.size, self._limits.form)
            too_long = blob.size > ustar.LARGEST and self._limits.form != "files"
            if too_long or not self._takes(label, need):
                return count
        return len(blobs)

    def part(self, label: str, whole: Blob, left: int) -> int:
        """How many of the last `left` bytes of a blob go in here; 0 if the volume ends instead.

        It ends when all but a sixteenth of it is taken, or its list of segments is full.
        """
        bounds = [each for each in (self._limits.size, self._limits.content) if each is not None]
        most = self._largest(label, whole, left)
        return most if self._fresh or most == left or most > min(bounds, default=0) // 16 else 0

    def _largest(self, label: str, whole: Blob, left: int) -> int:
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
        need = _need(segment.blobs, self._limits)
        self._content -= need.content
        self._listed -= _of_segment(segment.label, need, self._limits)

    def _takes(self, label: str, need: _Need) -> bool:
        return (
            need.size(self._limits) <= self._file
            and need.content <= self._content
            and _of_segment(label, need, self._limits) <= self._listed
        )


def listed(segments: Iterable[tuple[str, Sequence[Blob]]], limits: Limits) -> int:
    """A bound, in bytes, of what an index says of these segments."""
    return sum(_of_segment(label, _need(blobs, limits), limits) for label, blobs in segments)


def most_volumes(segments: Iterable[tuple[str, Sequence[Blob]]], limits: Limits) -> int:
    """No set of these segments has more volumes.

    Each but the last is closed because it has no room for a part that is larger than a sixteenth of
    it, or for its listing; and what every volume begins with takes at most half of either.
    """
    if limits.size is None and limits.content is None:
        return 1
    needs = [(label, _need(blobs, limits)) for label, blobs in segments]
    found = 2
    if limits.content is not None:
        found += 3 * sum(need.content for _, need in needs) // limits.content
    if limits.size is not None:
        share = max(limits.size // 16, LIST_SHARE)
        found += 4 * sum(need.size(limits) for _, need in needs) // limits.size
        found += 4 * sum(_of_segment(label, need, limits) for label, need in needs) // share
    return found


def _need(blobs: Iterable[Blob], limits: Limits) -> _Need:
    need = _Need()
    for blob in blobs:
        need.add(blob, blob.size, limits.form)
    return need


def _of_segment(label: str, need: _Need, limits: Limits) -> int:
    """With room for one part of a blob."""
    frames = need.stream // limits.frame + 1
    return _SEGMENT + len(canonical({"": label})) + need.listed + frames * _FRAME + _SLICE
