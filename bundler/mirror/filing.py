"""From the store to `files/`: a wheel is filed once it is known to be what its document says."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from bundler.disk import atomic_write, sync_folder
from bundler.errors import IncompleteError
from bundler.events import Advanced, Finished, Observer, Started
from bundler.mirror.layout import Mirror, is_file_of, metadata_path
from bundler.model.manifest import BundledFile
from bundler.wheel.metadata import MAX_METADATA, WheelError, check_wheel

_THREADS = 8
_CHECK = "check wheels"

T = TypeVar("T")


def file_wheels(mirror: Mirror, files: Sequence[BundledFile], observe: Observer) -> int:
    """Check every wheel that is not filed yet, then file them all; how many there were.

    None is filed unless all are good.

    Raises:
        WheelError: naming each wheel that is not what its document says.
        RefusedError: if a filename cannot stand in a mirror.
        IncompleteError: if a wheel is missing.
    """
    fresh = [file for file in files if not _is_filed(mirror, file)]
    observe(Started(_CHECK, len(fresh), "wheels"))
    faults: list[str] = []

    def check(file: BundledFile) -> None:
        try:
            _check(mirror, file)
        except WheelError as error:
            faults.append(error.message)

    try:
        in_threads(check, fresh, lambda: observe(Advanced(_CHECK, 1)))
        _refuse(faults)
        for file in fresh:
            _file(mirror, file)
    except BaseException:
        for file in fresh:
            _withdraw(mirror.file_path(file))
        raise
    _sync_folders(mirror, fresh)
    observe(Finished(_CHECK, f"{len(fresh)} new of {len(files)} wheels"))
    return len(fresh)


def in_threads(work: Callable[[T], None], items: Sequence[T], done: Callable[[], None]) -> None:
    """Do `work` on each item, calling `done` after each; the first failure ends it."""
    pool = ThreadPoolExecutor(_THREADS)
    try:
        for future in as_completed([pool.submit(work, item) for item in items]):
            future.result()
            done()
    finally:
        pool.shutdown(cancel_futures=True)


def _is_filed(mirror: Mirror, file: BundledFile) -> bool:
    """Whether the wheel stands in its place, with the METADATA that its document names."""
    wheel = mirror.file_path(file)
    if not is_file_of(wheel, file.blob.size):
        return False
    try:
        with metadata_path(wheel).open("rb") as beside:
            return hashlib.sha256(beside.read(MAX_METADATA + 1)).hexdigest() == file.metadata
    except FileNotFoundError:
        return False


def _located(mirror: Mirror, file: BundledFile) -> Path:
    if found := mirror.locate(file.blob):
        return found
    raise IncompleteError(f"{file.filename} is missing")


def _check(mirror: Mirror, file: BundledFile) -> None:
    final = mirror.file_path(file)
    with _located(mirror, file).open("rb") as wheel:
        metadata = check_wheel(wheel, file.filename, file.metadata)
    final.parent.mkdir(parents=True, exist_ok=True)
    # Before the wheel itself: a wheel that is filed always has its METADATA beside it.
    atomic_write(metadata_path(final), metadata)


def _file(mirror: Mirror, file: BundledFile) -> None:
    final, found = mirror.file_path(file), _located(mirror, file)
    if found == mirror.store.path(file.blob.sha256):
        found.replace(final)
    elif not is_file_of(final, file.blob.size):
        # The same bytes under a second name, such as with another build number.
        os.link(found, final)


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise WheelError(
            "\n".join(sorted(faults)),
            hint="nothing was published; tell whoever made the bundle that its index serves wheels"
            " which are not what it says",
        )


def _withdraw(wheel: Path) -> None:
    """Leave no METADATA without its wheel."""
    if not wheel.exists():
        metadata_path(wheel).unlink(missing_ok=True)
        for folder in (wheel.parent, wheel.parent.parent):
            with suppress(OSError):
                folder.rmdir()


def _sync_folders(mirror: Mirror, files: Sequence[BundledFile]) -> None:
    if not files:
        return
    folders = {mirror.file_folder(file.blob.sha256) for file in files}
    above = {folder.parent for folder in folders}
    in_threads(sync_folder, sorted(folders | above), lambda: None)
    sync_folder(mirror.files)
