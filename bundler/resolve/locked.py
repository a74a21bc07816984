"""A plan from locks: what they have is held against the profile and the index, nothing is chosen.

To resolve with no more than the files of a lock in sight is to see whether the lock still fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from bundler.errors import DigestMismatchError, ProfileError
from bundler.events import Advanced, Noticed, Observer, Started
from bundler.model.artifact import is_sdist, parse_file_name
from bundler.resolve.builds import with_builds
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.explain import explain
from bundler.resolve.lock import LockedFiles, Locks
from bundler.resolve.request import Preferences, Request
from bundler.resolve.resolution import Resolution
from bundler.resolve.solution import Conflict, Solution
from bundler.resolve.solve import solve
from bundler.resolve.terms import Terms

_HINT = "run `bundle lock` to make the locks anew, and look at what has changed"


def resolve_locked(
    request: Request, locks: Locks, catalogue: Catalogue, observe: Observer
) -> Resolution:
    """What the locks say, for every target that has one; optional targets may have none.

    Raises:
        ProfileError: if a lock is missing, or does not have exactly what the profile asks for now;
            names all of them.
        DigestMismatchError, NetworkError: when the index has other files, or fails.
    """
    observe(Started("resolve", len(request.terms), "locks"))
    _check_there(request, locks, observe)
    _ask_early(locks, catalogue)
    solutions, faults = [], []
    for terms in request.terms:
        files = locks.by_target.get(terms.target.name)
        if files is not None:
            path = locks.path(terms.target)
            try:
                solutions.append(_buildable(_fit(terms, path, files, catalogue), path, catalogue))
            except ProfileError as error:
                faults.append(error.message)
        observe(Advanced("resolve", 1))
    if faults:
        raise ProfileError("\n".join(faults), hint=_HINT)
    if request.breadth > 1:
        observe(Noticed("breadth counts for nothing here: a lock has one version of a project"))
    return Resolution(request, catalogue, tuple(solutions), ())


def _check_there(request: Request, locks: Locks, observe: Observer) -> None:
    lacking = [target for target in request.targets if target.name not in locks.by_target]
    needed = [target for target in lacking if target.name not in request.optional]
    if needed or len(lacking) == len(request.targets):
        names = ", ".join(target.name for target in needed or lacking)
        raise ProfileError(
            f"{locks.folder} has no lock for {names}", hint="run `bundle lock` to make it"
        )
    for target in lacking:
        observe(Noticed(f"{target.name} has no lock; the profile lets it be missing"))


def _ask_early(locks: Locks, catalogue: Catalogue) -> None:
    """All pages at once: which ones are needed is known."""
    names = dict.fromkeys(name for files in locks.by_target.values() for name in files)
    for project in dict.fromkeys(parse_file_name(name).project for name in names):
        catalogue.ask(project)


def _fit(terms: Terms, path: Path, files: LockedFiles, catalogue: Catalogue) -> Solution:
    """What one lock has, as a solution.

    Raises:
        ProfileError: if it is none any more.
        DigestMismatchError: if the index has other files under these names.
    """
    for filename, sha256 in files.items():
        name = parse_file_name(filename)
        there = catalogue.sdists if is_sdist(filename) else catalogue.releases
        listed = there(name.project).get(name.version, ())
        file = next((file for file in listed if file.filename == filename), None)
        if file is None:
            raise ProfileError(f"{path}: {catalogue.place} no longer has {filename}")
        if file.sha256 is not None:
            _check_digest(path, filename, sha256, file.sha256)
    versions = _versions(files)
    outcome = solve(replace(terms, only=files.keys(), preferred=versions), catalogue)
    if isinstance(outcome, Conflict):
        story = "\n".join(f"  {line}" for line in explain(outcome.causes, outcome.dependencies))
        raise ProfileError(f"{path} no longer fits the profile:\n{story}")
    if spare := sorted(versions.keys() - outcome.pins.keys()):
        raise ProfileError(
            f"{path} no longer fits the profile: nothing requires {', '.join(spare)}"
        )
    for pin in outcome.pins.values():
        filename = pin.file.filename
        _check_digest(path, filename, files[filename], pin.facts.blob.sha256)
    return outcome


def _buildable(solution: Solution, path: Path, catalogue: Catalogue) -> Solution:
    """Locks have no place for what builds need (PEP 751), so that is resolved as ever."""
    outcome = with_builds(solution, catalogue)
    if isinstance(outcome, Conflict):
        story = "\n".join(f"  {line}" for line in explain(outcome.causes, outcome.dependencies))
        raise ProfileError(f"what {path} has cannot be built:\n{story}")
    return outcome


def _check_digest(path: Path, filename: str, locked: str, found: str) -> None:
    if locked != found:
        raise DigestMismatchError(
            f"{filename}: {path} has sha256 {locked}, the index has {found}",
            hint="find out why the file changed before you make the lock anew",
        )


def _versions(files: LockedFiles) -> dict[NormalizedName, Version]:
    return {name.project: name.version for name in map(parse_file_name, files)}


def preferences(locks: Mapping[str, LockedFiles], upgrade: Iterable[str] = ()) -> Preferences:
    """The versions of earlier locks, but for the projects that shall be upgraded.

    Args:
        locks: By target.
        upgrade: Names of projects, in any spelling.
    """
    upgraded = {canonicalize_name(name) for name in upgrade}
    return Preferences(
        {
            target: {
                project: version
                for project, version in _versions(files).items()
                if project not in upgraded
            }
            for target, files in locks.items()
        }
    )
