"""Why a target has no solution, in lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.model.asked import THE_PROFILE
from bundler.resolve.catalogue import Shelves
from bundler.resolve.dependencies import Dependencies
from bundler.resolve.reasons import why_not_installable
from bundler.resolve.wanted import NOTHING, Cause, Key, Wanted

_SHOWN_VERSIONS = 5


def explain(causes: Iterable[Cause], dependencies: Dependencies) -> Iterator[str]:
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
    shelves = dependencies.shelves
    for project, askers in asked.items():
        overrides = {each.specifier for each in shelves.terms.overrides.get(project, ())}
        for (wanted, key), found in askers.items():
            instead = ", as an override says" if wanted.specifier in overrides else ""
            asker_name = _named(key, found) if key else wanted.origin or THE_PROFILE
            yield f"{wanted} (required by {_the(asker_name)}{instead})"
        bound = shelves.terms.bound(project)
        if bound:
            yield f"{project}{bound} (a constraint)"
        yield f"  {_available(project, combined[project] & bound, shelves)}"
    for (key, reason), found in unusable.items():
        yield f"{_named(key, found)} cannot be used: {reason}"


def _the(asker: str) -> str:
    return "the profile" if asker == THE_PROFILE else asker


def _named(key: Key, versions: Sequence[Version]) -> str:
    """A project at its newest version that is meant, and how many more."""
    found = sorted(set(versions), reverse=True)
    more = f" and {len(found) - 1} older" if len(found) > 1 else ""
    return f"{key} {found[0]}{more}"


def _available(project: NormalizedName, specifier: SpecifierSet, shelves: Shelves) -> str:
    catalogue = shelves.catalogue
    page = catalogue.page(project)
    if page is None:
        return f"{catalogue.place} has no project {project}"
    if page.status == "quarantined":
        why = f": {page.status_reason}" if page.status_reason else ""
        return f"{catalogue.place} holds {project} in quarantine{why}"
    shelf = shelves.of(project)
    usable = [choice.version for choice in shelf.choices(SpecifierSet())]
    kind = "wheels" if shelf.sources is None else "files"
    versions = sorted({*shelf.releases, *catalogue.sdists(project)}, reverse=True)
    if not versions:
        return f"{catalogue.place} lists no wheel of {project}"
    fitting = [version for version in versions if specifier.contains(version, prereleases=True)]
    if not fitting or any(shelf.choices(specifier)):
        return f"there are {kind} for this target of {_listed(usable)}"
    reasons: dict[str, list[Version]] = {}
    for version in fitting:
        reasons.setdefault(why_not_installable(shelf, version), []).append(version)
    told = "; ".join(f"{_listed(found)}: {reason}" for reason, found in reasons.items())
    others = f"; there are {kind} for this target of {_listed(usable)}" if usable else ""
    return f"would fit, but cannot be taken: {told}{others}"


def _listed(versions: Sequence[Version]) -> str:
    shown = ", ".join(str(version) for version in versions[:_SHOWN_VERSIONS])
    more = len(versions) - _SHOWN_VERSIONS
    return (shown or "no version") + (f" and {more} older" if more > 0 else "")
