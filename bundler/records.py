"""What a stream's folder keeps of its sequences: all that they are made of, but for the files.

STREAMS/STREAM/manifests/000007.json     every manifest; written by `Authority.record`
STREAMS/STREAM/documents/sha256/ab/abcd… what manifests and their documents name, each blob once
STREAMS/STREAM/packed/000007/DIGEST/     the set (of that digest) and the indexes of a packing

It is data and not cache: a delta needs to know its base, and packing a sequence again must need no
officer, also when the cache is lost. What it costs is small, since sequences share most of it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from bundler.archive.store import BlobStore
from bundler.disk import atomic_write, read_whole
from bundler.errors import DamagedError, IncompleteError, RefusedError
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import Manifest, ProjectDocument
from bundler.model.volume import VolumeIndex, is_index_name
from bundler.model.volume_set import VolumeSet, set_name
from bundler.packable import Described
from bundler.trust.authority import Authority

MAX_DOCUMENT: Final = 64 << 20
"""The largest document that is read whole, in bytes."""

_THREADS = 8
_PACKED = "packed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How a sequence was packed once.

    Attributes:
        digest: Of the set, by which the far side names this packing.
        indexes: By the number of the volume.
    """

    volumes: VolumeSet
    digest: Sha256
    indexes: Mapping[int, VolumeIndex]


def documents_of(authority: Authority) -> BlobStore:
    """The documents of all sequences."""
    return BlobStore(authority.folder / "documents")


def keep(
    authority: Authority,
    described: Described,
    packed: Mapping[str, bytes],
    opened: Callable[[Blob], BinaryIO],
) -> None:
    """Keep the documents of a sequence and how it was packed, safe on disk on return.

    To be called before `Authority.record`: what is recorded can be described again. Of older
    sequences how they were packed is forgotten, but for the one before.

    Args:
        authority: Of the stream.
        described: The sequence, with its whole manifest.
        packed: The set and the indexes under their names in a head.
        opened: Gives the bytes of a document.

    Raises:
        DamagedError: if a document is not what its digest says.
        BundlerError: if it cannot be written.
    """
    store, sequence = documents_of(authority), described.manifest.sequence
    wheels = {file.blob for file in described.files()}
    new = [blob for blob in sorted(set(described.blobs()) - wheels) if not store.has(blob)]

    def put(blob: Blob) -> None:
        with opened(blob) as file:
            if store.put(file.read(blob.size + 1)) != blob:
                raise DamagedError(
                    f"the document {blob.sha256} in the cache is damaged",
                    hint="delete this file from the cache, then run the command again",
                )

    # Most of the time is waiting for the disk, which takes several at once.
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(put, new))
    if new:
        store.sync(new)
    name = set_name(authority.stream, sequence)
    home = authority.folder / _PACKED / f"{sequence:06}" / sha256_of(packed[name])
    # The set last: without it, the folder is what a crash has left.
    for each in (*(packed.keys() - {name}), name):
        atomic_write(home / Path(each).name, packed[each])
    for folder in home.parent.parent.iterdir():
        if int(folder.name) < sequence - 1:
            shutil.rmtree(folder)


def read_manifest(authority: Authority, sequence: int) -> bytes:
    """The manifest of a sequence that this host has made.

    Raises:
        RefusedError: if it has made none of this number.
        BundlerError: if it cannot be read.
    """
    path, last = authority.folder / "manifests" / f"{sequence:06}.json", authority.next_sequence - 1
    # A crash may have left a manifest that was never authorised.
    if 1 <= sequence <= last and path.exists():
        return read_whole(path)
    made = f"the last one is {last}" if last else "it has none yet"
    raise RefusedError(
        f"this host has made no sequence {sequence} of {authority.stream}; {made}",
        hint=f"give the number of a sequence that has a file in {path.parent}"
        if last
        else "the first bundle is a full one",
    )


def recorded(authority: Authority, sequence: int) -> Described:
    """A sequence that this host has made, as it was described then.

    Raises:
        RefusedError: if it has made none of this number.
        IncompleteError, DamagedError: if some of its documents are lost or damaged.
    """
    data = read_manifest(authority, sequence)
    try:
        manifest = Manifest.from_bytes(data)
        documents = [
            ProjectDocument.from_bytes(read_document(authority, blob, sequence))
            for blob in manifest.projects.values()
        ]
    except ValueError as error:
        raise DamagedError(
            f"the record of sequence {sequence} of {authority.stream} is damaged: {error}"
        ) from error
    locks = {
        name: read_document(authority, blob, sequence) for name, blob in manifest.locks.items()
    }
    return Described(manifest=manifest, documents=documents, locks=locks)


def read_document(authority: Authority, blob: Blob, sequence: int) -> bytes:
    """A document of a sequence that this host has made.

    Raises:
        IncompleteError, DamagedError: if it is lost or damaged.
    """
    store = documents_of(authority)
    hint = f"put back a copy of {store.root}, or go on with a full bundle"
    try:
        return store.read(blob, MAX_DOCUMENT)
    except IncompleteError as error:
        raise IncompleteError(
            f"the record of sequence {sequence} of {authority.stream} is not whole:"
            f" {store.path(blob.sha256)} is lost",
            hint=hint,
        ) from error
    except DamagedError as error:
        raise DamagedError(
            f"the record of sequence {sequence} of {authority.stream} is damaged:"
            f" {store.path(blob.sha256)} is not what its name says",
            hint=hint,
        ) from error


def packings(authority: Authority, sequence: int) -> tuple[Packing, ...]:
    """How a sequence was packed, as far as it is kept.

    Raises:
        DamagedError: if it is not as it was written.
    """
    home = authority.folder / _PACKED / f"{sequence:06}"
    if not home.is_dir():
        return ()
    sets = home.glob(f"*/{Path(set_name(authority.stream, sequence)).name}")
    return tuple(_packing(path) for path in sorted(sets))


def _packing(path: Path) -> Packing:
    try:
        volumes = VolumeSet.from_bytes(data := read_whole(path))
        indexes = [
            VolumeIndex.from_bytes(read_whole(each))
            for each in path.parent.iterdir()
            if is_index_name(f"transport/{each.name}")
        ]
    except ValueError as error:
        raise DamagedError(
            f"{path.parent} is damaged: {error}", hint="remove it; it says how a bundle was packed"
        ) from error
    return Packing(
        volumes=volumes,
        digest=sha256_of(data),
        indexes={index.volume: index for index in indexes},
    )


def sha256_of(data: bytes) -> Sha256:
    """The digest of a document."""
    return Sha256(hashlib.sha256(data).hexdigest())
