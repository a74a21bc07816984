"""The fewest requirements that clash, for each target without a solution, and the story of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bundler.resolve.catalogue import Catalogue
from bundler.resolve.explain import explain
from bundler.resolve.solution import Conflict
from bundler.resolve.solve import solve
from bundler.resolve.wanted import Wanted

# Rounds for each trial: what needs more counts as solvable, so that more requirements are shown.
_PATIENCE = 500


def describe(conflicts: Sequence[Conflict], catalogue: Catalogue) -> Iterator[str]:
    """One paragraph for each different reason, with all targets that share it."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for conflict in conflicts:
        shared.setdefault(tuple(_story(conflict, catalogue)), []).append(conflict.target.name)
    for story, targets in shared.items():
        yield f"no solution for {', '.join(targets)}:"
        yield from (f"  {line}" for line in story)


def _story(conflict: Conflict, catalogue: Catalogue) -> Iterator[str]:
    if conflict.exhausted is not None:
        yield (
            f"none was found in {conflict.exhausted:,} rounds; give narrower requirements (such as"
            " lower bounds), so that there is less to search; the last trouble was:"
        )
    shown = conflict
    if not (conflict.hopeless or conflict.exhausted):
        least = solve(replace(conflict.terms, roots=smallest_clash(conflict, catalogue)), catalogue)
        shown = least if isinstance(least, Conflict) else conflict
    yield from explain(shown.causes, shown.dependencies)


def smallest_clash(conflict: Conflict, catalogue: Catalogue) -> tuple[Wanted, ...]:
    """Requirements of the profile that have no solution together, while any fewer of them have.

    Junker's QuickXplain: halves are tried, so that a few guilty ones among hundreds are found with
    few resolutions.
    """

    def clashes(roots: Sequence[Wanted]) -> bool:
        terms = replace(conflict.terms, roots=tuple(roots))
        outcome = solve(terms, catalogue, max_rounds=_PATIENCE)
        return isinstance(outcome, Conflict) and outcome.exhausted is None

    def needed(given: list[Wanted], added: bool, roots: list[Wanted]) -> list[Wanted]:  # noqa: FBT001 - the algorithm's own shape
        """Those of `roots` that make `given` clash; `added`: whether `given` has grown."""
        if added and clashes(given):
            return []
        if len(roots) == 1:
            return roots
        half = len(roots) // 2
        first, second = roots[:half], roots[half:]
        of_second = needed(given + first, bool(first), second)
        of_first = needed(given + of_second, bool(of_second), first)
        return of_first + of_second

    roots = list(conflict.terms.roots)
    return tuple(needed([], False, roots)) if roots else ()  # noqa: FBT003 - as above
