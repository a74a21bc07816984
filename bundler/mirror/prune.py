"""To make room: generations that nobody will go back to, and every file that no other one names.

First the generations go, then what they alone have named; so a page that somebody can be given
never names a file that was removed. A run that is killed has only not removed everything: the next
one sees what is not needed, whoever has left it.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bundler.disk import sync_folder
from bundler.errors import BundlerError, RefusedError
from bundler.events import Advanced, Finished, Observer, Started
from bundler.mirror.generations import (
    GOING,
    Generation,
    folder_of,
    kept_numbers,
    leftovers,
    read_generation,
)
from bundler.mirror.journal import Journal, Operator
from bundler.mirror.layout import Mirror
from bundler.mirror.needed import Needed
from bundler.model.amount import counted
from bundler.model.artifact import Sha256

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PHASE: Final = "prune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prunable:
    """What would go.

    Attributes:
        kept: The generations that stay, the live one last.
        generations: Those that go.
        leftovers: What commands that were killed have left of generations.
        files: Of what was served: wheels, source distributions and what lies beside them.
        blobs: In the store: documents, locks, and files that were never filed.
        size: Bytes that the disk gets back, pages included.
    """

    kept: tuple[Generation, ...]
    generations: tuple[int, ...]
    leftovers: tuple[Path, ...]
    files: tuple[str, ...]
    blobs: tuple[Sha256, ...]
    size: int

    def __bool__(self) -> bool:
        """Whether there is anything to remove."""
        return bool(self.generations or self.leftovers or self.files or self.blobs)

    def __str__(self) -> str:
        return (
            f"{counted(len(self.generations), 'generation')} ({_range(self.generations)}),"
            f" {counted(len(self.files), 'file')}, {counted(len(self.blobs), 'blob')},"
            f" {self.size} bytes; kept {_range([each.number for each in self.kept])}"
        )


def find_prunable(mirror: Mirror, keep: int) -> Prunable:
    """What would go if the live generation and the `keep` newest before it stay.

    Raises:
        RefusedError: if nothing was ever live.
        DamagedError, IncompleteError: if it cannot be known what must stay.
    """
    with mirror.locked():
        return _find(mirror, keep)


def prune(mirror: Mirror, keep: int, operator: Operator, observe: Observer) -> Prunable:
    """Remove it.

    Raises:
        RefusedError, DamagedError, IncompleteError: as `find_prunable`.
        DamagedError: if the journal is not as it was written.
        BundlerError: if something cannot be removed.
    """
    with mirror.locked():
        journal = Journal.open(mirror, operator)
        found = _find(mirror, keep)
        if found:
            # First, since what is gone cannot be noted: what is interrupted can be done again.
            journal.write("pruned", note=str(found))
            try:
                _remove(mirror, found, observe)
            except OSError as error:
                raise BundlerError(
                    f"{error.filename or mirror.root} cannot be removed: {error.strerror or error}",
                    hint="the mirror works as it is; run the command again to go on",
                ) from error
    return found


def _find(mirror: Mirror, keep: int) -> Prunable:
    numbers = kept_numbers(mirror)
    if not numbers:
        raise RefusedError(f"nothing was ever live in {mirror.root}")
    kept, going = numbers[-keep - 1 :], numbers[: -keep - 1]
    needed = Needed(mirror)
    for number in kept:
        needed.add_generation(number)
    needed.add_waiting()
    left = sorted(leftovers(mirror))
    freed = _Freed()
    for folder in (*(folder_of(mirror, number) for number in going), *left):
        freed.add_tree(folder)
    files = tuple(_unneeded_files(mirror, needed, freed))
    blobs = tuple(_unneeded_blobs(mirror, needed, freed))
    return Prunable(
        kept=tuple(read_generation(mirror, number) for number in kept),
        generations=tuple(going),
        leftovers=tuple(left),
        files=files,
        blobs=blobs,
        size=freed.size(),
    )


def _unneeded_files(mirror: Mirror, needed: Needed, freed: _Freed) -> Iterator[str]:
    """Paths below `files`, a wheel in front of what lies beside it."""
    for shelf in _entries(mirror.files):
        for folder in _entries(Path(shelf)) if shelf.is_dir(follow_symlinks=False) else ():
            if not _DIGEST.fullmatch(folder.name) or not folder.is_dir(follow_symlinks=False):
                continue  # not ours
            for entry in _entries(Path(folder)):
                if not needed.has_file(folder.name, entry.name):
                    freed.add(entry)
                    yield f"{shelf.name}/{folder.name}/{entry.name}"


def _unneeded_blobs(mirror: Mirror, needed: Needed, freed: _Freed) -> Iterator[Sha256]:
    for shelf in _entries(mirror.store.root / "sha256"):
        for entry in _entries(Path(shelf)) if shelf.is_dir(follow_symlinks=False) else ():
            if _DIGEST.fullmatch(entry.name) and not needed.has_blob(entry.name):
                freed.add(entry)
                yield Sha256(entry.name)


def _remove(mirror: Mirror, found: Prunable, observe: Observer) -> None:
    total = len(found.generations) + len(found.files) + len(found.blobs)
    observe(Started(_PHASE, total, "parts"))
    for number in found.generations:
        # Renamed first: a generation that is half removed is none to go back to.
        folder = folder_of(mirror, number)
        going = folder.with_name(f"{GOING}{folder.name}")
        folder.rename(going)
        sync_folder(mirror.generations)
        shutil.rmtree(going)
        observe(Advanced(_PHASE, 1))
    for path in found.leftovers:
        shutil.rmtree(path)
    sync_folder(mirror.generations)
    _unlink((mirror.files / path for path in found.files), observe)
    _unlink((mirror.store.path(digest) for digest in found.blobs), observe)
    observe(Finished(_PHASE, str(found)))


def _unlink(paths: Iterable[Path], observe: Observer) -> None:
    """Remove files, and folders that are empty then."""
    for path in paths:
        path.unlink(missing_ok=True)
        for folder in (path.parent, path.parent.parent):
            try:
                folder.rmdir()
            except OSError:  # something is in it
                break
        observe(Advanced(_PHASE, 1))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name)


@dataclass(slots=True)
class _Freed:
    """Bytes that go with the last link to them: pages of several generations are one file."""

    _alone: int = 0
    _links: dict[int, list[int]] = field(default_factory=dict)

    def add(self, entry: os.DirEntry[str]) -> None:
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            self._alone += found.st_size
        elif stat.S_ISREG(found.st_mode):
            one = self._links.setdefault(found.st_ino, [found.st_nlink, found.st_size])
            one[0] -= 1

    def add_tree(self, folder: Path) -> None:
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False):
                self.add_tree(Path(entry))
            else:
                self.add(entry)

    def size(self) -> int:
        return self._alone + sum(size for links, size in self._links.values() if links == 0)


def _range(numbers: Iterable[int]) -> str:
    found = list(numbers)
    if not found:
        return "none"
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
