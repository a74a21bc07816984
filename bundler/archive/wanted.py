"""What shall be written into the volumes of a set, and bounds of what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.utils import NormalizedName

from bundler.archive import ustar
from bundler.archive.frame import size_bound
from bundler.archive.parity import PIECE
from bundler.archive.room import Limits, listed
from bundler.errors import BundlerError
from bundler.model.artifact import Blob


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


def most_volumes(segments: Sequence[Wanted], limits: Limits) -> int:
    """No set of these segments has more volumes.

    Half of each is for segments at least, or a sixteenth of it for the list of them, and it is
    closed when less than a sixteenth of it is left.
    """
    if limits.size is None:
        return 1
    length = sum(size_bound(ustar.stream_length(each.blobs)) for each in segments)
    lists = listed([each.plain for each in segments], limits)
    return 16 * length // (7 * limits.size) + 16 * lists // limits.size + 3


def row_limit(
    segments: Sequence[Wanted], everywhere: Wanted | None, limits: Limits, rows: int, head: int
) -> int:
    """How many bytes of blobs a volume may have so that a row of parity fits into one, too.

    `head` is a bound of that volume's head. A row does not compress, and beside it stands the
    parity document, which lists every blob of the set.
    """
    size = limits.size or 0
    most, pieces = most_volumes(segments, limits), size // PIECE + 2
    repeated = list(everywhere.blobs) if everywhere else []
    listed_blobs = sum(len(each.blobs) for each in segments) + most * (len(repeated) + 1)
    document = 120 * (listed_blobs + rows * pieces) + 300 * most
    beside = head + document + 4096 * pieces
    found = size - beside - size // 10_000
    if found < size // 2:
        raise too_small(limits)
    return found


def too_small(limits: Limits) -> BundlerError:
    """The error for a size that leaves no room for files."""
    return BundlerError(
        f"a volume of {limits.size} bytes is too small: its head and the documents would take more"
        " than half of it",
        hint="give a larger --volume-size",
    )
