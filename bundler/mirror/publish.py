"""From a verified manifest and the blobs to pages that installers read, in one step for them.

The pages of a new generation are written beside the old ones, made safe on disk, and shown by one
rename. Until that rename the live pages are as they were, whatever fails.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bundler.disk import no_room_explained, sync_folder
from bundler.errors import BundlerError
from bundler.events import Advanced, Finished, Observer, Started
from bundler.mirror.filing import file_wheels, in_threads
from bundler.mirror.generations import (
    RECORD,
    UNFINISHED,
    Generation,
    Shown,
    folder_of,
    live,
    live_number,
    make_live,
    next_number,
    sweep,
)
from bundler.mirror.layout import Mirror
from bundler.mirror.pages import list_pages, project_pages
from bundler.mirror.union import Union, refuse_conflicts, require_complete, union_with
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import VerifiedManifest

_PAGES = "write pages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of a publication.

    Attributes:
        changed: False when this sequence was live already; then nothing was touched.
        generation: The number of the live generation.
        projects, files: How many the manifest has.
        new_files: How many of these were not in the mirror before.
    """

    changed: bool
    generation: int
    stream: str
    sequence: int
    projects: int
    files: int
    new_files: int


def publish(mirror: Mirror, manifest: VerifiedManifest, observe: Observer) -> Published:
    """Make a sequence live; the caller holds `mirror.locked()`.

    Raises:
        IncompleteError: if anything that the manifest names is missing, naming it.
        RefusedError: if a wheel is not what its document says, or two streams disagree on a file.
        DamagedError: if a document in the store is not what was signed.
        BundlerError: if the mirror's folder is not as this program left it, or full.
    """
    try:
        with no_room_explained(mirror.root):
            return _publish(mirror, manifest, observe)
    except OSError as error:
        raise BundlerError(f"cannot publish in {mirror.root}: {error}") from error


def _publish(mirror: Mirror, manifest: VerifiedManifest, observe: Observer) -> Published:
    files = require_complete(mirror, manifest)
    data = manifest.to_bytes()
    shown = Shown(manifest.sequence, Blob(Sha256(hashlib.sha256(data).hexdigest()), len(data)))
    generation, new_files = live(mirror) or Generation(0, {}), 0
    changed = generation.streams.get(manifest.stream) != shown
    if changed:
        union = union_with(mirror, manifest, generation)
        refuse_conflicts(union)
        sweep(mirror)
        new_files = file_wheels(mirror, files, observe)
        mirror.store.put(data)
        streams = {**generation.streams, manifest.stream: shown}
        generation = Generation(next_number(mirror), streams)
        _show(mirror, union, generation, observe)
    return Published(
        changed=changed,
        generation=generation.number,
        stream=manifest.stream,
        sequence=manifest.sequence,
        projects=len(manifest.projects),
        files=len(files),
        new_files=new_files,
    )


def _show(mirror: Mirror, union: Union, generation: Generation, observe: Observer) -> None:
    """Write a generation's folder and make it live; nothing of it stays when that fails."""
    before = live_number(mirror)
    former = None if before is None else folder_of(mirror, before) / "simple"
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


def _write_pages(simple: Path, former: Path | None, union: Union, observe: Observer) -> None:
    names = union.names()
    observe(Started(_PAGES, len(names), "projects"))
    simple.mkdir()

    def write(name: str, pages: Mapping[str, bytes]) -> None:
        folder = simple / name
        folder.mkdir(exist_ok=True)
        for filename, data in pages.items():
            _write(folder / filename, data, former / name / filename if former else None)
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
        os.fsync(file.fileno())
