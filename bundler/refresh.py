"""New dates for a bundle that lay too long: packing, snapshot and timestamp are signed again.

What officers signed stays as it is, and so does every frame: what changes is the head. Volumes are
never changed where they lie; copies are written, and each frame is hashed on the way.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from bundler.archive.head import encode_head, read_head
from bundler.disk import no_room_explained, sync_folder
from bundler.errors import BundlerError, DamagedError, IncompleteError, TrustError
from bundler.events import Advanced, Finished, Observer, Started
from bundler.model.artifact import Sha256
from bundler.model.manifest import Manifest
from bundler.model.volume import VolumeIndex, is_index_name
from bundler.model.volume_set import set_name
from bundler.packing import Packer
from bundler.records import Packing, packings, read_manifest
from bundler.trust.authority import Authority
from bundler.trust.metadata import MANIFEST

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """Copies with new dates; `manifest` is what they carry."""

    volumes: tuple[Path, ...]
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class _Old:
    """A volume as it lies there."""

    path: Path
    size: int
    manifest: bytes
    index: VolumeIndex
    set_bytes: bytes


def refresh(volumes: Sequence[Path], out: Path, packer: Packer) -> Refreshed:
    """Copy the volumes of the stream's last sequence into `out`, with signatures of today.

    Raises:
        TrustError: if they are not what this stream's host packed last, or a key is missing.
        IncompleteError: if not all volumes of the sequence are given.
        DamagedError: if a volume is not as it was packed.
        BundlerError: if a copy cannot be written; no copy is left then.
    """
    authority = packer.authority
    olds = sorted((_read(path) for path in volumes), key=lambda old: old.index.volume)
    manifest = _check(olds, authority)
    roots = {name: _sha256(data) for name, data in authority.root_chain().items()}
    indexes = [replace(old.index, head=roots) for old in olds]
    both = {set_name(manifest.stream, manifest.sequence): olds[0].set_bytes}
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        copies = [stack.enter_context(_copy(old, out, packer.observe)) for old in olds]
        head = authority.authorise(
            olds[0].manifest,
            manifest.sequence,
            {**both, **{index.name: index.to_bytes() for index in indexes}},
            packer.signers,
            packer.now,
        )
        # The head is encoded before anything is recorded: a root more may not fit.
        heads = [
            encode_head(
                {**head, MANIFEST: old.manifest, **both, index.name: index.to_bytes()},
                old.size,
                index.form,
            )
            for old, index in zip(olds, indexes, strict=True)
        ]
        authority.record(manifest.sequence, olds[0].manifest, head)
        for copy, data in zip(copies, heads, strict=True):
            copy.seek(0)
            copy.write(data)
            copy.flush()
            os.fsync(copy.fileno())
            Path(copy.name).rename(copy.name.removesuffix(_PART))
    sync_folder(out)
    return Refreshed(volumes=tuple(out / old.path.name for old in olds), manifest=manifest)


_PART = ".part"


def _read(path: Path) -> _Old:
    if path.is_dir():
        raise BundlerError(
            f"{path} is a folder, which gets no new dates",
            hint=f"pack it again: bundle revolume {path} --as-files -o DIR",
        )
    try:
        with path.open("rb") as file:
            head = read_head(file)
    except OSError as error:
        raise BundlerError(f"{path}: {error.strerror or error}".lower()) from error
    names = [name for name in head.entries if is_index_name(name)]
    if len(names) != 1 or MANIFEST not in head.entries:
        raise DamagedError(f"the head of {path} has no manifest or not one index")
    data = head.entries[names[0]]
    try:
        index = VolumeIndex.from_bytes(data)
    except ValueError as error:
        raise DamagedError(f"{path}: {error}") from error
    both = head.entries.get(set_name(index.stream, index.sequence))
    if both is None:
        raise DamagedError(f"the head of {path} has no set")
    return _Old(path, head.size, head.entries[MANIFEST], index, both)


def _check(olds: Sequence[_Old], authority: Authority) -> Manifest:
    """They are the volumes of one packing of the last sequence, as this host has kept it."""
    last = authority.next_sequence - 1
    if not last:
        raise TrustError(f"{authority.stream} has no sequence yet", hint="run: bundle create")
    known = {each.digest: each for each in packings(authority, last)}
    for old in olds:
        if (old.index.stream, old.index.sequence) != (authority.stream, last):
            raise TrustError(
                f"{old.path} is sequence {old.index.sequence} of {old.index.stream}; only the last"
                f" one of {authority.stream}, {last}, can get new dates",
                hint="an older one would be refused wherever the last one has arrived",
            )
        packing = known.get(_sha256(old.set_bytes))
        index = packing.indexes.get(old.index.volume) if packing else None
        # Roots may have been added since, as new dates do.
        if index is None or replace(index, head={}) != replace(old.index, head={}):
            raise TrustError(
                f"{old.path} is not what this host packed as sequence {last}",
                hint="give the volumes that `bundle create` or the last refresh wrote",
            )
    _check_whole(olds, known[_sha256(olds[0].set_bytes)])
    manifest = read_manifest(authority, last)
    if any(old.manifest != manifest for old in olds):
        raise TrustError(f"a volume has another manifest than sequence {last} was made with")
    return Manifest.from_bytes(manifest)


def _check_whole(olds: Sequence[_Old], packing: Packing) -> None:
    """All volumes of one packing, each once."""
    if any(old.set_bytes != olds[0].set_bytes for old in olds):
        raise TrustError(
            "these volumes were not packed together",
            hint="a delta, a full bundle and what was sent again get new dates one after another",
        )
    if missing := packing.indexes.keys() - {old.index.volume for old in olds}:
        names = ", ".join(packing.indexes[number].stem for number in sorted(missing))
        raise IncompleteError(
            f"all volumes of a sequence get new dates together; missing: {names}",
            hint="give every volume of the sequence",
        )


@contextmanager
def _copy(old: _Old, out: Path, observe: Observer) -> Iterator[BinaryIO]:
    """A copy of everything behind the head, under a name of its own that goes if it keeps it."""
    final = out / old.path.name
    if final.exists():
        raise BundlerError(
            f"{final} exists already", hint="give another folder with -o; volumes never change"
        )
    part = final.with_name(f"{final.name}{_PART}")
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as copy, no_room_explained(out, old.index.size):
            with old.path.open("rb") as source:
                source.seek(old.size)
                copy.seek(old.size)
                _copy_frames(old, source, copy, observe)
            yield copy
    finally:
        part.unlink(missing_ok=True)


def _copy_frames(old: _Old, source: BinaryIO, copy: BinaryIO, observe: Observer) -> None:
    observe(Started("copy", old.index.size - old.size))
    for frame in old.index.frames():
        left, digest = frame.size, hashlib.sha256()
        while left and (piece := source.read(min(left, _PIECE))):
            digest.update(piece)
            copy.write(piece)
            observe(Advanced("copy", len(piece)))
            left -= len(piece)
        if left or digest.hexdigest() != frame.sha256:
            raise DamagedError(
                f"{old.path} is damaged: the frame at {frame.offset} is not what was packed",
                hint="take another copy of this volume, or run `bundle create` again",
            )
    if source.read(1):
        raise DamagedError(f"{old.path} is longer than it was when it was packed")
    observe(Finished("copy", old.path.name))


def _sha256(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())
