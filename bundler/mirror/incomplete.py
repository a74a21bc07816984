"""What to say of a sequence that has not wholly arrived, and of a delta that does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from bundler.archive.frames import DamagedVolumeError
from bundler.errors import DamagedError, IncompleteError, TrustError
from bundler.mirror.arrivals import Arrival, Missing, MissingOfSet, MissingVolume, missing_of
from bundler.mirror.layout import Mirror
from bundler.mirror.named import Named, some, wholes
from bundler.model.volume import Segment
from bundler.trust.gate import Admission, Anchor

_SHOWN: Final = 10
_BRING = "bring the rest in any order: `bundle unpack VOLUME... --into MIRROR`"


def check_base(admission: Admission, anchor: Anchor) -> None:
    """Refuse a delta that was made upon something else than what is here.

    Raises:
        TrustError: naming both.
    """
    base = admission.set.base
    if base and base.sequence == anchor.sequence and base.manifest != anchor.manifest:
        raise TrustError(
            f"{admission.stream} sequence {admission.sequence} builds on sequence {base.sequence}"
            f" with the manifest {base.manifest}; here, sequence {anchor.sequence} has the manifest"
            f" {anchor.manifest}",
            hint="the sender has two bundles with one number: ask them; a full one needs no base",
        )


def require_all(mirror: Mirror, arrived: Sequence[Arrival], anchor: Anchor) -> None:
    """Everything of a sequence must be here, of which these volumes were.

    Raises:
        IncompleteError: saying what has arrived and what is missing.
    """
    missing = missing_of(mirror, arrived, anchor)
    if missing:
        raise _incomplete(missing)


def _incomplete(missing: Missing) -> IncompleteError:
    best = missing.sets[0]
    base = best.set.base
    what = f"{missing.stream} sequence {missing.sequence}"
    if base and base.sequence > missing.live:
        here = f"{missing.live} is" if missing.live else "none is"
        other = (
            f"a delta made with --since {missing.live}" if missing.live else "a full bundle made"
        )
        lines = [f"{what} builds on sequence {base.sequence}, which is not here ({here})"]
        hint = f"bring sequence {base.sequence}, or have {other}"
    else:
        lines = [f"{what} is not complete"]
        hint = f"{_BRING}; for what is lost or damaged, have it sent again"
    for one in missing.sets:
        lines += _of_set(missing.named, one)
    if best.blobs and not (base and base.sequence > missing.live):
        lines.append(f"in no volume that was here: {missing.named.words(best.blobs)}")
    return IncompleteError("\n".join(lines), hint=hint)


class PassedOverError(IncompleteError):
    """A volume came too early: what it brings cannot be judged yet."""


def passed_over(
    name: str, admission: Admission, named: Named, passed: Sequence[Segment]
) -> PassedOverError:
    """A volume came before the documents that say what its blobs are."""
    labels = some([segment.label for segment in passed])
    return PassedOverError(
        f"{name} ({admission.index.stem}): nobody can say yet whether {labels} may come in: the"
        f" documents of {some(sorted(named.unread))} have not arrived",
        hint="unpack the volumes that bring these, then this one again; in a delta, volume 1 does",
    )


class DamagedFilesError(DamagedError):
    """Frames of a volume are not what was signed; says which files that affects."""


def explained(error: DamagedVolumeError, named: Named, mirror: Mirror) -> DamagedFilesError:
    """The same error, with the files that it affects."""
    named.read_documents()
    blobs = [blob for part in error.lost() for blob in wholes(error.index, part.blobs)]
    lost = [blob for blob in blobs if not mirror.has(blob)]
    tells = f"affects {named.words(lost)}" if lost else "nothing is missing because of it"
    return DamagedFilesError(f"{error.message}\n{tells}", hint=error.hint)


def _of_set(named: Named, one: MissingOfSet) -> Iterator[str]:
    total = len(one.set.volumes)
    arrived = some([str(number) for number in one.arrived]) or "none"
    yield f"{one.set.label}: of {total} volumes, {arrived} arrived"
    for volume in one.volumes[:_SHOWN]:
        yield _of_volume(named, volume, total)
    if len(one.volumes) > _SHOWN:
        yield f"and {len(one.volumes) - _SHOWN} more volumes"


def _of_volume(named: Named, volume: MissingVolume, total: int) -> str:
    if volume.segments is None:
        return (
            f"volume {volume.number} of {total} is missing; affects {some(list(volume.projects))}"
        )
    return (
        f"volume {volume.number} of {total} lacks {_runs(volume.segments)} of its segments; affects"
        f" {named.words(volume.blobs)}"
    )


def _runs(numbers: Sequence[int]) -> str:
    """`1-3, 7`: ten runs at most."""
    starts = [numbers[0], *(b for a, b in pairwise(numbers) if b != a + 1)]
    ends = [*(a for a, b in pairwise(numbers) if b != a + 1), numbers[-1]]
    return some([f"{a}-{b}" if a != b else f"{a}" for a, b in zip(starts, ends, strict=True)])
