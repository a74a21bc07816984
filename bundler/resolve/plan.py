"""From the resolution of all targets to one plan: each file once, with everyone who wants it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, field, replace

from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.errors import DigestMismatchError, RefusedError
from bundler.events import Finished, Noticed, Observer
from bundler.model.artifact import RemoteFile, is_sdist
from bundler.model.plan import Plan, PlannedFile
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.index import Index, WheelFacts
from bundler.resolve.lock import Locks, lock_name, prove_lock, write_lock
from bundler.resolve.locked import resolve_locked
from bundler.resolve.request import Request
from bundler.resolve.resolution import Likely, Resolution, resolve
from bundler.resolve.select import Shelf
from bundler.resolve.solution import Solution


def find_resolution(
    request: Request, locks: Locks | None, index: Index, observe: Observer, likely: Likely
) -> Resolution:
    """What the locks have, or where there are none, what a search finds.

    Args:
        request: What is wanted.
        locks: Those that must be kept to.
        index: What there is.
        observe: Hears about the progress.
        likely: Is called, from any thread, with a wheel when it is the first one that is found of
            its project for a target, so that it can be fetched meanwhile; mostly it stays in the
            plan.

    Raises:
        BundlerError: as `resolve` and `resolve_locked`.
    """
    catalogue = Catalogue(index)
    if locks is not None:
        return resolve_locked(request, locks, catalogue, observe)
    return resolve(request, catalogue, observe, likely)


def plan_of(resolution: Resolution, tool: str, observe: Observer) -> Plan:
    """The plan for a resolution, its locks proven; `tool` is what they name as their maker."""
    left_out: dict[str, str] = {}
    facts = dict(_wished(resolution, left_out))
    files = tuple(
        sorted(
            (_planned(wish, known, resolution) for wish, known in facts.values()),
            key=lambda file: (*file.release, file.remote.filename),
        )
    )
    by_name = {file.remote.filename: file for file in files}
    locks = {}
    for solution in resolution.solutions:
        pinned = [by_name[pin.file.filename] for _, pin in sorted(solution.pins.items())]
        data = write_lock(solution.target, pinned, tool, resolution.request.publishers)
        prove_lock(data, solution.target, pinned)
        locks[lock_name(resolution.request.stream, solution.target)] = data
    plan = Plan(
        targets=tuple(solution.target for solution in resolution.solutions),
        files=files,
        locks=locks,
        metadata={known.metadata_sha256: known.metadata for _, known in facts.values()},
        statuses=_statuses(files, resolution.catalogue),
    )
    index = resolution.catalogue.index
    for project, (status, reason) in sorted(plan.statuses.items()):
        why = f": {reason}" if reason else ""
        observe(Noticed(f"{project} is {status} on {index.origin(project)!r}{why}"))
    for notice in (*_yanked(files), *(f"{n} is left out: {r}" for n, r in left_out.items())):
        observe(Noticed(notice))
    observe(Finished("resolve", f"{_amount(plan.files)} for {_count(plan.targets, 'target')}"))
    return plan


@dataclass(slots=True)
class _Wish:
    """A file on its way into the plan."""

    project: NormalizedName
    version: Version
    file: RemoteFile
    targets: set[str] = field(default_factory=set)
    required_by: set[str] = field(default_factory=set)


def _wished(
    resolution: Resolution, left_out: dict[str, str]
) -> Iterator[tuple[str, tuple[_Wish, WheelFacts]]]:
    """Each file once, with every target and every reason; `left_out` is filled on the way."""
    wishes: dict[str, _Wish] = {}
    index = resolution.catalogue.index
    pins = [
        (solution, asker, project, pin)
        for solution, asker in resolution.closures()
        for project, pin in solution.pins.items()
    ]
    others: dict[int, list[RemoteFile]] = {}
    if resolution.request.all_wheels:
        for number, (solution, _, project, _) in enumerate(pins):
            others[number] = [*_other_wheels(solution, project, resolution.catalogue)]
            for file in others[number]:
                index.facts(file)  # on their way, all side by side
    for number, (solution, asker, project, pin) in enumerate(pins):
        further = _alike(others.get(number, ()), pin.file, resolution.catalogue, left_out)
        for file in (pin.file, *further):
            wish = wishes.setdefault(file.filename, _Wish(project, pin.version, file))
            wish.targets.add(solution.target.name)
            wish.required_by |= {asker if r == "profile" else r for r in pin.required_by}
    facts = {name: index.facts(wish.file) for name, wish in wishes.items()}
    for name, wish in wishes.items():
        yield name, (wish, facts[name].result())


def _planned(wish: _Wish, known: WheelFacts, resolution: Resolution) -> PlannedFile:
    return PlannedFile(
        project=wish.project,
        version=wish.version,
        remote=wish.file,
        blob=known.blob,
        metadata=known.metadata_sha256,
        requires_python=resolution.catalogue.core_metadata(wish.file).requires_python,
        index=resolution.catalogue.index.origin(wish.project),
        targets=tuple(sorted(wish.targets)),
        required_by=tuple(sorted(wish.required_by)),
    )


def _other_wheels(
    solution: Solution, project: NormalizedName, catalogue: Catalogue
) -> Iterator[RemoteFile]:
    """All other wheels of the pinned version that the target could install."""
    pin = solution.pins[project]
    shelf = Shelf(project, catalogue.releases(project), replace(solution.terms, only=None))
    for file in shelf.releases.get(pin.version, ()):
        allowed = file.yanked is None or pin.file.yanked is not None
        if allowed and file != pin.file and not isinstance(shelf.judge(file), str):
            yield file


def _alike(
    files: Iterable[RemoteFile], chosen: RemoteFile, catalogue: Catalogue, left_out: dict[str, str]
) -> Iterator[RemoteFile]:
    """Those that require the same as the chosen wheel, so that nothing they need is missing."""
    for file in files:
        try:
            if catalogue.core_metadata(file) == catalogue.core_metadata(chosen):
                yield file
                continue
        except DigestMismatchError:
            raise
        except (RefusedError, ValueError) as error:
            left_out[file.filename] = str(error)
        else:
            left_out[file.filename] = f"it does not require the same as {chosen.filename}"


def _yanked(files: Iterable[PlannedFile]) -> Iterator[str]:
    """What pip would warn of, once for each release."""
    releases = {
        file.release: file.remote.yanked for file in files if file.remote.yanked is not None
    }
    for (project, version), reason in releases.items():
        yield f"{project} {version} is yanked{f': {reason:.200}' if reason else ''}"


def _statuses(
    files: Sequence[PlannedFile], catalogue: Catalogue
) -> dict[NormalizedName, tuple[str, str | None]]:
    pages = {file.project: catalogue.page(file.project) for file in files}
    return {
        project: (page.status, page.status_reason)
        for project, page in pages.items()
        if page is not None and page.status != "active"
    }


def _amount(files: Sequence[PlannedFile]) -> str:
    sources = [file for file in files if is_sdist(file.remote.filename)]
    wheels = _count(files[len(sources) :], "wheel")  # as many as are not sources
    return f"{wheels} and {_count(sources, 'source distribution')}" if sources else wheels


def _count(items: Sized, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
