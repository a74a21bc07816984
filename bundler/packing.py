"""From a manifest and its blobs to a signed volume, in one pass.

What is packed follows from the documents alone, in one order: a bundle that waited for officers is
packed as one that did not.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from securesystemslib.signer import Signer

from bundler.archive.pack import VolumeWriter, head_reserve
from bundler.errors import BundlerError
from bundler.events import Observer
from bundler.model.artifact import Blob, Sha256, is_sdist
from bundler.model.manifest import Manifest
from bundler.model.volume import VolumeIndex, volume_stem
from bundler.model.volume_set import VolumeSet, VolumeSummary
from bundler.records import Described, keep
from bundler.second_opinion.beside import program_beside
from bundler.trust.authority import Authority
from bundler.trust.former import read_formers, remember, write_formers


class Ending(Protocol):
    """What a manifest says last: it is known when every file was read."""

    def largest(self, manifest: Manifest) -> Manifest:
        """The manifest, with an ending as long as it can be."""

    def complete(self, manifest: Manifest) -> Manifest:
        """The manifest with its ending, whose blobs can be opened now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blobs:
    """Where blobs come from: `open` may wait for a download, `give_up` ends such waiting."""

    open: Callable[[Blob], BinaryIO]
    give_up: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packer:
    """What packing works with; see `bundler.create.Outside`."""

    authority: Authority
    signers: Sequence[Signer]
    now: datetime
    observe: Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What a run made; `wheels` is the sum of the wheels' sizes in bytes."""

    volume: Path
    locks: Path
    manifest: Manifest
    index: VolumeIndex
    files: int
    wheels: int


def pack(
    described: Described,
    blobs: Blobs,
    out: Path,
    packer: Packer,
    ending: Ending | None = None,
    *,
    before_signing: Callable[[], object] = lambda: None,
    targets: bytes | None = None,
) -> Created:
    """Pack, then sign, what was described; `out` is made when absent.

    Args:
        described: What to pack; its sequence is the stream's next.
        blobs: Where the bytes come from.
        out: The folder for the volume and the locks.
        packer: The seams.
        ending: What the manifest lacks yet, known when every file was packed.
        before_signing: Is called when all was packed, and may raise.
        targets: What officers have signed already; see `Authority.authorise`.

    Raises:
        BundlerError: of every kind; nothing is left in `out` then.
    """
    manifest, authority = described.manifest, packer.authority
    stream, sequence = manifest.stream, manifest.sequence
    segments, roots = list(_segments(described)), authority.root_chain()
    largest = manifest if ending is None else ending.largest(manifest)
    path, stem = out / f"{volume_stem(stream, sequence, 1)}.tar.zst", f"{stream}-{sequence:06}"
    volumes = _volume_set(described, 10**15)
    # The head is written last and stands first.
    reserved = head_reserve(
        [*segments, *_contents(largest)],
        {
            **authority.head_bounds(),
            "manifest.json": len(largest.to_bytes()),
            volumes.name: len(volumes.to_bytes()),
        },
    )
    out.mkdir(parents=True, exist_ok=True)
    with (
        program_beside(out, stem),
        _locks_folder(out / f"{stem}.locks", described.locks) as locks,
        VolumeWriter(path, reserved, observe=packer.observe) as volume,
    ):
        volume.add(segments, blobs.open, blobs.give_up)
        if ending is not None:
            manifest = ending.complete(manifest)
        if contents := list(_contents(manifest)):
            volume.add(contents, blobs.open, phase="contents")
        signed = manifest.to_bytes()
        index = volume.finish(
            stream=stream,
            sequence=sequence,
            volume=1,
            volumes=1,
            manifest=_sha256(signed),
            head={name: _sha256(data) for name, data in roots.items()},
        )
        volumes = replace(_volume_set(described, index.size), manifest=index.manifest)
        packed = {index.name: index.to_bytes(), volumes.name: volumes.to_bytes()}
        before_signing()
        head = authority.authorise(
            signed,
            sequence,
            packed,
            packer.signers,
            packer.now,
            targets=targets,
        )
        _remember(described, authority)
        keep(authority, replace(described, manifest=manifest), packed, blobs.open)
        # First the record, then the name: a crash between them skips a sequence, it never makes
        # two different bundles with the same one.
        authority.record(sequence, signed, head)
        volume.seal({**head, "manifest.json": signed, **packed})
    return Created(
        volume=path,
        locks=locks,
        manifest=manifest,
        index=index,
        files=sum(1 for _ in described.files()),
        wheels=sum(file.blob.size for file in described.files()),
    )


def _volume_set(described: Described, size: int) -> VolumeSet:
    manifest = described.manifest
    return VolumeSet(
        stream=manifest.stream,
        sequence=manifest.sequence,
        manifest=_sha256(manifest.to_bytes()),
        kind="full",
        base=None,
        volumes=(
            VolumeSummary(size=size, parity=False, projects=tuple(sorted(manifest.projects))),
        ),
    )


def sweep(out: Path, stream: str) -> None:
    """Remove what a run of this stream that was killed has left in the folder.

    Raises:
        BundlerError: if it is not a folder.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise BundlerError(f"{out} is not a folder", hint="give a folder with -o")
    leftover = re.compile(
        rf"{stream}-\d{{6,}}\.v\d+\.tar\.zst\.part|\.{stream}-\d{{6,}}\.(locks|verify)\.part"
    )
    for path in out.iterdir():
        if leftover.fullmatch(path.name):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _segments(described: Described) -> Iterator[tuple[str, Sequence[Blob]]]:
    """The documents first: they explain the rest. Then the wheels of each release side by side.

    The wheels of one release share most of their bytes, whatever their platforms.
    """
    yield "documents", tuple(sorted(set(replace(described.manifest, contents=None).blobs())))
    for project, version, files in described.releases():
        kind = " sdist" if any(is_sdist(file.filename) for file in files) else ""
        blobs = (*(file.blob for file in files), *(f.provenance for f in files if f.provenance))
        yield f"{project} {version}{kind}", tuple(dict.fromkeys(blobs))


def _contents(manifest: Manifest) -> Iterator[tuple[str, Sequence[Blob]]]:
    """What is inside of the wheels, behind them: a segment, if there is anything."""
    if manifest.contents is not None and manifest.contents.documents:
        yield "contents", sorted(set(manifest.contents.documents.values()))


def _remember(described: Described, authority: Authority) -> None:
    """Who vouched for what, before this sequence can leave this host."""
    files = [
        (document.name, file.blob.sha256, file.verdict)
        for document in described.documents
        for file in document.files
    ]
    formers = read_formers(authority.folder)
    write_formers(authority.folder, remember(formers, described.manifest.sequence, files))


@contextmanager
def _locks_folder(final: Path, locks: Mapping[str, bytes]) -> Iterator[Path]:
    """Write the locks into a folder that gets its name when all else went well."""
    partial = final.with_name(f".{final.name}.part")
    if final.exists():
        raise BundlerError(f"{final} exists already", hint="give another folder with -o")
    partial.mkdir()
    try:
        for name, data in locks.items():
            (partial / name).write_bytes(data)
        yield final
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sha256(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())
