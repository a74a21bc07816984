"""Why a target has no solution, in lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.model.target import Target
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.dependencies import Dependencies
from bundler.resolve.select import choices, installable
from bundler.resolve.wanted import NOTHING, Cause, Key, Wanted

_SHOWN_VERSIONS = 5


def explain(
    causes: Iterable[Cause],
    constraints: Mapping[NormalizedName, SpecifierSet],
    dependencies: Dependencies,
) -> Iterator[str]:
    """Who asked for what, and what there would have been, project by project."""
    asked: dict[NormalizedName, dict[tuple[Wanted, Key | None], list[Version]]] = {}
    combined: dict[NormalizedName, SpecifierSet] = {}
    unusable: dict[tuple[Key, str], list[Version]] = {}
    for wanted, parent in causes:
        if wanted == NOTHING and parent is not None:
            reason = dependencies.unusable[parent]
            unusable.setdefault((parent.key, reason), []).append(parent.version)
            continue
        project = wanted.key.project
        asker = wanted, parent.key if parent else None
        versions = asked.setdefault(project, {}).setdefault(asker, [])
        versions += [parent.version] if parent else []
        combined[project] = combined.get(project, SpecifierSet()) & wanted.specifier
    for project, askers in asked.items():
        for (wanted, key), found in askers.items():
            yield f"{wanted} (required by {_named(key, found) if key else 'the profile'})"
        bound = constraints.get(project, SpecifierSet())
        if bound:
            yield f"{project}{bound} (constraint of the profile)"
        available = combined[project] & bound
        yield f"  {_available(project, available, dependencies.target, dependencies.catalogue)}"
    for (key, reason), found in unusable.items():
        yield f"{_named(key, found)} cannot be used: {reason}"


def _named(key: Key, versions: Sequence[Version]) -> str:
    """A project at its newest version that is meant, and how many more."""
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
    usable = [choice.version for choice in choices(releases, SpecifierSet(), target)]
    fitting = [version for version in releases if specifier.contains(version, prereleases=True)]
    if not fitting or any(choices(releases, specifier, target)):
        return f"there are wheels for this target of {_listed(usable)}"
    yanked = [choice.version for choice in installable(releases, specifier, target, yanked=True)]
    why_not = (
        f"{_listed(yanked)} would fit, but yanked: only an exact == takes it"
        if yanked
        else f"{_listed(fitting)} would fit, but without a wheel for this target"
    )
    return why_not + (f"; there are wheels of {_listed(usable)}" if usable else "")


def _listed(versions: Sequence[Version]) -> str:
    shown = ", ".join(str(version) for version in versions[:_SHOWN_VERSIONS])
    more = len(versions) - _SHOWN_VERSIONS
    return (shown or "no version") + (f" and {more} older" if more > 0 else "")
