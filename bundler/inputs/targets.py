"""A lock as the targets of the profile see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bundler.inputs.gathered import Gathered, Source
from bundler.model.artifact import Sha256, parse_sha256
from bundler.model.asked import Lock, LockedPin
from bundler.model.target import Target


def take_lock(
    source: Source,
    targets: Sequence[Target],
    pins: Callable[[Target], Iterable[LockedPin]],
    gathered: Gathered,
) -> None:
    """Ask a lock for each target's pins; targets with the same fault share its line.

    Args:
        source: The lock's file.
        targets: Of the profile.
        pins: Answers for one target; raises `ValueError` when the lock cannot be used for it.
        gathered: Takes the lock, or the faults.
    """
    by_target: dict[str, tuple[LockedPin, ...]] = {}
    faults: dict[str, list[str]] = {}
    for target in targets:
        try:
            found = tuple(sorted(pins(target), key=lambda pin: pin.project))
        except ValueError as error:
            faults.setdefault(str(error), []).append(target.name)
        else:
            by_target[target.name] = found
    gathered.faults += (
        f"{source.path}: {fault} (for {', '.join(names)})" for fault, names in faults.items()
    )
    if not faults:
        gathered.locks.append(Lock(source.name, by_target))


def sha256_of(digest: str | None, what: str) -> Sha256:
    """The digest of a file in a lock; `what` names the file.

    Raises:
        ValueError: if there is none, or it is not one.
    """
    if digest is None:
        raise ValueError(f"{what} has no sha256 digest; lock against an index that tells them")
    try:
        return parse_sha256(digest.lower())
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error
