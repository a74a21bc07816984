"""What a mirror shows: the union of every stream's live sequence.

Project documents are read from the store one project at a time and not kept, so memory does not
grow with the mirror.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.utils import NormalizedName

from bundler.errors import DamagedError, IncompleteError, RefusedError
from bundler.mirror.generations import Generation
from bundler.mirror.layout import Mirror
from bundler.model.artifact import Blob
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument

MAX_DOCUMENT = 64 * 1024 * 1024
"""Bytes; a project with 10,000 wheels has about 5 MB."""

_NAMED = 20  # so many names in one message, then their number


@dataclass(frozen=True, slots=True)
class Union:
    """The manifests that are shown together, the newest first."""

    mirror: Mirror
    manifests: tuple[Manifest, ...]

    def names(self) -> list[NormalizedName]:
        """Every project, sorted."""
        return sorted({name for manifest in self.manifests for name in manifest.projects})

    def documents(self, name: NormalizedName) -> Iterator[tuple[str, ProjectDocument]]:
        """What each stream that has the project says of it, the newest first.

        Raises:
            DamagedError, IncompleteError: as `read_document`.
        """
        for manifest in self.manifests:
            if name in manifest.projects:
                yield manifest.stream, read_document(self.mirror, manifest, name)

    def project(self, name: NormalizedName) -> ProjectDocument:
        """All files of a project.

        Where streams say different things of the same file or project, such as whether it is
        yanked, the manifest that was made last knows better.
        """
        documents = [document for _, document in self.documents(name)]
        files: dict[str, BundledFile] = {}
        for document in documents:
            for file in document.files:
                files.setdefault(file.filename, file)
        return ProjectDocument(
            name=name,
            files=tuple(files[filename] for filename in sorted(files)),
            status=documents[0].status,
            status_reason=documents[0].status_reason,
        )


def union_with(mirror: Mirror, manifest: Manifest, shown: Generation) -> Union:
    """What is shown once `manifest` takes the place of its stream's former sequence.

    Raises:
        DamagedError, IncompleteError: if another stream's live manifest is not as it was.
    """
    others = [
        _read_manifest(mirror, stream, known.manifest)
        for stream, known in shown.streams.items()
        if stream != manifest.stream
    ]
    newest_first = sorted(
        [manifest, *others], key=lambda item: (item.created, item.stream), reverse=True
    )
    return Union(mirror, tuple(newest_first))


def read_document(mirror: Mirror, manifest: Manifest, name: NormalizedName) -> ProjectDocument:
    """One project's document from the store, hashed again.

    Raises:
        IncompleteError: if it is not there.
        DamagedError: if it is not what its digest says, not readable, or of another project.
    """
    place = f"the document of {name} in sequence {manifest.sequence} of {manifest.stream}"
    try:
        document = ProjectDocument.from_bytes(
            mirror.store.read(manifest.projects[name], MAX_DOCUMENT)
        )
    except ValueError as error:
        raise DamagedError(f"{place} is not readable: {error}") from error
    if document.name != name:
        raise DamagedError(f"{place} is one of {document.name}")
    return document


def require_complete(mirror: Mirror, manifest: Manifest) -> list[BundledFile]:
    """Every wheel of a manifest, once it is known that nothing which it names is missing.

    Raises:
        IncompleteError: naming what is.
        DamagedError: as `read_document`.
    """
    parts = [("the profile", manifest.profile), *sorted(manifest.locks.items())]
    missing = [name for name, blob in parts if not mirror.has(blob)]
    files: list[BundledFile] = []
    for name in sorted(manifest.projects):
        if mirror.has(manifest.projects[name]):
            files += read_document(mirror, manifest, name).files
        else:
            missing.append(f"the document of {name}")
    missing += [file.filename for file in files if not mirror.has(file.blob)]
    if missing:
        raise IncompleteError(
            f"sequence {manifest.sequence} of {manifest.stream} is not complete, missing"
            f" {'is' if len(missing) == 1 else 'are'} {_some(missing)}",
            hint="unpack the other volumes, or ask for a bundle that carries these files",
        )
    return files


def refuse_conflicts(union: Union) -> None:
    """One filename is one file, in all streams.

    Raises:
        RefusedError: naming each file that two streams have with different digests.
    """
    conflicts: list[str] = []
    for name in union.names():
        known: dict[str, tuple[str, Blob]] = {}
        for stream, document in union.documents(name):
            for file in document.files:
                other, blob = known.setdefault(file.filename, (stream, file.blob))
                if blob != file.blob:
                    conflicts.append(
                        f"{file.filename} is {file.blob.sha256} in stream {stream}"
                        f" and {blob.sha256} in stream {other}"
                    )
    if conflicts:
        raise RefusedError(
            _some(conflicts, "; "),
            hint="resolve both streams from the same index, or give one of them its own mirror",
        )


def _read_manifest(mirror: Mirror, stream: str, blob: Blob) -> Manifest:
    try:
        return Manifest.from_bytes(mirror.store.read(blob, MAX_DOCUMENT))
    except ValueError as error:
        raise DamagedError(f"the manifest of {stream} is not readable: {error}") from error


def _some(names: list[str], separator: str = ", ") -> str:
    rest = len(names) - _NAMED
    more = f"{separator}and {rest} more" if rest > 0 else ""
    return separator.join(names[:_NAMED]) + more
