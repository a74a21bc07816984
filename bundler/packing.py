"""From a manifest and its blobs to signed volumes, in one pass.

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

from securesystemslib.signer import Signer

from bundler.archive.folder import FolderWriter
from bundler.archive.pack import VolumeWriter
from bundler.archive.reserve import LONGEST, head_reserve
from bundler.archive.room import Limits, most_volumes
from bundler.archive.spread import Begin, Spreader
from bundler.archive.store import BlobStore
from bundler.archive.wanted import row_limit, with_rows
from bundler.archive.writer import Writer
from bundler.disk import atomic_write, require_folder
from bundler.errors import BundlerError
from bundler.events import Observer
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import Manifest
from bundler.model.volume import Form
from bundler.model.volume_set import VolumeSet, VolumeSummary, set_label, set_name
from bundler.packable import Blobs, Described, Ending, Shape, contents, documents, paths, releases
from bundler.records import keep
from bundler.report.labels import label_sheet
from bundler.second_opinion.beside import program_beside
from bundler.trust.authority import Authority
from bundler.trust.former import read_formers, remember, write_formers
from bundler.trust.metadata import MANIFEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Packer:
    """What packing works with; see `bundler.create.Outside`."""

    authority: Authority
    signers: Sequence[Signer]
    now: datetime
    observe: Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What a run made.

    Attributes:
        size: Of all volumes, in bytes.
        files: How many there are in the mirror, whether they were packed or not.
        wheels: The sum of their sizes, in bytes.
        carried: How many were packed.
        carried_size: The sum of their sizes, in bytes.
    """

    volumes: tuple[Path, ...]
    locks: Path
    manifest: Manifest
    set: VolumeSet
    size: int
    files: int
    wheels: int
    carried: int
    carried_size: int


def pack(
    described: Described,
    blobs: Blobs,
    out: Path,
    packer: Packer,
    ending: Ending | None = None,
    *,
    shape: Shape = Shape(),  # noqa: B008 - frozen
    before_signing: Callable[[], object] = lambda: None,
    targets: bytes | None = None,
) -> Created:
    """Pack, then sign, what was described; `out` is made when absent.

    Args:
        described: What to pack; its sequence is the stream's next, or its last again.
        blobs: Where the bytes come from.
        out: The folder for the volumes and the locks.
        packer: The seams.
        ending: What the manifest lacks yet, known when every file was packed.
        shape: How the volumes shall be.
        before_signing: Is called when all was packed, and may raise.
        targets: What officers have signed already; see `Authority.authorise`.

    Raises:
        BundlerError: of every kind; nothing is left in `out` then.
    """
    manifest, authority = described.manifest, packer.authority
    stream, sequence = manifest.stream, manifest.sequence
    label = set_label(stream, sequence, shape.kind, shape.base)
    largest = manifest if ending is None else ending.largest(manifest)
    out.mkdir(parents=True, exist_ok=True)
    with (
        program_beside(out, label),
        _locks_folder(out / f"{label}.locks", described.locks) as locks,
        _spreader(described, largest, shape, out / label, packer) as spreader,
    ):
        spreader.write(list(releases(described, shape)), blobs.open, blobs.give_up)
        if ending is not None:
            manifest = ending.complete(manifest)
        if behind := list(contents(manifest, shape)):
            spreader.write(behind, blobs.open, phase="contents")
        signed = manifest.to_bytes()
        roots = {name: _sha256(data) for name, data in authority.root_chain().items()}
        parity = _add_parity(spreader, shape, blobs, out / f".{label}.parity.part")
        indexes = spreader.finish(stream, sequence, _sha256(signed), roots)
        volumes = replace(_volume_set(manifest, shape, spreader.summaries(indexes)), parity=parity)
        packed = {volumes.name: volumes.to_bytes()}
        packed |= {index.name: index.to_bytes() for index in indexes}
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
        common = {**head, MANIFEST: signed, volumes.name: packed[volumes.name]}
        spreader.seal([{**common, index.name: packed[index.name]} for index in indexes])
        if shape.size is not None:
            sheet = label_sheet(volumes, indexes, manifest.created)
            atomic_write(out / f"{label}.labels.html", sheet)
    sizes = [file.blob.size for file in described.files()]
    carried = [file.blob.size for file in described.files() if shape.wanted(file.blob)]
    return Created(
        volumes=tuple(_path(out / label, number, shape) for number in range(1, len(indexes) + 1)),
        locks=locks,
        manifest=manifest,
        set=volumes,
        size=sum(index.size for index in indexes),
        files=len(sizes),
        wheels=sum(sizes),
        carried=len(carried),
        carried_size=sum(carried),
    )


