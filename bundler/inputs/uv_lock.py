"""`uv.lock`, version 1: one resolution for all platforms, of which a target walks its own part.

The format is uv's own and has no specification. The walk begins at the members of the workspace and
follows each dependency whose marker holds. Every edge names a package, also its version and source
where the lock has several of the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from packaging.markers import (
    InvalidMarker,
    Marker,
    UndefinedComparison,
    UndefinedEnvironmentName,
)
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from bundler.inputs.gathered import Gathered, Source
from bundler.inputs.table import parse_toml
from bundler.inputs.targets import sha256_of, take_lock
from bundler.inputs.uv_document import Edge, Package, UvLock, parse_uv_lock
from bundler.model.artifact import Sha256
from bundler.model.asked import LockedPin
from bundler.model.profile import RequirementFile
from bundler.model.target import Target


def read_uv_lock(
    source: Source,
    wanted: RequirementFile,
    targets: Sequence[Target],
    gathered: Gathered,
    *,
    sdists: bool,
) -> None:
    """Take the pins of each target: of all workspace members, with the extras and groups wanted.

    Args:
        source: The lock.
        wanted: Names extras and groups.
        targets: Of the profile.
        gathered: Takes the lock, or the faults.
        sdists: Source distributions may be carried.
    """
    try:
        lock = parse_uv_lock(parse_toml(source.data))
        extras = _known("extra", wanted.extras, (e for m in lock.members for e in m.extras))
        by_member = (group for member in lock.members for group in member.groups)
        groups = _known("group", wanted.groups, (*lock.groups, *by_member))
    except ValueError as error:
        gathered.faults.append(f"{source.path}: {error}")
        return

    def pins(target: Target) -> Iterator[LockedPin]:
        for package in _walk(lock, extras, groups, target):
            yield _pin(package, source.name, sdists=sdists)

    take_lock(source, targets, pins, gathered)


def _known(kind: str, wanted: Iterable[str], there: Iterable[str]) -> frozenset[NormalizedName]:
    known = {canonicalize_name(name): None for name in there}
    for name in wanted:
        if canonicalize_name(name) not in known:
            raise ValueError(
                f"no member has the {kind} {name!r}; there are: {', '.join(known) or 'none'}"
            )
    return frozenset(canonicalize_name(name) for name in wanted)


def _walk(
    lock: UvLock, extras: Iterable[NormalizedName], groups: Iterable[NormalizedName], target: Target
) -> Iterator[Package]:
    """Each package that a target gets, members left out."""
    environment = target.environment
    python = environment["python_full_version"]
    if not _specifier(lock.requires_python).contains(python, prereleases=True):
        raise ValueError(f"it is for Python {lock.requires_python}, and not for {python}")
    if lock.environments and not any(_holds(m, environment) for m in lock.environments):
        raise ValueError(f"it is for {' or '.join(lock.environments)} only")
    waiting = [edge for group in groups for edge in lock.groups.get(group, ())]
    for member in lock.members:
        waiting += member.dependencies
        waiting += (edge for extra in extras for edge in member.extras.get(extra, ()))
        waiting += (edge for group in groups for edge in member.groups.get(group, ()))
    # Packages are compared by identity: each is there once.
    members = {id(member) for member in lock.members}
    seen: dict[int, Package] = {}
    followed: set[tuple[int, NormalizedName]] = set()
    while waiting:
        edge = waiting.pop()
        if not _holds(edge.marker, environment):
            continue
        package = _find(lock, edge, environment)
        if id(package) not in seen:
            seen[id(package)] = package
            waiting += package.dependencies
        for extra in edge.extras:
            if (id(package), extra) not in followed:
                followed.add((id(package), extra))
                waiting += package.extras.get(extra, ())
    found = [package for key, package in seen.items() if key not in members]
    _check_one_version(found)
    yield from found


def _find(lock: UvLock, edge: Edge, environment: Mapping[str, str]) -> Package:
    found = [
        package
        for package in lock.packages.get(edge.name, ())
        if edge.version in {None, package.version} and edge.source in (None, package.source)
    ]
    if len(found) > 1:
        found = [p for p in found if any(_holds(fork, environment) for fork in p.forks)]
    if len(found) != 1:
        version = f" {edge.version}" if edge.version else ""
        raise ValueError(f"it has {len(found)} packages for {edge.name}{version}; one is needed")
    return found[0]


def _check_one_version(packages: Iterable[Package]) -> None:
    by_name: dict[NormalizedName, Package] = {}
    for package in packages:
        other = by_name.setdefault(package.name, package)
        if other is not package:
            raise ValueError(
                f"it gives {package.name} twice, {other.version} and {package.version}"
            )


def _pin(package: Package, name: str, *, sdists: bool) -> LockedPin:
    kind = next(iter(package.source), "nothing")
    if kind != "registry":
        raise ValueError(
            f"package {package.name} comes from {kind} and not from an index;"
            " build a wheel, put it onto your index and lock that"
        )
    if not (package.wheels or (package.sdists and sdists)):
        what = "a source distribution and no wheel" if package.sdists else "no file"
        raise ValueError(f"package {package.name} has {what}")
    try:
        version = Version(package.version or "")
    except InvalidVersion as error:
        raise ValueError(f"package {package.name}: {error}") from error
    return LockedPin(
        project=package.name,
        version=version,
        sha256s=_digests(package.wheels),
        sdists=_digests(package.sdists if sdists else ()),
        origin=f"{name}, package {package.name}",
    )


def _digests(files: Iterable[tuple[str, str | None]]) -> frozenset[Sha256]:
    return frozenset(
        sha256_of(digest.removeprefix("sha256:") if digest else None, name)
        for name, digest in files
    )


@lru_cache(maxsize=4096)
def _marker(text: str) -> Marker:
    try:
        return Marker(text)
    except InvalidMarker as error:
        raise ValueError(f"{text!r} is no marker") from error


def _holds(text: str, environment: Mapping[str, str]) -> bool:
    try:
        return not text or _marker(text).evaluate(dict(environment))
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise ValueError(f"the marker {text!r} cannot be evaluated: {error}") from error


def _specifier(text: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(f"requires-python: {error}") from error
