"""One target's solution as a `pylock.toml` (PEP 751): written, proven, and read again."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

import tomli_w
from packaging.markers import Environment, UndefinedEnvironmentName
from packaging.pylock import (
    Package,
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockValidationError,
)
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.errors import BundlerError, ProfileError
from bundler.model.artifact import Sha256, is_sdist, parse_file_name
from bundler.model.plan import PlannedFile
from bundler.model.publisher import Publisher
from bundler.model.target import Target

_ANEW = "run `bundle lock` to make it anew"
_LOCK_VERSION = Version("1.0")
_FAULTS = (
    ValueError,  # not UTF-8, not TOML, a filename that is none, a marker without meaning
    RecursionError,
    PylockSelectError,
    PylockValidationError,
    UndefinedEnvironmentName,
)

LockedFiles = Mapping[str, Sha256]
"""The files of a lock, each with its digest."""

Publishers = Mapping[NormalizedName, tuple[Publisher, ...]]
"""Who may publish the files of a project, where a lock pins that."""


@dataclass(frozen=True, slots=True)
class Locks:
    """The locks of a stream in a folder.

    Attributes:
        by_target: By target's name; targets that have none are absent.
        publishers: What all of them pin.
    """

    folder: Path
    stream: str
    by_target: Mapping[str, LockedFiles]
    publishers: Publishers = field(default_factory=dict)

    def path(self, target: Target) -> Path:
        """Where a target's lock is, or would be."""
        return self.folder / lock_name(self.stream, target)


def lock_name(stream: str, target: Target) -> str:
    """The file name of a target's lock, in the form that PEP 751 prescribes."""
    return f"pylock.{stream}-{target.name}.toml"


def write_lock(
    target: Target, files: Sequence[PlannedFile], created_by: str, publishers: Publishers
) -> bytes:
    """The lock of one target; `files` are those it installs, sorted by project."""
    lock = Pylock(
        lock_version=_LOCK_VERSION,
        requires_python=SpecifierSet(
            f"=={target.python_version.major}.{target.python_version.minor}.*"
        ),
        created_by=created_by,
        packages=[_package(file, publishers.get(file.project, ())) for file in files],
    )
    return tomli_w.dumps(lock.to_dict()).encode()


def select_files(data: bytes, target: Target, name: str) -> LockedFiles:
    """What a lock gives a target, as packaging's own reader of locks finds it.

    Raises:
        ProfileError: if it is no lock, or not one for this target; `name` is the file's.
    """
    found: dict[str, Sha256] = {}
    try:
        lock = _parse(data)
        chosen = list(
            lock.select(environment=cast("Environment", target.environment), tags=list(target.tags))
        )
        for _, file in chosen:
            if isinstance(file, PackageWheel | PackageSdist):
                parse_file_name(file.filename)  # has bounds of its own
    except _FAULTS as error:
        raise ProfileError(f"{name} is no lock for {target.name}: {error}", hint=_ANEW) from error
    for package, file in chosen:
        if not isinstance(file, PackageWheel | PackageSdist) or "sha256" not in file.hashes:
            raise ProfileError(f"{name} has no file with a sha256 for {package.name}", hint=_ANEW)
        found[file.filename] = Sha256(file.hashes["sha256"])
    return found


def pinned_publishers(data: bytes) -> Publishers:
    """The attestation identities of a lock, which is one.

    Raises:
        ValueError: if there is one of an unknown kind.
    """
    return {
        package.name: tuple(map(Publisher.of_claim, package.attestation_identities))
        for package in _parse(data).packages
        if package.attestation_identities
    }


def prove_lock(data: bytes, target: Target, files: Sequence[PlannedFile]) -> None:
    """See that a lock yields exactly the planned files for its target.

    Raises:
        BundlerError: if it does not, which is a fault of this program.
    """
    planned = {file.remote.filename: file.blob.sha256 for file in files}
    selected = select_files(data, target, "the new lock")
    if selected != planned:
        wrong = ", ".join(sorted(dict(planned.items() ^ selected.items())))
        raise BundlerError(
            f"the lock of {target.name} does not give what was planned: {wrong}",
            hint="please report this: the plan was not written",
        )


def read_locks(
    folder: Path,
    stream: str,
    targets: Sequence[Target],
    unusable: Callable[[ProfileError], None],
) -> Locks:
    """The locks of a folder for these targets; one that is no lock for its target is left out.

    Args:
        folder: Need not be there.
        stream: Of the profile.
        targets: Of the profile.
        unusable: Hears of each lock that is left out; it may raise what it hears.

    Raises:
        BundlerError: if one cannot be read.
    """
    found: dict[str, LockedFiles] = {}
    pinned: dict[NormalizedName, dict[Publisher, None]] = {}
    for target in targets:
        path = folder / lock_name(stream, target)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise BundlerError(f"{path} cannot be read: {error.strerror}") from error
        try:
            found[target.name] = select_files(data, target, str(path))
            for project, publishers in pinned_publishers(data).items():
                pinned.setdefault(project, {}).update(dict.fromkeys(publishers))
        except ProfileError as error:
            unusable(error)
        except ValueError as error:
            raise ProfileError(f"{path}: {error}", hint=_ANEW) from error
    return Locks(folder, stream, found, {name: tuple(each) for name, each in pinned.items()})


def locked_urls(data: bytes, name: str) -> dict[str, str]:
    """Where the files of a lock are, by filename.

    Raises:
        ProfileError: if it is no lock; `name` is the file's.
    """
    try:
        packages = _parse(data).packages
    except _FAULTS as error:
        raise ProfileError(f"{name} is no lock: {error}") from error
    found: dict[str, str] = {}
    for package in packages:
        for wheel in package.wheels or ():
            found[wheel.filename] = wheel.url or ""
        if package.sdist:
            found[package.sdist.filename] = package.sdist.url or ""
    return {filename: url for filename, url in found.items() if url}


def _parse(data: bytes) -> Pylock:
    return Pylock.from_dict(tomllib.loads(data.decode()))


def _package(file: PlannedFile, publishers: Sequence[Publisher]) -> Package:
    make = PackageSdist if is_sdist(file.remote.filename) else PackageWheel
    known = make(
        name=file.remote.filename,
        url=_without_query(file.remote.url),
        size=file.blob.size,
        upload_time=_time(file.remote.upload_time),
        hashes={"sha256": file.blob.sha256},
    )
    return Package(
        name=file.project,
        version=file.version,
        requires_python=file.requires_python or None,
        sdist=known if isinstance(known, PackageSdist) else None,
        wheels=[known] if isinstance(known, PackageWheel) else None,
        attestation_identities=[{"kind": each.kind, **dict(each.words)} for each in publishers]
        or None,
    )


def _without_query(url: str) -> str:
    """A lock travels, and some indexes put a token behind the question mark."""
    return url.partition("?")[0]


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return time if time and time.tzinfo else None
