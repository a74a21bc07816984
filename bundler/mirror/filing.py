"""From the store to `files/`: a file is filed once it is known to be what was signed.

Beside a wheel lies its METADATA; of a source distribution there is none that a page could promise.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO, TypeVar

from bundler.disk import make_folder, set_mode, sync_folder
from bundler.errors import DamagedError, IncompleteError
from bundler.events import Advanced, Finished, Observer, Started
from bundler.mirror.early import EarlyChecks, Expected
from bundler.mirror.fresh import Fresh
from bundler.mirror.layout import Mirror, is_file_of, metadata_path, provenance_path
from bundler.model.artifact import Blob, Sha256, is_sdist
from bundler.wheel.check import BUFFER, check_contents, check_whole_wheel
from bundler.wheel.examine import Examined, Member
from bundler.wheel.fault import WheelError
from bundler.wheel.inflate import quick, strict
from bundler.wheel.metadata import check_metadata, read_metadata
from bundler.wheel.sdist import SdistError, check_sdist
from bundler.wheel.seen import Seen

_THREADS = 8
_CHECK = "check wheels"
_SERVED = 0o644

T = TypeVar("T")


def file_wheels(
    mirror: Mirror, wheels: Sequence[Fresh], observe: Observer, early: EarlyChecks | None = None
) -> None:
    """Hash and check every wheel, then file them all: none unless all are good.

    Raises:
        DamagedError: naming those whose bytes have changed on disk; these are removed, so that
            unpacking again brings them.
        WheelError: naming each wheel that is not what its document says.
        IncompleteError: if a wheel is missing.
    """

    def lay_beside(wheel: Fresh, metadata: bytes | None) -> None:
        make_folder(wheel.final.parent)
        if metadata is not None:
            # Before the wheel itself: a wheel that is filed always has its METADATA beside it.
            _write_beside(mirror, metadata_path(wheel.final), metadata)

    try:
        check_wheels(mirror, wheels, observe, lay_beside, early)
        for wheel in wheels:
            _file(mirror, wheel)
    except BaseException:
        for wheel in wheels:
            if not wheel.final.exists():
                metadata_path(wheel.final).unlink(missing_ok=True)
        raise
    _sync_folders(mirror, wheels)


def check_wheels(
    mirror: Mirror,
    wheels: Sequence[Fresh],
    observe: Observer,
    good: Callable[[Fresh, bytes | None], None] = lambda _wheel, _metadata: None,
    early: EarlyChecks | None = None,
) -> None:
    """Hash and check every wheel; `good` is called with each that is, and its METADATA.

    What `early` has looked into is not inflated again, nor hashed unless others were at it.

    Raises:
        DamagedError, WheelError, IncompleteError: as `file_wheels`.
    """
    observe(Started(_CHECK, len(wheels), "wheels"))
    rotten: list[Path] = []
    faults: list[str] = []

    def check(wheel: Fresh) -> None:
        found = located(mirror, wheel)
        try:
            examined = early.examined(wheel.blob, wheel.final.name) if early else None
            hashed = examined is not None and early is not None and early.fresh
            with found.open("rb") as file:
                if (
                    not hashed
                    and hashlib.file_digest(file, "sha256").hexdigest() != wheel.blob.sha256
                ):
                    rotten.append(found)
                elif examined:
                    good(wheel, _confirm(wheel, file, examined))
                else:
                    good(wheel, _check(mirror, wheel, file))
        except (WheelError, SdistError) as error:
            faults.append(error.message)

    in_threads(check, wheels, lambda: observe(Advanced(_CHECK, 1)))
    _refuse(rotten, faults)
    observe(Finished(_CHECK, f"{len(wheels)} new"))


def file_provenance(mirror: Mirror, attested: Iterable[tuple[Path, Blob]]) -> None:
    """Put attestations beside filed wheels, for people and tools; they are judged in the store.

    An index may add attestations to a file, so what stands there may be an older document.

    Raises:
        DamagedError: if one has changed on disk.
    """
    changed: set[Path] = set()
    for wheel, blob in attested:
        path, data = provenance_path(wheel), mirror.store.read(blob, blob.size)
        if not (is_file_of(path, blob.size) and path.read_bytes() == data):
            _write_beside(mirror, path, data)
            changed.add(path.parent)
    for folder in sorted(changed):
        sync_folder(folder)


def in_threads(
    work: Callable[[T], None],
    items: Sequence[T],
    done: Callable[[], None],
    threads: int = _THREADS,
) -> None:
    """Do `work` on each item, calling `done` after each; the first failure ends it."""
    pool = ThreadPoolExecutor(threads)
    try:
        for _ in pool.map(work, items):
            done()
    finally:
        pool.shutdown(cancel_futures=True)


def located(mirror: Mirror, wheel: Fresh) -> Path:
    """Where a file is that is not filed yet.

    Raises:
        IncompleteError: if it is nowhere.
    """
    if found := mirror.locate(wheel.blob):
        return found
    raise IncompleteError(f"{wheel.final.name} is missing")


def _check(mirror: Mirror, wheel: Fresh, file: IO[bytes]) -> bytes | None:
    """METADATA of a wheel that is what its document says; None for a source distribution."""
    if is_sdist(wheel.final.name):
        check_sdist(file, wheel.final.name, wheel.metadata, wheel.requires_python)
        return None
    return _look_into(mirror, wheel, file)


def _write_beside(mirror: Mirror, path: Path, data: bytes) -> None:
    """Written in the store's scratch folder, which is swept: a kill leaves nothing in `files`."""
    with mirror.store.new_file() as beside:
        beside.write(data)
        beside.flush()
        set_mode(beside, _SERVED)
        os.fsync(beside.fileno())
        Path(beside.name).replace(path)


