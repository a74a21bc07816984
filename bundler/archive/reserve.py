"""How much room a volume keeps for its head, which is written last and stands in front."""

from __future__ import annotations

from collections.abc import Mapping

from bundler.archive import ustar
from bundler.archive.head import HEAD_LIMIT, head_size
from bundler.archive.room import LIST_SHARE, Limits
from bundler.archive.wanted import too_small
from bundler.errors import BundlerError
from bundler.model.artifact import Sha256
from bundler.model.volume import Frame, VolumeIndex

LONGEST = 10**15
"""No number in an index has more digits than this one."""

_HEAD_UNIT = 4 << 10


def head_reserve(listed_bytes: int, others: Mapping[str, int], limits: Limits) -> tuple[int, int]:
    """How much room to reserve for a head, before any frame is known; a multiple of 4 KiB.

    The bound is strict: it is the size of a head whose index has the longest numbers. Where a
    volume has a size, its list of segments gets a sixteenth of it at most, or `LIST_SHARE`: when
    that is full, so is the volume.

    Args:
        listed_bytes: What the index may say of segments; see `bundler.archive.room.listed`.
        others: The names of all entries but this volume's index, and bounds of their sizes.
        limits: Of the volume.

    Returns:
        The bytes for the head, and those of them that the list of segments may take.

    Raises:
        BundlerError: if no head may be that large, or none fits into such a small volume.
    """
    fixed = _head_size(others, limits)
    if limits.size is not None and fixed > limits.size // 2:
        raise too_small(limits)
    needed = fixed + listed_bytes + ustar.BLOCK
    if limits.size is not None:
        needed = min(needed, fixed + max(limits.size // 16, LIST_SHARE))
        needed = max(min(needed, HEAD_LIMIT), fixed + ustar.BLOCK)
    reserved = -(-needed // _HEAD_UNIT) * _HEAD_UNIT
    if reserved > HEAD_LIMIT:
        hint = "give --volume-size: each volume lists its own files only"
        if fixed + LIST_SHARE > HEAD_LIMIT:
            hint = "make two streams of this profile, each with a part of its requirements"
        raise BundlerError(
            f"the head of the volume needs {needed} bytes; it has {HEAD_LIMIT} at most", hint=hint
        )
    return reserved, reserved - fixed - ustar.BLOCK


def _head_size(others: Mapping[str, int], limits: Limits) -> int:
    """Of a head whose index lists no segments; that list may make its padding a block longer."""
    digest = Sha256("0" * 64)
    index = VolumeIndex(
        stream="x" * 64,
        sequence=LONGEST,
        volume=LONGEST,
        volumes=LONGEST,
        manifest=digest,
        size=LONGEST,
        segments=(),
        tail=Frame(offset=LONGEST, size=LONGEST, sha256=digest, length=LONGEST),
        head=dict.fromkeys(others, digest),
        form=limits.form,
    )
    return head_size({**others, index.name: len(index.to_bytes())}, limits.form)
