"""From a verified manifest and the blobs to pages that installers read, in one step for them.

The pages of a new generation are written beside the old ones, made safe on disk, and shown by one
rename. Until that rename the live pages are as they were, whatever fails.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bundler.disk import make_folder, no_room_explained, set_mode, sync_folder
from bundler.errors import BundlerError, DamagedError
from bundler.events import Advanced, Finished, Noticed, Observer, Started
from bundler.mirror.early import EarlyChecks
from bundler.mirror.filing import Fresh, check_wheels, file_provenance, file_wheels, in_threads
from bundler.mirror.generations import (
    RECORD,
    UNFINISHED,
    Generation,
    Shown,
    folder_of,
    live,
    live_number,
    make_live,
    sweep,
)
from bundler.mirror.layout import ONE_FILESYSTEM, Mirror
from bundler.mirror.pages import HTML_NAME, JSON_NAME, list_pages, project_pages
from bundler.mirror.policy import check_approved, is_approved
from bundler.mirror.union import Union, survey, union_with
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import VerifiedManifest
from bundler.trust.approval import Statement

_PAGES = "write pages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of a publication.

    Attributes:
        changed: False when this sequence was live already and nothing of it had been lost.
        generation: The number of the live generation.
        projects, files: How many the manifest has.
        new_files: How many of these were not filed before.
    """

    changed: bool
    generation: int
    stream: str
    sequence: int
    projects: int
    files: int
    new_files: int


def publish(
    mirror: Mirror,
    manifest: VerifiedManifest,
    observe: Observer,
    early: EarlyChecks | None = None,
) -> Published:
    """Make a sequence live; the caller holds `mirror.locked()`.

    One that is live already is only repaired: what was lost of it is filed or written again.
    `early` has looked into some of its wheels already.

    Raises:
        IncompleteError: if anything that the manifest names is missing, naming it.
        RefusedError: if a wheel is not what its document says, or two documents disagree on a file.
        TrustError: if it is not live already, and the mirror's policy asks for an approval that is
            not there or does not count.
        DamagedError: if a blob in the store is not what was signed; it is removed, so that
            unpacking again brings it.
        BundlerError: if the mirror's folder is not as this program left it, or full.
    """
    try:
        with no_room_explained(mirror.root):
            return _publish(mirror, manifest, observe, early)
    except OSError as error:
        hint = ONE_FILESYSTEM if error.errno == errno.EXDEV else None
        raise BundlerError(f"cannot publish in {mirror.root}: {error}", hint=hint) from error


def prepare(
    mirror: Mirror,
    manifest: VerifiedManifest,
    observe: Observer,
    early: EarlyChecks | None = None,
) -> tuple[Fresh, ...]:
    """Check all that `publish` will, and show nothing; the files that are not filed yet.

    Raises:
        BundlerError: as `publish`.
    """
    with no_room_explained(mirror.root):
        fresh = survey(union_with(mirror, manifest, _former(mirror, observe)), manifest).fresh
        check_wheels(mirror, fresh, observe, early=early)
    return tuple(fresh)


def may_go_live(mirror: Mirror, manifest: VerifiedManifest, observe: Observer) -> bool:
    """Whether it is live, or has every approval that the mirror's policy asks for."""
    former, shown = _former(mirror, observe), _shown(manifest)
    return former.streams.get(manifest.stream) == shown or is_approved(
        mirror, Statement(manifest.stream, manifest.sequence, shown.manifest.sha256)
    )


def _shown(manifest: VerifiedManifest) -> Shown:
    data = manifest.to_bytes()
    return Shown(manifest.sequence, Blob(Sha256(hashlib.sha256(data).hexdigest()), len(data)))


