"""After volumes have come: which sequences are complete now, and in which order they go live."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from bundler.archive.failures import Failures
from bundler.errors import BundlerError, DamagedError, IncompleteError, RefusedError
from bundler.events import Noticed, Observer
from bundler.mirror.arrivals import Arrival, arrivals, forget, missing_of
from bundler.mirror.attempt import Attempt
from bundler.mirror.layout import Mirror
from bundler.mirror.remembered import remembered
from bundler.model.artifact import Sha256

T = TypeVar("T")


@dataclass(slots=True)
class Landed:
    """The volumes of one sequence that were here, now or before.

    Attributes:
        volumes: Each once.
        now: How many of them came in this call and are whole.
        damage: What was wrong with those that came in this call and are not, by their place.
        attempt: What the journal says of the one that came last.
    """

    volumes: list[Arrival] = field(default_factory=list)
    now: int = 0
    damage: dict[tuple[Sha256, int], BundlerError] = field(default_factory=dict)
    attempt: Attempt | None = None

    def add(self, arrival: Arrival) -> None:
        """Take another volume, or the same again."""
        self.volumes = [each for each in self.volumes if each.place != arrival.place]
        self.volumes.append(arrival)

    @property
    def others(self) -> bool:
        """Whether there is any volume but those that came now and were damaged.

        Of a damaged one alone nothing goes live, also if all that it brings is here.
        """
        return self.now > 0 or any(each.place not in self.damage for each in self.volumes)

    @property
    def newest(self) -> Arrival:
        """The one of the packing that was signed last: after it, none may be older."""
        return max(self.volumes, key=lambda each: each.admission.versions["timestamp"])


def settle(
    mirror: Mirror,
    landed: dict[tuple[str, int], Landed],
    finish: Callable[[Landed], T],
    failures: Failures,
    observe: Observer,
) -> list[T]:
    """Let `finish` see every sequence that may be complete, the lower ones of a stream first.

    What a higher one waits for may just have gone live. A sequence that is not complete is a
    failure if a volume of it came now, and no later one went live instead.

    Raises:
        BundlerError: if the disk is full.
    """
    found: list[T] = []
    for stream in sorted({stream for stream, _ in landed}):
        lacking: list[IncompleteError] = []
        for sequence, one in _by_sequence(mirror, stream, landed, observe):
            if one.damage and not one.others:
                continue
            with failures.collected():
                if (
                    not one.now
                    and not one.damage
                    and missing_of(mirror, one.volumes, remembered(mirror, stream))
                ):
                    observe(Noticed(f"{stream} sequence {sequence} still waits for the rest of it"))
                    continue
                try:
                    found.append(finish(one))
                    lacking.clear()
                except IncompleteError as error:
                    if one.now:  # else the damage has been told
                        lacking.append(error)
                except RefusedError as error:
                    if not isinstance(error, DamagedError):  # which the same volumes mend
                        forget(mirror, stream, sequence, only=True)
                    raise
        failures.errors += lacking
    return found


def _by_sequence(
    mirror: Mirror, stream: str, landed: dict[tuple[str, int], Landed], observe: Observer
) -> Iterable[tuple[int, Landed]]:
    found = {sequence: one for (name, sequence), one in landed.items() if name == stream}
    for arrival in arrivals(mirror, stream, observe):
        one = found.setdefault(arrival.admission.sequence, Landed())
        if all(each.place != arrival.place for each in one.volumes):
            one.volumes.append(arrival)
    return sorted(found.items())


def tell_mended(
    landed: dict[tuple[str, int], Landed],
    live: Iterable[tuple[str, int]],
    failures: Failures,
    observe: Observer,
) -> None:
    """What was wrong with a volume is no failure when its sequence is whole all the same."""
    for place in live:
        one = landed.get(place)
        for error in one.damage.values() if one else ():
            if error in failures.errors:
                failures.errors.remove(error)
                observe(Noticed(f"not needed any more: {error.message}"))
