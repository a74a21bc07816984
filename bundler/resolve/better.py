"""Newer versions that a solution could have had: what a search gives up, it may give up for good.

On its way back from a conflict a search drops versions, and does not return to them when the
conflict has gone: somewhere else a version was found that never had it. So a solution can hold an
old version though nothing in it speaks against the newer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.resolve.dependencies import Dependencies
from bundler.resolve.solution import Pin, Solution
from bundler.resolve.wanted import Candidate, Key


def better_versions(solution: Solution) -> dict[NormalizedName, Version]:
    """Of each project the first version that would be tried before its own, and fits as things are.

    It may ask for nothing that the solution does not have. A version that a lock has, or that
    other targets share, is as it should be.
    """
    terms = solution.terms
    wished = {**terms.preferred, **terms.shared}
    found = {}
    for project, pin in solution.pins.items():
        if pin.version != wished.get(project) and project not in terms.pinned:
            for version in _fitting(solution, project, pin):
                found[project] = version
                break
    return found


def is_newer(solution: Solution, other: Solution) -> bool:
    """Whether `other` has an older version of nothing, and a newer one of something."""
    pairs = [
        (pin.version, other.pins[project].version)
        for project, pin in solution.pins.items()
        if project in other.pins
    ]
    return all(mine <= theirs for mine, theirs in pairs) and any(m < t for m, t in pairs)


def _fitting(solution: Solution, project: NormalizedName, pin: Pin) -> Iterator[Version]:
    specifier = solution.terms.bound(project)
    extras = {""}
    for asked in pin.asked:
        specifier &= asked.wanted.specifier
        extras.add(asked.wanted.key.extra)
    dependencies = solution.dependencies
    present = _keys(solution.pins)
    for choice in dependencies.shelves.of(project).newest(specifier):
        if choice.version <= pin.version:
            return
        candidates = [
            Candidate(Key(project, extra), choice.version, choice.file) for extra in extras
        ]
        if all(_is_content(each, present, dependencies) for each in candidates):
            yield choice.version


def _keys(pins: Mapping[NormalizedName, Pin]) -> dict[Key, Version]:
    """Everything that a solution has, each extra too."""
    return {
        Key(project, key.extra): pin.version
        for project, pin in pins.items()
        for key in (Key(project), *(asked.wanted.key for asked in pin.asked))
    }


def _is_content(
    candidate: Candidate, present: Mapping[Key, Version], dependencies: Dependencies
) -> bool:
    """Whether all that a version requires is there; an extra requires its own project."""
    return all(
        wanted.key.project == candidate.key.project
        or (wanted.key in present and wanted.met_by(present[wanted.key]))
        for wanted in dependencies.of(candidate)
    )
