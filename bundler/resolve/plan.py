"""All resolutions of a profile, side by side, merged into one plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from packaging.utils import NormalizedName

from bundler.errors import NoSolutionError, ProfileError
from bundler.events import Advanced, Finished, Noticed, Observer, Started
from bundler.model.plan import Plan, PlannedFile
from bundler.model.profile import Profile
from bundler.model.target import Target
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.dependencies import parse_core_metadata
from bundler.resolve.index import Index
from bundler.resolve.lock import lock_name, write_lock
from bundler.resolve.solve import Conflict, Pin, Solution, solve

_MOST_THREADS = 16


def make_plan(
    profile: Profile,
    index: Index,
    *,
    tool: str,
    observe: Observer,
    likely: Callable[[PlannedFile], None] = lambda _file: None,
) -> Plan:
    """Resolve for every target of the profile: all of them, or nothing.

    Args:
        profile: What is wanted.
        index: What there is; closed afterwards.
        tool: What the locks name as their maker.
        observe: Hears about the progress.
        likely: Is called with a wheel when it is the first one that is tried of its project for a
            target, so that it can be fetched meanwhile; almost always it stays in the plan.

    Raises:
        ProfileError: if no requirement applies to any target.
        NoSolutionError: naming each target without a solution, and why.
        DigestMismatchError, NetworkError: when the index or a wheel's metadata fails.
    """
    targets = profile.parsed_targets()
    catalogue = Catalogue(index)
    observe(Started("resolve", len(targets), "targets"))
    requirements, constraints = profile.parsed_requirements(), profile.parsed_constraints()

    def resolve(target: Target) -> Solution | Conflict:
        outcome = solve(requirements, constraints, target, catalogue, likely)
        observe(Advanced("resolve", 1))
        return outcome

    with ThreadPoolExecutor(min(len(targets), _MOST_THREADS), "resolve") as pool:
        try:
            outcomes = list(pool.map(resolve, targets))
        except BaseException:
            index.close()  # the threads wait for it, and the pool waits for the threads
            raise
    conflicts = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    if conflicts:
        raise NoSolutionError(
            "\n".join(_describe(conflicts)),
            hint="change the requirements or leave the target out; nothing was written",
        )
    solutions = [outcome for outcome in outcomes if isinstance(outcome, Solution)]
    if not any(solution.pins for solution in solutions):
        raise ProfileError(
            "no requirement applies to any target", hint="look at the markers of the requirements"
        )
    for notice in _notices(solutions):
        observe(Noticed(notice))
    files = _merge(solutions, index.name)
    statuses = _statuses(files, catalogue)
    index.close()
    observe(Finished("resolve", f"{_count(files, 'wheel')} for {_count(targets, 'target')}"))
    return Plan(
        targets=targets,
        files=files,
        locks={lock_name(t): write_lock(t, _files_of(t, files), tool) for t in targets},
        statuses=statuses,
    )


@dataclass(slots=True)
class _Wish:
    """A file on its way into the plan."""

    project: NormalizedName
    pin: Pin
    targets: set[str] = field(default_factory=set)
    required_by: set[str] = field(default_factory=set)


def _merge(solutions: Sequence[Solution], index: str) -> tuple[PlannedFile, ...]:
    """Each file once, with every target and every reason."""
    wishes: dict[str, _Wish] = {}
    for solution in solutions:
        for project, pin in solution.pins.items():
            wish = wishes.setdefault(pin.file.filename, _Wish(project, pin))
            wish.targets.add(solution.target.name)
            wish.required_by |= pin.required_by
    planned = (
        PlannedFile(
            project=wish.project,
            version=wish.pin.version,
            remote=wish.pin.file,
            blob=wish.pin.facts.blob,
            metadata=wish.pin.facts.metadata_sha256,
            requires_python=parse_core_metadata(wish.pin.facts.metadata).requires_python,
            index=index,
            targets=tuple(sorted(wish.targets)),
            required_by=tuple(sorted(wish.required_by)),
        )
        for wish in wishes.values()
    )
    return tuple(sorted(planned, key=lambda file: (*file.release, file.remote.filename)))


def _files_of(target: Target, files: Sequence[PlannedFile]) -> list[PlannedFile]:
    return [file for file in files if target.name in file.targets]


def _statuses(
    files: Sequence[PlannedFile], catalogue: Catalogue
) -> dict[NormalizedName, tuple[str, str | None]]:
    pages = {file.project: catalogue.page(file.project) for file in files}
    return {
        project: (page.status, page.status_reason)
        for project, page in pages.items()
        if page is not None and page.status != "active"
    }


def _notices(solutions: Sequence[Solution]) -> Iterator[str]:
    """What a person should hear, once for all targets that share it."""
    yield from sorted({notice for solution in solutions for notice in solution.notices})
    shared: dict[tuple[str, str], list[str]] = {}
    for solution in solutions:
        for fault in solution.left_out:
            shared.setdefault(fault, []).append(solution.target.name)
    for (version, reason), targets in sorted(shared.items()):
        yield f"{version} is left out for {', '.join(targets)}: {reason}"
    for solution in solutions:
        if not solution.pins:
            yield f"no requirement applies to {solution.target.name}"


def _count(items: Sized, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def _describe(conflicts: Sequence[Conflict]) -> Iterator[str]:
    """One paragraph for each different reason, with all targets that share it."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for conflict in conflicts:
        shared.setdefault(conflict.reasons, []).append(conflict.target.name)
    for reasons, targets in shared.items():
        yield f"no solution for {', '.join(targets)}:"
        yield from (f"  {reason}" for reason in reasons)
