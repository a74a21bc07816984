"""Everything that a mirror still needs: what the generations that are kept name, and what waits.

Each name is remembered as sixteen bytes, so that a million files take little memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, TypeVar

from bundler.archive.head import read_head
from bundler.errors import BundlerError, DamagedError, IncompleteError
from bundler.mirror.generations import read_generation
from bundler.mirror.layout import METADATA_SUFFIX, PROVENANCE_SUFFIX, Mirror
from bundler.mirror.union import MAX_DOCUMENT
from bundler.mirror.waiting import waiting_in
from bundler.model.artifact import Blob
from bundler.model.contents import ContentsDocument
from bundler.model.manifest import Manifest, ProjectDocument
from bundler.model.volume import VolumeIndex, is_index_name

_MANIFEST: Final = "manifest.json"
_BESIDE: Final = (METADATA_SUFFIX, PROVENANCE_SUFFIX)

T = TypeVar("T")


class Needed:
    """Marks what must stay; nothing is changed.

    A document that cannot be read is an error: without it nobody knows what else must stay.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._marks: set[bytes] = set()
        self._followed: set[bytes] = set()

    def add_generation(self, number: int) -> None:
        """All that a generation shows.

        Raises:
            DamagedError, IncompleteError: if a document is not as it was written.
        """
        for stream, shown in read_generation(self._mirror, number).streams.items():
            self._add_sequence(shown.manifest, f"the manifest of {stream} in generation {number}")

    def add_waiting(self) -> None:
        """What waits for approval, and what has arrived of sequences that are not complete.

        Raises:
            DamagedError, IncompleteError: if a document is not as it was written.
        """
        for waiting in waiting_in(self._mirror):
            self._add_sequence(waiting.manifest, f"the manifest of {waiting.statement}")
        for path in sorted(self._mirror.arrived.glob("*/*.head")):
            try:
                with path.open("rb") as file:
                    entries = read_head(file).entries
                manifest = Manifest.from_bytes(entries[_MANIFEST])
                indexes = [
                    VolumeIndex.from_bytes(entries[name]) for name in entries if is_index_name(name)
                ]
            except (BundlerError, ValueError, KeyError) as error:
                raise DamagedError(
                    f"{path} is damaged: {error}",
                    hint="delete it, then unpack that volume again, or not",
                ) from error
            for index in indexes:
                for segment in index.segments:
                    self._add(*segment.blobs)
            self._add_named(manifest, whole=False)

    def has_file(self, digest: str, name: str) -> bool:
        """Whether a name in a filed digest's folder must stay."""
        for suffix in _BESIDE:
            name = name.removesuffix(suffix)
        return _mark(digest, name) in self._marks

    def has_blob(self, digest: str) -> bool:
        """Whether a blob in the store must stay."""
        return _mark(digest) in self._marks

    def _add(self, *blobs: Blob) -> None:
        self._marks.update(_mark(blob.sha256) for blob in blobs)

    def _add_sequence(self, blob: Blob, place: str) -> None:
        self._add(blob)
        if self._is_new(blob):
            self._add_named(self._read(blob, place, Manifest.from_bytes), whole=True)

    def _add_named(self, manifest: Manifest, *, whole: bool) -> None:
        """Mark what a manifest names; one that is not `whole` lacks documents."""
        self._add(*manifest.blobs())
        inside = manifest.contents.documents if manifest.contents else {}
        for name, blob in manifest.projects.items():
            if (whole or self._mirror.store.has(blob)) and self._is_new(blob):
                self._add_files(blob, f"the document of {name}")
        for name, blob in inside.items():
            if (whole or self._mirror.store.has(blob)) and self._is_new(blob):
                self._add_sboms(blob, f"what is inside of {name}")

    def _is_new(self, blob: Blob) -> bool:
        """Whether a document was not read yet: generations share most of them."""
        mark = _mark(blob.sha256)
        if mark in self._followed:
            return False
        self._followed.add(mark)
        return True

    def _add_files(self, blob: Blob, place: str) -> None:
        for file in self._read(blob, place, ProjectDocument.from_bytes).files:
            self._add(*file.blobs())
            self._marks.add(_mark(file.blob.sha256, file.filename))

    def _add_sboms(self, blob: Blob, place: str) -> None:
        for wheel in self._read(blob, place, ContentsDocument.from_bytes).wheels:
            self._add(*(sbom.blob for sbom in wheel.sboms))

    def _read(self, blob: Blob, place: str, parse: Callable[[bytes], T]) -> T:
        hint = "nothing was removed; unpack the newest bundle again, or keep fewer generations"
        try:
            return parse(self._mirror.store.read(blob, MAX_DOCUMENT))
        except IncompleteError as error:
            raise IncompleteError(f"{place} is missing", hint=hint) from error
        except (DamagedError, ValueError) as error:
            raise DamagedError(f"{place} is damaged: {error}", hint=hint) from error


def _mark(*words: str) -> bytes:
    return hashlib.blake2b("/".join(words).encode(), digest_size=16).digest()
