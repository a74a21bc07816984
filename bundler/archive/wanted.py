"""What shall be written into the volumes of a set, and bounds of what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from packaging.utils import NormalizedName

from bundler.archive.parity import PIECE
from bundler.archive.room import Limits, most_volumes
from bundler.errors import BundlerError
from bundler.model.artifact import Blob

_LEAST_ROW = 4
"""Of a volume, a quarter or more is for a row of parity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A segment to be.

    Attributes:
        projects: Whose files these are.
    """

    label: str
    blobs: Sequence[Blob]
    projects: tuple[NormalizedName, ...] = ()

    @property
    def plain(self) -> tuple[str, Sequence[Blob]]:
        """Label and blobs."""
        return self.label, self.blobs


def row_limit(
    segments: Sequence[Wanted], everywhere: Wanted | None, limits: Limits, rows: int, head: int
) -> int:
    """How many bytes of blobs a volume may have so that a row of parity fits into one, too.

    `head` is a bound of that volume's head. A row does not compress, and beside it stands the
    parity document, which lists every blob of the set.
    """
    size = limits.size or 0
    plain = [each.plain for each in segments]
    most, pieces = most_volumes(plain, with_rows(limits)), size // PIECE + 2
    repeated = list(everywhere.blobs) if everywhere else []
    listed_blobs = sum(len(each.blobs) for each in segments) + most * (len(repeated) + 1)
    document = 120 * (listed_blobs + rows * pieces) + 300 * most
    beside = head + document + 4096 * pieces
    found = size - beside - size // 10_000
    if found - sum(blob.size for blob in repeated) < size // _LEAST_ROW:
        raise too_small(limits)
    return found


def with_rows(limits: Limits) -> Limits:
    """As `limits`, with the least that `row_limit` may say, but for what stands in every volume."""
    return replace(limits, content=None if limits.size is None else limits.size // _LEAST_ROW)


def too_small(limits: Limits) -> BundlerError:
    """The error for a size that leaves no room for files."""
    return BundlerError(
        f"a volume of {limits.size} bytes is too small: its head and the documents would take more"
        " than half of it",
        hint="give a larger --volume-size",
    )
