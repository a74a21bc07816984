"""All targets of a request, resolved side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from bundler.errors import NoSolutionError, ProfileError
from bundler.events import Advanced, Noticed, Observer, Started
from bundler.model.plan import PlannedFile
from bundler.resolve.align import SolveAll, align
from bundler.resolve.builds import closures, solve_with_builds
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.clash import describe
from bundler.resolve.request import Request
from bundler.resolve.solution import Conflict, Solution
from bundler.resolve.terms import Terms
from bundler.resolve.wanted import Wanted

_MOST_THREADS = 16

Likely = Callable[[PlannedFile], None]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What was found.

    Attributes:
        solutions: Of each target, in the request's order; optional ones may be absent.
        wider: Further versions of direct requirements, each with its own closure.
    """

    request: Request
    catalogue: Catalogue
    solutions: tuple[Solution, ...]
    wider: tuple[Solution, ...]

    def closures(self) -> Iterator[tuple[Solution, str]]:
        """Every solution and those of all builds, each with who asks for its roots."""
        for solution in (*self.solutions, *self.wider):
            yield from closures(solution)


def resolve(
    request: Request, catalogue: Catalogue, observe: Observer, likely: Likely
) -> Resolution:
    """Resolve for every target: all of them, or nothing; for `likely` see `make_plan`.

    Raises:
        ProfileError: if no requirement applies to any target.
        NoSolutionError: naming each target without a solution, and why.
        DigestMismatchError, NetworkError: when the index or a wheel's metadata fails.
    """
    observe(Started("resolve", len(request.terms), "targets"))
    with ThreadPoolExecutor(min(len(request.terms), _MOST_THREADS), "resolve") as pool:
        try:
            outcomes = list(pool.map(partial(_solve, catalogue, observe, likely), request.terms))
            solutions: Sequence[Solution] = _agreed(request, outcomes, catalogue, observe)

            def quietly(terms: Iterable[Terms]) -> list[Solution | Conflict]:
                return list(pool.map(partial(solve_with_builds, catalogue=catalogue), terms))

            if request.align:
                solutions = align(solutions, quietly)
            wider = _wider(request, solutions, quietly, observe)
        except BaseException:
            catalogue.index.close()  # the threads wait for it, and the pool waits for the threads
            raise
    if not any(solution.pins for solution in solutions):
        raise ProfileError(
            "no requirement applies to any target", hint="look at the markers of the requirements"
        )
    for notice in _notices([*solutions, *wider]):
        observe(Noticed(notice))
    return Resolution(request, catalogue, tuple(solutions), tuple(wider))


def _solve(
    catalogue: Catalogue, observe: Observer, likely: Likely, terms: Terms
) -> Solution | Conflict:
    outcome = solve_with_builds(terms, catalogue, likely)
    observe(Advanced("resolve", 1))
    return outcome


def _agreed(
    request: Request,
    outcomes: Sequence[Solution | Conflict],
    catalogue: Catalogue,
    observe: Observer,
) -> list[Solution]:
    """The solutions, if only optional targets have none.

    Raises:
        NoSolutionError: otherwise.
    """
    conflicts = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    needed = [conflict for conflict in conflicts if conflict.target.name not in request.optional]
    if needed or len(conflicts) == len(outcomes):
        raise NoSolutionError(
            "\n".join(describe(conflicts, catalogue)),
            hint="change the requirements or leave the target out; nothing was written",
        )
    if conflicts:
        told = "\n".join(describe(conflicts, catalogue))
        observe(Noticed(f"{told}\nthe profile lets them be missing"))
    return [outcome for outcome in outcomes if isinstance(outcome, Solution)]


def _wider(
    request: Request, solutions: Sequence[Solution], solve_all: SolveAll, observe: Observer
) -> list[Solution]:
    """The further versions that `breadth` asks for; one that cannot be had is told and left out."""
    if request.breadth == 1:
        return []
    found = []
    missed: dict[str, list[str]] = {}
    for outcome in solve_all(t for each in solutions for t in _narrowed(each, request.breadth)):
        if isinstance(outcome, Solution):
            found.append(outcome)
        else:
            missed.setdefault(str(outcome.terms.roots[0]), []).append(outcome.target.name)
    for version, targets in missed.items():
        observe(
            Noticed(f"{version} has no solution for {', '.join(targets)}: breadth is less there")
        )
    return found


def _narrowed(solution: Solution, breadth: int) -> Iterator[Terms]:
    """Terms that ask for one further version of one direct requirement each."""
    terms = solution.terms
    roots: dict[NormalizedName, list[Wanted]] = {}
    for root in terms.roots:
        roots.setdefault(root.key.project, []).append(root)
    preferred = {project: pin.version for project, pin in solution.pins.items()}
    for project, wanted in roots.items():
        specifier = terms.bound(project)
        for root in wanted:
            specifier &= root.specifier
        shelf = solution.dependencies.shelves.of(project)
        for choice in islice(shelf.newest(specifier), breadth):
            if choice.version != preferred[project]:
                exact = SpecifierSet(f"==={choice.version}")
                narrow = tuple(dict.fromkeys(replace(root, specifier=exact) for root in wanted))
                yield replace(terms, roots=narrow, preferred=preferred, shared={})


def _notices(solutions: Sequence[Solution]) -> Iterator[str]:
    """What a person should hear, once for all targets that share it."""
    every = [closure for solution in solutions for closure, _ in closures(solution)]
    yield from sorted({n for solution in every for n in solution.dependencies.notices})
    shared: dict[tuple[str, str], dict[str, None]] = {}
    for solution in every:
        for fault in solution.dependencies.left_out:
            shared.setdefault(fault, {})[solution.target.name] = None
    for (version, reason), targets in sorted(shared.items()):
        yield f"{version} is left out for {', '.join(targets)}: {reason}"
    for solution in solutions:
        if not solution.pins:
            yield f"no requirement applies to {solution.target.name}"
