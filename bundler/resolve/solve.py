"""One resolution for one target: terms and index → the wheel of each project, or why not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep
from resolvelib.resolvers import Resolution
from resolvelib.structs import State

from bundler.model.plan import PlannedFile
from bundler.resolve.better import better_versions, is_newer
from bundler.resolve.catalogue import Catalogue, Shelves
from bundler.resolve.dependencies import Dependencies
from bundler.resolve.hopeless import Prospects
from bundler.resolve.provider import Provider
from bundler.resolve.solution import Asked, Conflict, Pin, Solution
from bundler.resolve.terms import Terms
from bundler.resolve.wanted import Candidate, Cause, Key, Wanted

MAX_ROUNDS = 20_000
"""pip's own bound: a resolution that needs more rounds is lost anyway."""

_THOROUGH_ROUNDS = 2_000

# One better version lets another one in, and so on.
_MOST_CHANGES = 8

# Few resolutions meet as many conflicts; then it is worth while to see whether there is any hope.
_PATIENCE = 10


class _Watch(BaseReporter[Wanted, Candidate, Key]):
    """Helps a long search: ends it when there is no hope, and else passes over what is lost."""

    def __init__(self, provider: Provider) -> None:
        self.prospects = Prospects(provider.dependencies)
        self._provider = provider
        self._conflicts = 0
        self.causes: Sequence[Cause] = []

    def resolving_conflicts(self, causes: Collection[Cause]) -> None:
        self._conflicts += 1
        self.causes = list(causes)
        if self._conflicts == _PATIENCE:
            if hopeless := self.prospects.causes():
                raise ResolutionImpossible(hopeless)
            self._provider.prospects = self.prospects


def solve(
    terms: Terms,
    catalogue: Catalogue,
    likely: Callable[[PlannedFile], None] = lambda _file: None,
    max_rounds: int = MAX_ROUNDS,
) -> Solution | Conflict:
    """Resolve for one target; for `likely` see `make_plan`.

    Raises:
        DigestMismatchError, NetworkError: when the index or a wheel's metadata fails.
    """
    solution = _solve(terms, catalogue, likely, max_rounds)
    if isinstance(solution, Conflict):
        return solution
    for _ in range(_MOST_CHANGES):
        better = better_versions(solution)
        kept = {project: pin.version for project, pin in solution.pins.items()}
        again = better and _solve(
            replace(terms, shared=kept | better), catalogue, likely, max_rounds
        )
        if not isinstance(again, Solution) or not is_newer(solution, again):
            break
        solution = replace(again, dependencies=solution.dependencies)
    return solution


def _solve(
    terms: Terms,
    catalogue: Catalogue,
    likely: Callable[[PlannedFile], None],
    max_rounds: int,
) -> Solution | Conflict:
    for wanted in terms.roots:
        catalogue.ask(wanted.key.project)
    dependencies = Dependencies(Shelves(catalogue, terms))
    provider = Provider(dependencies, likely)
    watch = _Watch(provider)
    try:
        state = _search(provider, terms.roots, max_rounds, watch)
    except ResolutionImpossible as error:
        hopeless = watch.prospects.causes()
        return Conflict(hopeless or list(error.causes), dependencies, hopeless=bool(hopeless))
    except ResolutionTooDeep:
        return Conflict(watch.causes, dependencies, exhausted=max_rounds)
    pins = {
        key.project: Pin(
            state.mapping[key].version,
            state.mapping[key].file,
            catalogue.index.facts(state.mapping[key].file).result(),
            tuple(asked),
        )
        for key, asked in _asked(state).items()
        if not key.extra
    }
    return Solution(pins, dependencies)


def _search(
    provider: Provider, roots: Sequence[Wanted], max_rounds: int, watch: _Watch
) -> State[Wanted, Candidate, Key]:
    """Search as pip does; when that finds nothing and nothing proves it right, more thoroughly.

    The library's way back from a conflict leaves out combinations now and then. And a specifier's
    final versions can all be ruled out by others, so that only pre-releases meet it.
    """
    try:
        return Resolution(provider, watch).resolve(roots, max_rounds)
    except ResolutionImpossible:
        if watch.prospects.causes():
            raise
        rounds = min(max_rounds, _THOROUGH_ROUNDS)
        for unnamed in (False, True):
            thorough = replace(provider, thorough=True, unnamed=unnamed, prospects=watch.prospects)
            with suppress(ResolutionImpossible, ResolutionTooDeep):
                state = Resolution(thorough, watch).resolve(roots, rounds)
                if unnamed:
                    _tell_pre_releases(state, provider.dependencies)
                return state
        raise


def _tell_pre_releases(state: State[Wanted, Candidate, Key], dependencies: Dependencies) -> None:
    taken = sorted(
        str(c) for k, c in state.mapping.items() if c.version.is_prerelease and not k.extra
    )
    target = dependencies.shelves.terms.target
    dependencies.notices.add(
        f"no final versions fit together for {target.name}: it gets {', '.join(taken)}"
    )


def _asked(state: State[Wanted, Candidate, Key]) -> dict[Key, list[Asked]]:
    """Each key that the profile leads to, and every reason for it.

    The state can hold more: what a version asked for that was given up later. The library's own
    walk never ends where such leftovers need each other. An extra asks for its project, but that
    goes without saying; who asks for an extra asks for the project.
    """
    asked: dict[Key | None, list[tuple[Key, Asked]]] = {}
    for key, criterion in state.criteria.items():
        for wanted, parent in criterion.information:
            if parent is None or state.mapping.get(parent.key) is parent:
                asker = parent.key if parent else None
                asked.setdefault(asker, []).append((key, Asked(wanted, parent)))
    found: dict[Key, list[Asked]] = {}
    rest: list[Key | None] = [None]
    while rest:
        asker = rest.pop()
        for key, reason in asked.get(asker, ()):
            if key not in found:
                found[key] = []
                rest.append(key)
            if asker is None or asker.project != key.project:
                found[key].append(reason)
    for key, reasons in found.items():
        if key.extra:
            found[Key(key.project)] += reasons
    return found