def look_into(mirror: Mirror, seen: Seen, expected: Expected) -> Examined:
    """Look into a wheel that has just come into the store; see `EarlyChecks`.

    METADATA is left out: it is read again when it is needed, and of ten thousand wheels it is much.

    Raises:
        WheelError: as `file_wheels`.
    """
    file = expected.file
    with mirror.store.open(file.blob, BUFFER) as wheel:
        _, examined = _examine(
            mirror,
            file.filename,
            wheel,
            file.metadata,
            file.requires_python,
            expected.allowed,
            seen,
        )
    return replace(examined, metadata=None)


def _look_into(mirror: Mirror, wheel: Fresh, file: IO[bytes]) -> bytes:
    """Hold the whole wheel against what was signed; METADATA."""
    filename, stated = wheel.final.name, wheel.stated
    allowed = stated.allowed if stated else ()
    metadata, examined = _examine(
        mirror, filename, file, wheel.metadata, wheel.requires_python, allowed
    )
    if stated:
        check_contents(filename, examined, stated.contents)
    return metadata


def _confirm(wheel: Fresh, file: IO[bytes], examined: Examined) -> bytes:
    """The same for a wheel that somebody has looked into."""
    metadata = read_metadata(file, wheel.final.name)
    check_metadata(metadata, wheel.final.name, wheel.metadata, wheel.requires_python)
    if wheel.stated:
        check_contents(wheel.final.name, examined, wheel.stated.contents)
    return metadata


def _examine(
    mirror: Mirror,
    filename: str,
    file: IO[bytes],
    metadata: Sha256,
    requires_python: str | None,
    allowed: tuple[str, ...],
    seen: Seen | None = None,
) -> tuple[bytes, Examined]:
    """METADATA and all that is in a wheel; its SBOMs become blobs."""

    def keep(member: Member, path: Path) -> None:
        with path.open("rb") as sbom, mirror.store.new_file() as copy:
            shutil.copyfileobj(sbom, copy)
            copy.flush()
            mirror.store.adopt(member.blob, Path(copy.name))

    return check_whole_wheel(
        file,
        filename,
        metadata,
        requires_python,
        allowed=allowed,
        takers={"sbom": keep},
        seen=seen,
        # All was read strictly before it was signed; what was accepted, only as far as that went.
        inflate=strict if allowed else quick,
    )


def _file(mirror: Mirror, wheel: Fresh) -> None:
    found = located(mirror, wheel)
    if found == mirror.store.path(wheel.blob.sha256):
        found.chmod(_SERVED)
        found.replace(wheel.final)
    elif not is_file_of(wheel.final, wheel.blob.size):
        # The same bytes under a second name, such as with another build number.
        wheel.final.unlink(missing_ok=True)
        os.link(found, wheel.final)


def _refuse(rotten: Sequence[Path], faults: Sequence[str]) -> None:
    for path in rotten:
        path.unlink(missing_ok=True)
    if rotten:
        names = "\n".join(sorted({str(path) for path in rotten}))
        raise DamagedError(
            f"damaged on this disk, and removed:\n{names}",
            hint="nothing was published; run the command again, it brings them anew",
        )
    if faults:
        raise WheelError(
            "\n".join(sorted(faults)),
            hint="nothing was published; tell whoever made the bundle that its index serves wheels"
            " which are not what it says",
        )


def _sync_folders(mirror: Mirror, wheels: Sequence[Fresh]) -> None:
    folders = {wheel.final.parent for wheel in wheels}
    above = {folder.parent for folder in folders}
    in_threads(sync_folder, sorted(folders | above), lambda: None)
    sync_folder(mirror.files)
