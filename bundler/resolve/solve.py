"""One resolution for one target: requirements and index → the wheel of each project, or why not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver
from resolvelib.resolvers import Result

from bundler.model.artifact import RemoteFile
from bundler.model.plan import PlannedFile
from bundler.model.target import Target
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.dependencies import Dependencies
from bundler.resolve.explain import explain
from bundler.resolve.hopeless import Prospects
from bundler.resolve.index import WheelFacts
from bundler.resolve.provider import Provider
from bundler.resolve.wanted import Candidate, Cause, Key, Wanted, applies, expand

MAX_ROUNDS = 20_000
"""pip's own bound: a resolution that needs more rounds is lost anyway."""

# Few resolutions meet as many conflicts; then it is worth while to see whether there is any hope.
_PATIENCE = 10


@dataclass(frozen=True, slots=True)
class Pin:
    """A project in a solution; `required_by` holds project names, or "profile"."""

    version: Version
    file: RemoteFile
    facts: WheelFacts
    required_by: frozenset[str]


@dataclass(frozen=True, slots=True)
class Solution:
    """What one target installs.

    Attributes:
        left_out: Versions that the search passed because they are faulty, and how.
        notices: Other things to tell a person.
    """

    target: Target
    pins: Mapping[NormalizedName, Pin]
    left_out: frozenset[tuple[str, str]]
    notices: frozenset[str]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a target has no solution; `reasons` are lines for people."""

    target: Target
    reasons: tuple[str, ...]


class _Watch(BaseReporter[Wanted, Candidate, Key]):
    """Ends a long search when it has no prospects, and remembers its last trouble."""

    def __init__(self, prospects: Prospects) -> None:
        self._prospects = prospects
        self._conflicts = 0
        self.causes: Sequence[Cause] = []

    def resolving_conflicts(self, causes: Collection[Cause]) -> None:
        self._conflicts += 1
        self.causes = list(causes)
        if self._conflicts == _PATIENCE and (hopeless := self._prospects.causes()):
            raise ResolutionImpossible(hopeless)


def solve(
    requirements: Sequence[Requirement],
    constraints: Sequence[Requirement],
    target: Target,
    catalogue: Catalogue,
    likely: Callable[[PlannedFile], None] = lambda _file: None,
    max_rounds: int = MAX_ROUNDS,
) -> Solution | Conflict:
    """Resolve for one target; for `likely` see `make_plan`.

    Raises:
        DigestMismatchError, NetworkError: when the index or a wheel's metadata fails.
    """
    roots = [w for r in requirements if applies(r, target) for w in expand(r)]
    for wanted in roots:
        catalogue.ask(wanted.key.project)
    bounds = _bounds(constraints, target)
    dependencies = Dependencies(target, catalogue)
    prospects = Prospects(roots, bounds, dependencies)
    watch = _Watch(prospects)
    resolver = Resolver(Provider(target, catalogue, bounds, dependencies, likely), watch)
    try:
        result = resolver.resolve(roots, max_rounds)
    except ResolutionImpossible as error:
        causes = prospects.causes() or error.causes
        return Conflict(target, tuple(explain(causes, bounds, dependencies)))
    except ResolutionTooDeep:
        found = f"none was found in {max_rounds:,} rounds; give narrower requirements (such as"
        found += " lower bounds), so that there is less to search; the last trouble was:"
        return Conflict(target, (found, *explain(watch.causes, bounds, dependencies)))
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
    left_out, notices = frozenset(dependencies.left_out), frozenset(dependencies.notices)
    return Solution(target, pins, left_out, notices)


def _bounds(
    constraints: Sequence[Requirement], target: Target
) -> Mapping[NormalizedName, SpecifierSet]:
    bounds: dict[NormalizedName, SpecifierSet] = {}
    for constraint in constraints:
        if applies(constraint, target):
            name = canonicalize_name(constraint.name)
            bounds[name] = bounds.get(name, SpecifierSet()) & constraint.specifier
    return bounds


def _parents(project: NormalizedName, result: Result[Wanted, Candidate, Key]) -> frozenset[str]:
    return frozenset(
        "profile" if info.parent is None else info.parent.key.project
        for key, criterion in result.criteria.items()
        if key.project == project
        for info in criterion.information
        if info.parent is None or info.parent.key.project != project
    )
