"""What a mirror shows: the union of every stream's live sequence.

Project documents are read from the store one project at a time and not kept, so memory does not
grow with the mirror. Whoever signs for one stream can make a file of another stream stricter, never
laxer: no stream's word about itself, such as when it was made, decides between two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.utils import NormalizedName

from bundler.errors import DamagedError, IncompleteError
from bundler.mirror.generations import Generation, Shown
from bundler.mirror.layout import Mirror
from bundler.model.artifact import Blob, SdistName, Sha256, WheelName, parse_file_name
from bundler.model.contents import ContentsDocument, WheelContents
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument

MAX_DOCUMENT = 64 * 1024 * 1024
"""Bytes; a project with 10,000 wheels has about 5 MB."""

_STRICTEST_FIRST = ("quarantined", "deprecated", "archived", "active")  # PEP 792


@dataclass(frozen=True, slots=True)
class Union:
    """The manifests that are shown together, sorted by stream."""

    mirror: Mirror
    manifests: tuple[Manifest, ...]

    def names(self) -> list[NormalizedName]:
        """Every project, sorted."""
        return sorted({name for manifest in self.manifests for name in manifest.projects})

    def documents(self, name: NormalizedName) -> Iterator[tuple[str, ProjectDocument]]:
        """What each stream that has the project says of it.

        Raises:
            DamagedError, IncompleteError: as `read_document`.
        """
        for manifest in self.manifests:
            if name in manifest.projects:
                yield manifest.stream, read_document(self.mirror, manifest, name)

    def project(self, name: NormalizedName) -> ProjectDocument:
        """All files of a project, each as the strictest stream has it.

        Raises:
            DamagedError, IncompleteError: as `read_document`.
        """
        return merged(list(self.documents(name)))

    def shown(self) -> Iterator[tuple[Manifest, Blob]]:
        """Each manifest, and the blob that it is."""
        for manifest in self.manifests:
            data = manifest.to_bytes()
            yield manifest, Blob(Sha256(hashlib.sha256(data).hexdigest()), len(data))


def union_with(mirror: Mirror, manifest: Manifest, shown: Generation) -> Union:
    """What is shown once `manifest` takes the place of its stream's former sequence.

    Raises:
        DamagedError, IncompleteError: if another stream's live manifest is not as it was.
    """
    others = {stream: blob for stream, blob in shown.streams.items() if stream != manifest.stream}
    return _union(mirror, [manifest, *_manifests(mirror, others)])


def union_of(mirror: Mirror, shown: Generation) -> Union:
    """What a generation shows.

    Raises:
        DamagedError, IncompleteError: if a manifest is not as it was.
    """
    return _union(mirror, _manifests(mirror, shown.streams))


def unchanged(union: Union, shown: Generation) -> frozenset[NormalizedName]:
    """The projects of which each stream says what it said in `shown`; none if that is not known."""
    try:
        before = _said(union_of(union.mirror, shown))
    except (DamagedError, IncompleteError):
        return frozenset()
    return frozenset(name for name, said in _said(union).items() if before.get(name) == said)


def _said(union: Union) -> dict[NormalizedName, list[object]]:
    """By digests, what all streams say of a project."""
    found: dict[NormalizedName, list[object]] = {}
    for manifest in union.manifests:
        inside = manifest.contents
        documents = inside.documents if inside else {}
        for name, blob in manifest.projects.items():
            said = (manifest.stream, blob, documents.get(name), inside is None)
            found.setdefault(name, []).append(said)
        for each in inside.accepted if inside else ():
            found.setdefault(parse_file_name(each.filename).project, []).append(each)
    return found


def _union(mirror: Mirror, manifests: Iterable[Manifest]) -> Union:
    return Union(mirror, tuple(sorted(manifests, key=lambda item: item.stream)))


def _manifests(mirror: Mirror, streams: Mapping[str, Shown]) -> Iterator[Manifest]:
    for stream, known in streams.items():
        yield _read_manifest(mirror, stream, known.manifest)


def read_document(mirror: Mirror, manifest: Manifest, name: NormalizedName) -> ProjectDocument:
    """One project's document from the store, hashed again.

    Raises:
        IncompleteError: if it is not there.
        DamagedError: if it is not what its digest says, not readable, or of another project.
    """
    place = f"the document of {name} in sequence {manifest.sequence} of {manifest.stream}"
    try:
        data = _read(mirror, manifest.stream, place, manifest.projects[name])
        document = ProjectDocument.from_bytes(data)
    except ValueError as error:
        raise DamagedError(f"{place} is not readable: {error}") from error
    if document.name != name:
        raise DamagedError(f"{place} is one of {document.name}")
    return document


def read_contents(
    mirror: Mirror, manifest: Manifest, name: NormalizedName
) -> dict[Sha256, WheelContents] | None:
    """What the manifest says of the inside of a project's wheels, by their digests.

    None when it does not say, or when the document is missing, which the survey tells.

    Raises:
        DamagedError: if the document is not what its digest says, or not readable.
    """
    inside = manifest.contents
    if inside is None:
        return None
    blob = inside.documents.get(name)
    if blob is None or not mirror.store.has(blob):
        return None if blob else {}
    place = f"what is inside of {name} in sequence {manifest.sequence} of {manifest.stream}"
    try:
        document = ContentsDocument.from_bytes(_read(mirror, manifest.stream, place, blob))
    except ValueError as error:
        raise DamagedError(f"{place} is not readable: {error}") from error
    if document.project != name:
        raise DamagedError(f"{place} is of {document.project}")
    return {wheel.wheel: wheel for wheel in document.wheels}


def _read_manifest(mirror: Mirror, stream: str, blob: Blob) -> Manifest:
    place = f"the manifest of {stream}"
    try:
        return Manifest.from_bytes(_read(mirror, stream, place, blob))
    except ValueError as error:
        raise DamagedError(f"{place} is not readable: {error}") from error


def _read(mirror: Mirror, stream: str, place: str, blob: Blob) -> bytes:
    """A document; one that has changed on disk is removed, so that unpacking again brings it."""
    hint = f"unpack the newest bundle of {stream} again, it brings this document"
    try:
        return mirror.store.read(blob, MAX_DOCUMENT)
    except IncompleteError as error:
        raise IncompleteError(f"{place} is missing", hint=hint) from error
    except DamagedError as error:
        mirror.store.path(blob.sha256).unlink(missing_ok=True)
        raise DamagedError(f"{place} was damaged on this disk, and removed", hint=hint) from error


def merged(documents: Sequence[tuple[str, ProjectDocument]]) -> ProjectDocument:
    """One document from those of several streams: each file as the strictest stream has it."""
    return merge(documents)[0]


def merge(documents: Sequence[tuple[str, ProjectDocument]]) -> tuple[ProjectDocument, list[str]]:
    """One document from those of several streams, and what they disagree on.

    A file is known by what its name means: installers take `Foo-1.0-…` and `foo-1.0-…` for one.
    """
    kept: dict[WheelName | SdistName, tuple[str, BundledFile]] = {}
    conflicts: list[str] = []
    for stream, document in documents:
        for file in document.files:
            key = parse_file_name(file.filename)
            other, known = kept.setdefault(key, (stream, file))
            if conflict := _conflict(stream, file, other, known):
                conflicts.append(conflict)
            elif known.yanked is None and file.yanked is not None:
                kept[key] = other, replace(known, yanked=file.yanked)
    strictest = min((document for _, document in documents), key=_laxness)
    files = sorted((file for _, file in kept.values()), key=lambda file: file.filename)
    return replace(strictest, files=tuple(files)), conflicts


def _conflict(stream: str, file: BundledFile, other: str, known: BundledFile) -> str | None:
    if file.blob != known.blob:
        return (
            f"{file.filename} is {file.blob.sha256} in stream {stream}"
            f" and {known.filename} is {known.blob.sha256} in stream {other}"
        )
    if file.requires_python != known.requires_python:
        return (
            f"{file.filename} requires Python {file.requires_python!r:.80} in stream {stream}"
            f" and {known.requires_python!r:.80} in stream {other}"
        )
    return None


def _laxness(document: ProjectDocument) -> int:
    status = document.status
    # A word that is not known here may forbid anything.
    return _STRICTEST_FIRST.index(status) if status in _STRICTEST_FIRST else -1
