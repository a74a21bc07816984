"""What a manifest names, as far as its documents have arrived.

The packing host signs which blobs are in a volume. It must not be able to bring in others than
those that the officers signed: the manifest, and the documents that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from packaging.utils import NormalizedName

from bundler.errors import DamagedError
from bundler.mirror.layout import Mirror
from bundler.mirror.survey import parts_of
from bundler.mirror.union import read_document
from bundler.model.artifact import Blob
from bundler.model.manifest import Manifest, ProjectDocument, VerifiedManifest
from bundler.model.volume import Segment, VerifiedIndex

_NAMED: Final = 10


class Named:
    """The blobs of a manifest and what people call them.

    Attributes:
        unread: Projects whose document has not arrived, so that their files are not known.
    """

    def __init__(
        self,
        mirror: Mirror,
        manifest: VerifiedManifest,
        seen: Callable[[Manifest, ProjectDocument], None] = lambda _manifest, _document: None,
    ) -> None:
        """`seen` is called with each document that is read."""
        self._seen = seen
        self.manifest = manifest
        self.unread = set(manifest.projects)
        self._mirror = mirror
        self._names = {blob: what for what, blob in parts_of(manifest)}
        self._projects: dict[Blob, NormalizedName] = {}
        for name, blob in manifest.projects.items():
            self._projects[blob] = name

    def read_documents(self) -> None:
        """Read the documents that have arrived since.

        Raises:
            DamagedError: if one is not what was signed.
        """
        for project in sorted(self.unread):
            if self._mirror.store.has(self.manifest.projects[project]):
                document = read_document(self._mirror, self.manifest, project)
                self._seen(self.manifest, document)
                for file in document.files:
                    self._name(file.blob, file.filename, project)
                    if file.provenance is not None:
                        self._name(file.provenance, f"the provenance of {file.filename}", project)
                self.unread.discard(project)

    def knows(self, blob: Blob) -> bool:
        """Whether an officer's signature covers it, as far as one can tell now."""
        return blob in self._names

    def project(self, blob: Blob) -> NormalizedName | None:
        """Whose blob it is; None where it belongs to all."""
        return self._projects.get(blob)

    def missing(self) -> list[Blob]:
        """All that is named and not here; nothing is read but documents."""
        self.read_documents()
        return [blob for blob in self._names if not self._mirror.has(blob)]

    def words(self, blobs: Iterable[Blob]) -> str:
        """What people call these: ten names at most, then how many more."""
        return some(sorted({self._names.get(blob, blob.sha256) for blob in blobs}))

    def _name(self, blob: Blob, name: str, project: NormalizedName) -> None:
        self._names.setdefault(blob, name)
        self._projects.setdefault(blob, project)


def some(names: list[str]) -> str:
    """Ten names at most, then how many more."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def wholes(index: VerifiedIndex, blobs: Iterable[Blob]) -> list[Blob]:
    """What officers signed of these: in place of a part, the blob that it is of."""
    parts = (index.slices.get(blob.sha256) for blob in blobs)
    return [part.whole if part else blob for part, blob in zip(parts, blobs, strict=True)]


class Welcome:
    """Decides which blobs of one volume may come in: those that are named, each once."""

    def __init__(self, named: Named, index: VerifiedIndex) -> None:
        self._named = named
        self._index = index
        self._seen: set[Blob] = set()

    def check(self, segment: Segment) -> bool:
        """Whether a segment may come in; False while a document that may name its blobs is missing.

        Raises:
            DamagedError: if a blob of it is named by nobody, or came already.
        """
        blobs = set(segment.blobs)
        if len(blobs) < len(segment.blobs) or blobs & self._seen:
            raise DamagedError(f"the volume brings a blob twice ({segment.label})")
        self._seen |= blobs
        strange = self._strange(segment)
        if strange and self._named.unread:
            self._named.read_documents()
            strange = self._strange(segment)
        if strange and not self._named.unread:
            raise DamagedError(
                f"the volume brings {min(strange).sha256} ({segment.label}), which the manifest"
                " does not name",
                hint="whoever packed it added something; do not use it, ask the sender",
            )
        return not strange

    def _strange(self, segment: Segment) -> list[Blob]:
        signed = wholes(self._index, segment.blobs)
        return [blob for blob in signed if not self._named.knows(blob)]
