"""What the builds of source distributions need, resolved as closures of their own (PEP 518).

An installer inside builds each source distribution in an environment with nothing but its build
requirements, whatever else is installed. So each build is resolved by itself, for the same target
and under the same terms. What a build backend asks for only when it runs
(`get_requires_for_build_wheel`, PEP 517) nobody can know without running it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from packaging.utils import NormalizedName

from bundler.model.artifact import is_sdist
from bundler.model.asked import parse_requirement
from bundler.model.plan import PlannedFile
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.solution import Conflict, Pin, Solution
from bundler.resolve.solve import solve
from bundler.resolve.terms import Terms
from bundler.resolve.wanted import NOTHING, Candidate, Cause, Key

_DEEPEST = 10
"""Builds of builds of …: nobody has so many."""


def solve_with_builds(
    terms: Terms,
    catalogue: Catalogue,
    likely: Callable[[PlannedFile], None] = lambda _file: None,
) -> Solution | Conflict:
    """As `solve`, and then the build requirements of each source distribution in the solution.

    Raises:
        DigestMismatchError, NetworkError: as `solve`.
    """
    outcome = solve(terms, catalogue, likely)
    return outcome if isinstance(outcome, Conflict) else with_builds(outcome, catalogue)


def with_builds(solution: Solution, catalogue: Catalogue) -> Solution | Conflict:
    """The solution with what its builds need; or, instead, why one of them cannot be had."""
    return _with_builds(solution, catalogue, ())


def closures(solution: Solution) -> Iterator[tuple[Solution, str]]:
    """A solution and those of its builds, each with who asks for its roots."""
    yield solution, "profile"
    yield from _of_builds(solution)


def _of_builds(solution: Solution) -> Iterator[tuple[Solution, str]]:
    for project, build in solution.builds.items():
        yield build, f"build of {project}"
        yield from _of_builds(build)


def _with_builds(
    solution: Solution, catalogue: Catalogue, path: Sequence[Candidate]
) -> Solution | Conflict:
    builds: dict[NormalizedName, Solution] = {}
    for project, pin in solution.pins.items():
        if is_sdist(pin.file.filename):
            candidate = Candidate(Key(project), pin.version, pin.file)
            outcome = _build(solution, candidate, pin, catalogue, path)
            if isinstance(outcome, Conflict):
                return outcome
            builds[project] = outcome
    return replace(solution, builds=builds)


def _build(
    solution: Solution,
    candidate: Candidate,
    pin: Pin,
    catalogue: Catalogue,
    path: Sequence[Candidate],
) -> Solution | Conflict:
    """What the build of one source distribution needs; `path` are the builds that need it."""
    chain = (*path, candidate)
    if candidate in path or len(chain) > _DEEPEST:
        told = " → ".join(map(str, chain))
        what = "needs itself" if candidate in path else "needs too many other builds"
        return _hopeless(solution, candidate, f"its build {what}: {told}")
    try:
        terms = _terms(solution, candidate, pin.facts.build_requires)
    except ValueError as error:
        return _hopeless(solution, candidate, f"its build requirements cannot be met: {error}")
    outcome = solve(terms, catalogue)
    return outcome if isinstance(outcome, Conflict) else _with_builds(outcome, catalogue, chain)


def _terms(solution: Solution, candidate: Candidate, texts: Sequence[str]) -> Terms:
    """The terms of a build: those of the solution, but for what is asked for.

    A lock says what is installed, and nothing of builds. Where a version is not demanded, the one
    that is carried anyway comes first.
    """
    terms = solution.terms
    digests = {name: d for name, d in terms.digests.items() if name not in terms.pinned}
    bare = replace(
        terms,
        roots=(),
        digests=digests,
        pinned=frozenset(),
        preferred={project: pin.version for project, pin in solution.pins.items()},
        shared={},
        only=None,
    )
    roots = [
        replace(wanted, origin=f"the build of {candidate}")
        for requirement in map(parse_requirement, texts)
        if requirement.marker is None or requirement.marker.evaluate(terms.target.environment)
        for wanted in bare.met_by(requirement)
    ]
    return replace(bare, roots=tuple(roots))


def _hopeless(solution: Solution, candidate: Candidate, reason: str) -> Conflict:
    """A conflict whose story is that a version cannot be used."""
    dependencies = solution.dependencies
    dependencies.unusable[candidate] = reason
    return Conflict([Cause(NOTHING, candidate)], dependencies, hopeless=True)
