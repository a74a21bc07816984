"""One resolution for one target: requirements and index → the wheel of each project, or why not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from resolvelib import BaseReporter, ResolutionImpossible, Resolver
from resolvelib.resolvers import RequirementInformation, Result

from bundler.model.artifact import RemoteFile
from bundler.model.plan import PlannedFile
from bundler.model.target import Target
from bundler.resolve.index import WheelFacts
from bundler.resolve.provider import PYTHON, Candidate, Catalogue, Key, Provider, Wanted, expand
from bundler.resolve.select import choices

# pip's own bound: a resolution that needs more rounds is lost anyway.
_MAX_ROUNDS = 200_000
_SHOWN_VERSIONS = 5


@dataclass(frozen=True, slots=True)
class Pin:
    """A project in a solution; `required_by` holds project names, or "profile"."""

    version: Version
    file: RemoteFile
    facts: WheelFacts
    required_by: frozenset[str]


@dataclass(frozen=True, slots=True)
class Solution:
    """What one target installs."""

    target: Target
    pins: Mapping[NormalizedName, Pin]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a target has no solution; `reasons` are lines for people."""

    target: Target
    reasons: tuple[str, ...]


def solve(
    requirements: Sequence[Requirement],
    constraints: Sequence[Requirement],
    target: Target,
    catalogue: Catalogue,
    likely: Callable[[PlannedFile], None] = lambda _file: None,
) -> Solution | Conflict:
    """Resolve for one target; for `likely` see `make_plan`.

    Raises:
        NetworkError, RefusedError: when the index or a wheel's metadata fails.
    """
    roots = [w for r in requirements if _holds(r, target) for w in expand(r)]
    for wanted in roots:
        catalogue.ask(wanted.key.project)
    bounds: dict[NormalizedName, SpecifierSet] = {}
    for constraint in constraints:
        if _holds(constraint, target):
            name = canonicalize_name(constraint.name)
            bounds[name] = bounds.get(name, SpecifierSet()) & constraint.specifier
    provider = Provider(target, catalogue, bounds, likely)
    resolver: Resolver[Wanted, Candidate, Key] = Resolver(provider, BaseReporter())
    try:
        result = resolver.resolve(roots, max_rounds=_MAX_ROUNDS)
    except ResolutionImpossible as error:
        return Conflict(target, tuple(_explain(error.causes, target, catalogue, bounds)))
    pins = {
        key.project: Pin(
            candidate.version,
            candidate.file,
            catalogue.index.facts(candidate.file).result(),
            _parents(key.project, result),
        )
        for key, candidate in result.mapping.items()
        if not key.extra
    }
    return Solution(target, pins, tuple(sorted(provider.notices)))


def _parents(project: NormalizedName, result: Result[Wanted, Candidate, Key]) -> frozenset[str]:
    return frozenset(
        "profile" if info.parent is None else info.parent.key.project
        for key, criterion in result.criteria.items()
        if key.project == project
        for info in criterion.information
        if info.parent is None or info.parent.key.project != project
    )


def _holds(requirement: Requirement, target: Target) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(target.environment)


def _explain(
    causes: Collection[RequirementInformation[Wanted, Candidate]],
    target: Target,
    catalogue: Catalogue,
    bounds: Mapping[NormalizedName, SpecifierSet],
) -> Iterator[str]:
    """Who asked for what, and what there would have been, project by project."""
    asked: dict[NormalizedName, dict[tuple[Wanted, Key | None], list[Version]]] = {}
    combined: dict[NormalizedName, SpecifierSet] = {}
    for wanted, parent in causes:
        project = wanted.key.project
        versions = asked.setdefault(project, {}).setdefault(
            (wanted, parent.key if parent else None), []
        )
        versions += [parent.version] if parent else []
        combined[project] = combined.get(project, SpecifierSet()) & wanted.specifier
    for project, askers in asked.items():
        lines = [f"{w} (required by {_named(key, found)})" for (w, key), found in askers.items()]
        if project == PYTHON.project:
            yield from (f"Python {line.removeprefix(str(PYTHON))}" for line in lines)
            continue
        yield from lines
        bound = bounds.get(project, SpecifierSet())
        if bound:
            yield f"{project}{bound} (constraint of the profile)"
        yield f"  {_available(project, combined[project] & bound, target, catalogue)}"


def _named(key: Key | None, versions: Sequence[Version]) -> str:
    """Who asked: a project at its newest version that did, and how many more."""
    if key is None:
        return "the profile"
    found = sorted(set(versions), reverse=True)
    more = f" and {len(found) - 1} older" if len(found) > 1 else ""
    return f"{key} {found[0]}{more}"


def _available(
    project: NormalizedName, specifier: SpecifierSet, target: Target, catalogue: Catalogue
) -> str:
    if catalogue.page(project) is None:
        return f"the index {catalogue.index.name!r} has no project {project}"
    releases = catalogue.releases(project)
    if not releases:
        return f"the index {catalogue.index.name!r} lists no wheel of {project}"
    fitting = [version for version in releases if specifier.contains(version, prereleases=True)]
    usable = [choice.version for choice in choices(releases, SpecifierSet(), target)]
    if fitting and not set(fitting) & set(usable):
        return f"{_listed(fitting)} would fit, but without a wheel for this target" + (
            f"; there are wheels of {_listed(usable)}" if usable else ""
        )
    return f"there are wheels for this target of {_listed(usable)}"


def _listed(versions: Sequence[Version]) -> str:
    shown = ", ".join(str(version) for version in versions[:_SHOWN_VERSIONS])
    more = len(versions) - _SHOWN_VERSIONS
    return (shown or "no version") + (f" and {more} older" if more > 0 else "")
