"""Fewer versions across targets: what one target has is proposed to the others.

A proposal is a version to try first, never a bound: what requires something else gets it. The
outcome counts only if all targets together have fewer distinct versions than before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.resolve.solution import Conflict, Solution
from bundler.resolve.terms import Terms

# A shared version often lets its dependencies be shared, which shows in the next round.
_MOST_ROUNDS = 3

SolveAll = Callable[[Iterable[Terms]], Sequence[Solution | Conflict]]
_Proposals = Mapping[NormalizedName, Mapping[str, Version]]
"""For a project, by target's name: the version to try instead of the one that was found."""


def align(solutions: Sequence[Solution], solve_all: SolveAll) -> Sequence[Solution]:
    """The same targets with the fewest distinct versions that are found; never with more."""
    proposals = _propose(solutions)
    for _ in range(_MOST_ROUNDS):
        fewer = _fewer(solutions, proposals, solve_all)
        if fewer is None:
            break
        solutions, proposals = fewer, _propose(fewer)
    for project in sorted(proposals):  # one bad proposal must not spoil the good ones
        solutions = _fewer(solutions, {project: proposals[project]}, solve_all) or solutions
    return solutions


def _propose(solutions: Sequence[Solution]) -> _Proposals:
    """The fewest versions that cover all targets, as far as each project can say by itself."""
    found = {}
    for project, versions in _versions(solutions).items():
        if len(versions) > 1:
            takers = [solution for solution in solutions if project in solution.pins]
            fitting = {taker.target.name: _fitting(taker, project) for taker in takers}
            shared = _cover(fitting)
            found[project] = {
                taker.target.name: shared[taker.target.name]
                for taker in takers
                if shared[taker.target.name] != taker.pins[project].version
            }
    return {project: wishes for project, wishes in found.items() if wishes}


def _fitting(solution: Solution, project: NormalizedName) -> set[Version]:
    """The versions that a target could have, given who asks for them now."""
    pin = solution.pins[project]
    specifier = solution.terms.bound(project)
    for asked in pin.asked:
        specifier &= asked.wanted.specifier
    shelf = solution.dependencies.shelves.of(project)
    return {pin.version, *(choice.version for choice in shelf.newest(specifier))}


def _cover(fitting: Mapping[str, set[Version]]) -> dict[str, Version]:
    """A version for each target: again and again the one that most of the rest can have."""
    chosen: dict[str, Version] = {}
    rest = dict(fitting)
    while rest:
        count = Counter(version for versions in rest.values() for version in versions)
        best = max(count, key=lambda version: (count[version], version))
        taken = [name for name, versions in rest.items() if best in versions]
        for name in taken:
            chosen[name] = best
            del rest[name]
    return chosen


def _fewer(
    solutions: Sequence[Solution], proposals: _Proposals, solve_all: SolveAll
) -> Sequence[Solution] | None:
    """What becomes of the proposals; None unless there are fewer versions then."""
    proposed: dict[str, dict[NormalizedName, Version]] = {}
    for project, wishes in proposals.items():
        for name, version in wishes.items():
            proposed.setdefault(name, {})[project] = version
    touched = [solution for solution in solutions if solution.target.name in proposed]
    outcomes = solve_all(_propose_to(solution, proposed) for solution in touched)
    again = {outcome.target.name: outcome for outcome in outcomes if isinstance(outcome, Solution)}
    if len(again) < len(touched):
        return None
    found = [again.get(solution.target.name, solution) for solution in solutions]
    return found if _count(found) < _count(solutions) else None


def _propose_to(
    solution: Solution, proposed: Mapping[str, Mapping[NormalizedName, Version]]
) -> Terms:
    terms = solution.terms
    return replace(terms, shared={**terms.shared, **proposed[solution.target.name]})


def _versions(solutions: Iterable[Solution]) -> Mapping[NormalizedName, set[Version]]:
    versions: dict[NormalizedName, set[Version]] = {}
    for solution in solutions:
        for project, pin in solution.pins.items():
            versions.setdefault(project, set()).add(pin.version)
    return versions


def _count(solutions: Iterable[Solution]) -> int:
    return sum(len(found) for found in _versions(solutions).values())
