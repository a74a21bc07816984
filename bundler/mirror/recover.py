"""Rebuilding what lost or damaged volumes would have brought, from the others and from parity.

What a parity volume brings is not vouched for by officers, so it lies in a store of its own, and so
does what is rebuilt until a manifest or a document is found to name it. Media are not asked for
again, and may come in any order: all that is computed from is here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from bundler.archive.joined import DamagedBlobsError
from bundler.archive.keep import Keeper
from bundler.archive.lost import Recovery
from bundler.archive.rebuild import rebuild
from bundler.archive.sliced import Sliced
from bundler.archive.slices import opener_of
from bundler.archive.store import BlobStore
from bundler.disk import require_room
from bundler.errors import DamagedError, IncompleteError
from bundler.events import Noticed, Observer
from bundler.mirror.arrivals import Arrival
from bundler.mirror.early import EarlyChecks
from bundler.mirror.layout import Mirror
from bundler.mirror.named import Named
from bundler.model.artifact import Blob
from bundler.model.parity import ParityDocument
from bundler.trust.gate import Admission

MAX_DOCUMENT: Final = 256 << 20
"""The largest parity document that is read, in bytes; a blob takes about 100."""


def is_parity(admission: Admission) -> bool:
    """Whether a volume brings parity and nothing else."""
    return admission.set.volumes[admission.index.volume - 1].parity


def parity_store(mirror: Mirror, stream: str, sequence: int) -> BlobStore:
    """Where pieces of parity are, until their sequence is live."""
    return BlobStore(_folder(mirror, stream, sequence))


def forget_parity(mirror: Mirror, stream: str, sequence: int) -> None:
    """Drop the parity of a sequence."""
    folder = _folder(mirror, stream, sequence)
    if folder.exists():
        shutil.rmtree(folder)
        with suppress(OSError):  # there is parity of another sequence
            folder.parent.rmdir()


def recover(
    mirror: Mirror, arrived: Sequence[Arrival], early: EarlyChecks, observe: Observer
) -> None:
    """Rebuild what is missing of the sequence of which these volumes were here, as far as can be.

    Raises:
        DamagedError: if the parity does not belong to the volumes, or what is filed is damaged.
        BundlerError: if the disk is full.
    """
    for digest in dict.fromkeys(each.admission.set.parity for each in arrived):
        if digest is None:
            continue
        admission = next(e.admission for e in arrived if e.admission.set.parity == digest)
        store = parity_store(mirror, admission.stream, admission.sequence)
        if store.has(digest):
            document = _read(store, digest)
            named = Named(mirror, admission.manifest, early.expect)
            _Recovery(mirror, store, document, named, early.begin).run(observe)


class _Recovery:
    """The recovery of one set."""

    def __init__(
        self,
        mirror: Mirror,
        store: BlobStore,
        document: ParityDocument,
        named: Named,
        kept: Callable[[Blob], None],
    ) -> None:
        self._mirror = mirror
        self._store = store
        self._document = document
        self._named = named
        self._keeper = Keeper(mirror.store, mirror.has, document.slices, kept)
        self._sliced = Sliced(mirror.store)

    def run(self, observe: Observer) -> None:
        """Rebuild until nothing more can be; then what is named goes where it belongs."""
        while (plan := Recovery.of(self._document, self._has)).blobs:
            require_room(self._store.scratch, plan.size)
            try:
                rebuild(
                    self._document,
                    have=self._has,
                    open_blob=self._open,
                    store=self._store,
                    observe=observe,
                )
            except DamagedBlobsError as error:
                self._drop(error)
                continue
            break
        rebuilt = self._hand_over()
        if rebuilt:
            parts = (self._document.slices.get(blob.sha256) for blob in rebuilt)
            wholes = [
                part.whole if part else blob for part, blob in zip(parts, rebuilt, strict=True)
            ]
            observe(Noticed(f"rebuilt from parity: {self._named.words(wholes)}"))

    def _has(self, blob: Blob) -> bool:
        return self._keeper.has(blob) or self._store.has(blob)

    def _open(self, blob: Blob) -> BinaryIO:
        part = self._document.slices.get(blob.sha256)
        if self._store.has(blob):
            return self._store.open(blob)
        if part is None:
            return self._path(blob).open("rb")
        return opener_of(lambda whole: self._path(whole).open("rb"), part.whole, part.offset)(blob)

    def _path(self, blob: Blob) -> Path:
        return self._mirror.locate(blob) or self._sliced.path(blob)

    def _drop(self, error: DamagedBlobsError) -> None:
        """Remove what is damaged here: then it is lost, and can be rebuilt itself."""
        if not error.blobs:
            raise error
        for blob in error.blobs:
            store = self._store if self._store.has(blob) else self._mirror.store
            if not store.has(blob):
                raise error
            store.path(blob.sha256).unlink()

    def _hand_over(self) -> list[Blob]:
        """Give the mirror what its manifest names, documents first: they name the rest."""
        columns = [blob for column in self._document.columns for blob in column.blobs]
        rebuilt = [blob for blob in dict.fromkeys(columns) if self._store.has(blob)]
        found: list[Blob] = []
        while True:
            self._named.read_documents()
            welcome = [blob for blob in rebuilt if self._is_named(blob)]
            if not welcome:
                return found
            for blob in welcome:
                self._take(blob)
            found += welcome
            rebuilt = [blob for blob in rebuilt if blob not in welcome]

    def _is_named(self, blob: Blob) -> bool:
        part = self._document.slices.get(blob.sha256)
        return self._named.knows(part.whole if part else blob)

    def _take(self, blob: Blob) -> None:
        if not self._keeper.has(blob):
            with self._store.open(blob) as file, self._keeper.open(blob) as copy:
                shutil.copyfileobj(file, copy)
                self._keeper.keep(blob, copy)
        self._store.path(blob.sha256).unlink()


def _read(store: BlobStore, blob: Blob) -> ParityDocument:
    try:
        return ParityDocument.from_bytes(store.read(blob, MAX_DOCUMENT))
    except (ValueError, IncompleteError) as error:
        raise DamagedError(
            f"the parity document {blob.sha256} is not understood: {error}",
            hint="have the missing volumes sent again",
        ) from error


def _folder(mirror: Mirror, stream: str, sequence: int) -> Path:
    return mirror.state / "parity" / f"{stream}-{sequence:06}"