def _add_parity(spreader: Spreader, shape: Shape, blobs: Blobs, scratch: Path) -> Blob | None:
    """Write parity volumes, if any are wanted; the parity document."""
    if not shape.parity:
        return None
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        return spreader.add_parity(shape.parity, blobs.open, BlobStore(scratch, durable=False))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


_SUFFIX: Mapping[Form, str] = {"zst": ".tar.zst", "tar": ".tar", "files": ""}


def _path(stem: Path, number: int, shape: Shape) -> Path:
    return stem.with_name(f"{stem.name}.v{number:02}{_SUFFIX[shape.form]}")


def _spreader(
    described: Described, largest: Manifest, shape: Shape, stem: Path, packer: Packer
) -> Spreader:
    """Prepare the writing; `largest` bounds the manifest, whose ending is not known."""
    limits = Limits(size=shape.size, form=shape.form)
    first = documents(described, shape)
    segments = [*releases(described, shape), *contents(largest, shape)]
    if first is not None:
        segments.insert(0, first)
    plain = [each.plain for each in segments]
    most = most_volumes(plain, with_rows(limits) if shape.parity else limits)
    others = {
        **packer.authority.head_bounds(most + shape.parity),
        MANIFEST: len(largest.to_bytes()),
        set_name(largest.stream, largest.sequence): _set_bound(largest, shape, most),
    }
    if shape.parity and shape.size is not None:
        head, _ = head_reserve(shape.size // 100, others, limits)
        rows = row_limit(segments, first, limits, shape.parity, head)
        limits = replace(limits, content=rows)
    places = dict(paths(described))

    def writer(number: int, reserved: int) -> Writer:
        final = _path(stem, number, shape)
        if shape.form != "files":
            return VolumeWriter(final, reserved, form=shape.form, observe=packer.observe)
        return FolderWriter(
            final,
            reserved,
            lambda blob: places.get(blob.sha256, f"documents/{blob.sha256}.json"),
            observe=packer.observe,
        )

    begin = Begin(writer=writer, reserve=lambda listed: head_reserve(listed, others, limits))
    return Spreader(begin, limits, first, segments, observe=packer.observe)


def _volume_set(manifest: Manifest, shape: Shape, volumes: Sequence[VolumeSummary]) -> VolumeSet:
    return VolumeSet(
        stream=manifest.stream,
        sequence=manifest.sequence,
        manifest=_sha256(manifest.to_bytes()),
        kind=shape.kind,
        base=shape.base,
        volumes=tuple(volumes),
    )


def _set_bound(manifest: Manifest, shape: Shape, most: int) -> int:
    """The set has each project once, and once more where a volume ends within it."""
    names = sorted(manifest.projects)
    longest = max(names, key=len, default=None)
    first = VolumeSummary(size=LONGEST, parity=False, projects=tuple(names))
    other = VolumeSummary(size=LONGEST, parity=False, projects=(longest,) if longest else ())
    bound = _volume_set(manifest, shape, (first, *[other] * (most + shape.parity)))
    return len(replace(bound, parity=Blob(Sha256("0" * 64), LONGEST)).to_bytes())


def sweep(out: Path, stream: str) -> None:
    """Remove what a run of this stream that was killed has left in the folder.

    Raises:
        BundlerError: as `require_folder`.
    """
    require_folder(out)
    if not out.exists():
        return
    label = rf"{stream}-\d{{6,}}(\.since-\d{{6,}}|\.again)?"
    leftover = re.compile(
        rf"{label}\.v\d+(\.tar(\.zst)?)?\.part|\.{label}\.(locks|verify|parity)\.part"
    )
    for path in out.iterdir():
        if leftover.fullmatch(path.name):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


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