def _publish(
    mirror: Mirror, manifest: VerifiedManifest, observe: Observer, early: EarlyChecks | None
) -> Published:
    former = _former(mirror, observe)
    data, shown = manifest.to_bytes(), _shown(manifest)
    if former.streams.get(manifest.stream) != shown:
        check_approved(mirror, Statement(manifest.stream, manifest.sequence, shown.manifest.sha256))
    anew = former.streams.get(manifest.stream) != shown or not _has_pages(mirror, former, manifest)
    if anew:
        union = union_with(mirror, manifest, former)
    else:
        # Also first, so that a manifest that another stream waits for comes back in any case.
        _keep(mirror, shown.manifest, data)
        union = Union(mirror, (manifest,))
    found = survey(union, manifest)
    if anew or found.fresh:
        file_wheels(mirror, found.fresh, observe, early)
    file_provenance(mirror, found.provenance)
    generation = former
    if anew:
        attested = (blob for _wheel, blob in found.provenance)
        sweep(mirror)
        _keep(mirror, shown.manifest, data)
        mirror.store.sync([shown.manifest, *manifest.blobs(), *attested])
        generation = Generation(former.number + 1, {**former.streams, manifest.stream: shown})
        _show(mirror, union, generation, observe)
    return Published(
        changed=anew or bool(found.fresh),
        generation=generation.number,
        stream=manifest.stream,
        sequence=manifest.sequence,
        projects=len(manifest.projects),
        files=found.files,
        new_files=len(found.fresh),
    )


def _former(mirror: Mirror, observe: Observer) -> Generation:
    """What is live: nothing, under number 0, before the first; nothing either if it is not known.

    A lost record does not keep a mirror from being repaired: what may come is the gate's decision.
    """
    try:
        return live(mirror) or Generation(0, {})
    except DamagedError as error:
        observe(
            Noticed(
                f"{error.message}: what was live is not known. Streams that are not shown any more"
                " come back when their newest bundles are unpacked again"
            )
        )
        return Generation(live_number(mirror) or 0, {})


def _has_pages(mirror: Mirror, generation: Generation, manifest: VerifiedManifest) -> bool:
    """Whether the pages are still there; what is in them is not read."""
    simple = folder_of(mirror, generation.number) / "simple"
    return all(
        (simple / name / page).is_file()
        for name in ("", *manifest.projects)
        for page in (HTML_NAME, JSON_NAME)
    )


def _keep(mirror: Mirror, blob: Blob, data: bytes) -> None:
    """Put the manifest into the store, also in place of one that has changed on disk."""
    path = mirror.store.path(blob.sha256)
    if mirror.store.has(blob) and path.read_bytes() != data:
        path.unlink()
    mirror.store.put(data)


def _show(mirror: Mirror, union: Union, generation: Generation, observe: Observer) -> None:
    """Write a generation's folder and make it live; nothing of it stays when that fails."""
    former = folder_of(mirror, generation.number - 1) / "simple"
    final = folder_of(mirror, generation.number)
    temp = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=mirror.generations))
    try:
        temp.chmod(0o755)  # web servers read it, too
        _write_pages(temp / "simple", former, union, observe)
        _write(temp / RECORD, generation.to_bytes())
        sync_folder(temp)
        temp.rename(final)
        sync_folder(mirror.generations)
        make_live(mirror, generation.number)
    except BaseException:
        if live_number(mirror) != generation.number:
            for folder in (temp, final):
                shutil.rmtree(folder, ignore_errors=True)
        raise


def _write_pages(simple: Path, former: Path, union: Union, observe: Observer) -> None:
    names = union.names()
    observe(Started(_PAGES, len(names), "projects"))
    make_folder(simple)

    def write(name: str, pages: Mapping[str, bytes]) -> None:
        folder = simple / name
        make_folder(folder)
        for filename, data in pages.items():
            _write(folder / filename, data, former / name / filename)
        sync_folder(folder)

    in_threads(
        lambda name: write(name, project_pages(union.project(name))),
        names,
        lambda: observe(Advanced(_PAGES, 1)),
    )
    write("", list_pages(names))
    observe(Finished(_PAGES, f"{len(names)} projects"))


def _write(path: Path, data: bytes, former: Path | None = None) -> None:
    """Write a new file, safe on disk; one that is as it was before is only linked."""
    if former is not None and former.is_file() and former.read_bytes() == data:
        with suppress(OSError):  # not every filesystem has links, or one more of them
            os.link(former, path)
            return
    with no_room_explained(path.parent, len(data)), path.open("xb") as file:
        file.write(data)
        file.flush()
        set_mode(file, 0o644)
        os.fsync(file.fileno())
