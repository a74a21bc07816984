"""Why a plan has a version of a project, and why it does not have the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.model.artifact import is_sdist
from bundler.model.asked import THE_PROFILE
from bundler.resolve.reasons import why_not_installable
from bundler.resolve.resolution import Resolution
from bundler.resolve.select import Offer, pins_exactly
from bundler.resolve.solution import Asked, Pin, Solution
from bundler.resolve.terms import Terms
from bundler.resolve.wanted import Candidate, Key, Wanted


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to a project; equal for targets that share it.

    Attributes:
        version: None where the project is not needed.
        chains: From the profile down to the project, one for each requirement upon it.
        others: Why each other version was not taken, newest first.
    """

    version: Version | None
    chains: tuple[str, ...]
    others: tuple[tuple[Version, str], ...]


def tell_why(resolution: Resolution, project: NormalizedName) -> Mapping[Story, Sequence[str]]:
    """What happened to a project, with the names of the targets where it did."""
    told: dict[Story, list[str]] = {}
    for solution in resolution.solutions:
        also = {
            wide.pins[project].version
            for wide in resolution.wider
            if wide.target == solution.target and project in wide.pins
        }
        told.setdefault(_story(solution, project, also), []).append(solution.target.name)
    return told


def _story(solution: Solution, project: NormalizedName, also: Collection[Version]) -> Story:
    pin = solution.pins.get(project)
    if pin is None:
        return Story(None, (), ())
    ways = _ways(solution)
    chains = (
        " → ".join((*_way_to(asked, ways), str(asked.wanted)))
        for asked in sorted(pin.asked, key=lambda asked: len(_way_to(asked, ways)))
    )
    others = tuple(_others(solution, project, also))
    return Story(pin.version, tuple(dict.fromkeys(chains)), others)


_Way = tuple[str, ...]
"""Where it was asked for, and each version on the way down: `profile`, `pandas 2.3`."""


def _ways(solution: Solution) -> Mapping[NormalizedName, _Way]:
    """The shortest way to each project, its own name left out."""
    required: dict[NormalizedName | None, list[tuple[NormalizedName, Asked]]] = {}
    for project, pin in solution.pins.items():
        for asked in pin.asked:
            asker = asked.parent.key.project if asked.parent else None
            required.setdefault(asker, []).append((project, asked))
    ways: dict[NormalizedName, _Way] = {}
    rest: deque[NormalizedName | None] = deque([None])
    while rest:
        for project, asked in required.get(rest.popleft(), ()):
            if project not in ways:
                ways[project] = _way_to(asked, ways)
                rest.append(project)
    return ways


def _way_to(asked: Asked, ways: Mapping[NormalizedName, _Way]) -> _Way:
    """The way down to who has a requirement."""
    if asked.parent is None:
        return (asked.wanted.origin or THE_PROFILE,)
    return (*ways[asked.parent.key.project], str(asked.parent))


def _origin(wanted: Wanted) -> str:
    return "the profile" if wanted.origin in {"", THE_PROFILE} else wanted.origin


def _others(
    solution: Solution, project: NormalizedName, also: Collection[Version]
) -> Iterator[tuple[Version, str]]:
    shelves = solution.dependencies.shelves
    versions = {*shelves.of(project).releases, *shelves.catalogue.sdists(project)}
    for version in sorted(versions - {solution.pins[project].version}, reverse=True):
        reason = "carried as well, for breadth" if version in also else None
        yield version, reason or _why_not(solution, project, version)


def _why_not(solution: Solution, project: NormalizedName, version: Version) -> str:
    pin, terms = solution.pins[project], solution.terms
    shelf = solution.dependencies.shelves.of(project)
    if (outside := _out_of_bounds(pin, terms.bound(project), version)) is not None:
        return outside
    exact = any(pins_exactly(asked.wanted.specifier) for asked in pin.asked)
    offers = shelf.sources if shelf.sources and is_sdist(pin.file.filename) else shelf
    offer = offers.offer(version) if version in offers.releases else Offer(None, None)
    file = offer.any if exact else offer.plain
    if file is None:
        return why_not_installable(shelf, version)
    return _behind(terms, project, pin, version) or _clash(
        solution, pin, Candidate(Key(project), version, file)
    )


def _behind(terms: Terms, project: NormalizedName, pin: Pin, version: Version) -> str | None:
    """Why a version that may be taken stands behind the one that was."""
    if version.is_prerelease and not pin.version.is_prerelease:
        return "a pre-release, which nothing asks for"
    if terms.shared.get(project) == pin.version:
        return f"{pin.version} is what other targets have too"
    if version < pin.version:
        return "older"
    if terms.preferred.get(project) == pin.version:
        return f"an earlier lock has {pin.version}"
    return None


def _out_of_bounds(pin: Pin, bound: SpecifierSet, version: Version) -> str | None:
    for asked in pin.asked:
        if not asked.wanted.met_by(version):
            return f"{asked.parent or _origin(asked.wanted)} requires {asked.wanted}"
    if not bound.contains(version, prereleases=True):
        return f"a constraint says {bound}"
    return None


def _clash(solution: Solution, taken: Pin, candidate: Candidate) -> str:
    """Why the search passed a version that fits by itself."""
    dependencies = solution.dependencies
    project = candidate.key.project
    keys = {candidate.key, *(asked.wanted.key for asked in taken.asked)}
    required: list[Wanted] = []
    for each in (replace(candidate, key=key) for key in sorted(keys)):
        required += dependencies.of(each)
        if each in dependencies.unusable:
            return dependencies.unusable[each]
    for wanted in required:
        other = wanted.key.project
        pin = solution.pins.get(other)
        if pin is not None and other != project and not wanted.met_by(pin.version):
            return f"it requires {wanted}, and {other} {pin.version} is taken"
        specifier = wanted.specifier & solution.terms.bound(other)
        if pin is None and not any(dependencies.shelves.of(other).choices(specifier)):
            return f"it requires {wanted}, which is not there for this target"
    return "it does not fit together with what others require"
