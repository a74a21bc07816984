"""`pylock.toml` (PEP 751), read and selected from by `packaging.pylock`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from packaging.markers import Environment, UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import Package, Pylock, PylockSelectError, PylockValidationError
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from bundler.inputs.gathered import Gathered, Source
from bundler.inputs.table import parse_toml
from bundler.inputs.targets import sha256_of, take_lock
from bundler.model.asked import LockedPin
from bundler.model.profile import RequirementFile
from bundler.model.target import Target


def read_pylock(
    source: Source,
    wanted: RequirementFile,
    targets: Sequence[Target],
    gathered: Gathered,
    *,
    sdists: bool,
) -> None:
    """Take the pins of each target; without groups that are wanted, of the lock's default groups.

    Args:
        source: The lock.
        wanted: Names extras and groups.
        targets: Of the profile.
        gathered: Takes the lock, or the faults.
        sdists: Source distributions may be carried.
    """
    try:
        lock = Pylock.from_dict(parse_toml(source.data).as_dict())
        extras = _known("extra", wanted.extras, lock.extras or ())
        groups = _known("group", wanted.groups, lock.dependency_groups or ())
    except (ValueError, PylockValidationError) as error:
        gathered.faults.append(f"{source.path}: {error}")
        return

    def pins(target: Target) -> Iterator[LockedPin]:
        try:
            selected = [
                package
                for package, _ in lock.select(
                    environment=cast("Environment", target.environment),
                    tags=list(target.tags),
                    extras=extras,
                    dependency_groups=groups or None,
                )
            ]
        except (PylockSelectError, UndefinedComparison, UndefinedEnvironmentName) as error:
            raise ValueError(str(error)) from error
        for package in selected:
            if not _is_the_project(package):
                yield _pin(package, source.name, sdists=sdists)

    take_lock(source, targets, pins, gathered)


def _known(kind: str, wanted: Iterable[str], there: Iterable[str]) -> list[str]:
    """The names that are wanted as the lock writes them."""
    spelt = {canonicalize_name(name): name for name in there}
    for name in wanted:
        if canonicalize_name(name) not in spelt:
            known = ", ".join(spelt.values()) or "none"
            raise ValueError(f"it has no {kind} {name!r}; it has: {known}")
    return [spelt[canonicalize_name(name)] for name in wanted]


def _is_the_project(package: Package) -> bool:
    """Whether it is the project that the lock was made for, which is at home already."""
    return package.directory is not None and posixpath.normpath(package.directory.path) == "."


def _pin(package: Package, name: str, *, sdists: bool) -> LockedPin:
    if package.is_direct:
        kind = "repository" if package.vcs else "folder" if package.directory else "URL or path"
        raise ValueError(
            f"package {package.name} comes from a {kind} and not from an index;"
            " build a wheel, put it onto your index and lock that"
        )
    wheels = package.wheels or ()
    if not (wheels or sdists):
        raise ValueError(f"package {package.name} has a source distribution and no wheel")
    source = [package.sdist] if package.sdist and sdists else []
    return LockedPin(
        project=package.name,
        version=package.version or _versions(package)[0],
        sha256s=frozenset(sha256_of(w.hashes.get("sha256"), w.filename) for w in wheels),
        sdists=frozenset(sha256_of(s.hashes.get("sha256"), s.filename) for s in source),
        origin=f"{name}, package {package.name}",
    )


def _versions(package: Package) -> list[Version]:
    """The version as the files' names tell it; `Pylock` has checked that there are some."""
    wheels = [parse_wheel_filename(wheel.filename)[1] for wheel in package.wheels or ()]
    return wheels or [parse_sdist_filename(s.filename)[1] for s in (package.sdist,) if s]
