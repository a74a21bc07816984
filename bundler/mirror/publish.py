"""From a verified manifest and the blobs to pages that installers read, in one step for them.

The pages of a new generation are written beside the old ones, made safe on disk, and shown by one
rename. Until that rename the live pages are as they were, whatever fails.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from bundler.disk import no_room_explained, sync_filesystem, sync_folder
from bundler.errors import BundlerError, DamagedError
from bundler.events import Noticed, Observer
from bundler.mirror.early import EarlyChecks
from bundler.mirror.filing import check_wheels, file_provenance, file_wheels
from bundler.mirror.fresh import Fresh
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
from bundler.mirror.pages import HTML_NAME, JSON_NAME
from bundler.mirror.policy import check_approved, is_approved, read_policy_file
from bundler.mirror.survey import survey
from bundler.mirror.union import Union, unchanged, union_of, union_with
from bundler.mirror.web.front import FRONT
from bundler.mirror.web.record import Record, read_record
from bundler.mirror.web.write import link_pages, project_path
from bundler.mirror.writing import write_pages
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import Manifest, VerifiedManifest
from bundler.trust.approval import Statement


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


def renew(mirror: Mirror, observe: Observer) -> None:
    """Write the live pages anew if the policy now says that they are served elsewhere.

    The caller holds `mirror.locked()`.

    Raises:
        BundlerError: as `publish`.
    """
    former, base_url = live(mirror), read_policy_file(mirror).base_url
    if former is None or former.base_url == base_url:
        return
    generation = Generation(former.number + 1, former.streams, base_url)
    record = read_record(folder_of(mirror, former.number))
    with no_room_explained(mirror.root):
        sweep(mirror)
        show(mirror, union_of(mirror, generation), generation, record, (), observe)


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
    base_url = read_policy_file(mirror).base_url
    anew = (
        former.streams.get(manifest.stream) != shown
        or former.base_url != base_url
        or not _has_pages(mirror, former, manifest)
    )
    record, same = Record(), dict[NormalizedName, int]()
    if anew:
        union = union_with(mirror, manifest, former)
        record = read_record(folder_of(mirror, former.number))
        if former.base_url == base_url:
            same = same_pages(union, manifest, former, record)
            for name in early.unfiled(mirror.store) if early else ():
                same.pop(name, None)
    else:
        # Also first, so that a manifest that another stream waits for comes back in any case.
        _keep(mirror, shown.manifest, data)
        link_pages(mirror, observe)
        union = Union(mirror, (manifest,))
    found = survey(union, manifest, same)
    if anew or found.fresh:
        file_wheels(mirror, found.fresh, observe, early)
    file_provenance(mirror, found.provenance)
    generation = former
    if anew:
        sweep(mirror)
        _keep(mirror, shown.manifest, data)
        generation = Generation(
            former.number + 1, {**former.streams, manifest.stream: shown}, base_url
        )
        show(mirror, union, generation, record, same, observe)
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
    folder = folder_of(mirror, generation.number)
    simple = folder / "simple"
    return all(
        (simple / name / page).is_file()
        for name in ("", *manifest.projects)
        for page in (HTML_NAME, JSON_NAME)
    ) and all((folder / page).is_file() for page in (FRONT, *map(project_path, manifest.projects)))


def same_pages(
    union: Union, manifest: Manifest, former: Generation, record: Record
) -> dict[NormalizedName, int]:
    """Projects that are shown already as they will be, and how many files `manifest` has of each.

    None where another version of this program wrote the pages.
    """
    if not record.current:
        return {}
    return {
        name: record.entries[name].files.get(manifest.stream, 0)
        for name in unchanged(union, former)
        if name in record.entries
    }


def _keep(mirror: Mirror, blob: Blob, data: bytes) -> None:
    """Put the manifest into the store, also in place of one that has changed on disk."""
    path = mirror.store.path(blob.sha256)
    if mirror.store.has(blob) and path.read_bytes() != data:
        path.unlink()
    mirror.store.put(data)


def show(
    mirror: Mirror,
    union: Union,
    generation: Generation,
    record: Record,
    same: Collection[NormalizedName],
    observe: Observer,
) -> None:
    """Write a generation's folder and make it live; nothing of it stays when that fails.

    Args:
        mirror: The caller holds `mirror.locked()`.
        union: What it shows.
        generation: What it will be; its number is the next one.
        record: What the former generation remembers of its pages.
        same: Projects whose pages are as in the former generation.
        observe: Hears about the progress.

    Raises:
        DamagedError, IncompleteError, OSError: as `write_pages`.
    """
    former = folder_of(mirror, generation.number - 1)
    final = folder_of(mirror, generation.number)
    temp = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=mirror.generations))
    try:
        temp.chmod(0o755)  # web servers read it, too
        write_pages(temp, former, union, generation, record, same, observe)
        (temp / RECORD).write_bytes(generation.to_bytes())
        (temp / RECORD).chmod(0o644)
        sync_filesystem(temp)  # the pages, and what of the store is new, names and all
        temp.rename(final)
        sync_folder(mirror.generations)
        link_pages(mirror, observe)
        make_live(mirror, generation.number)
    except BaseException:
        if live_number(mirror) != generation.number:
            for folder in (temp, final):
                shutil.rmtree(folder, ignore_errors=True)
        raise
