"""The manifest and the project documents: the signed description of a mirror.

The manifest is the small root of a Merkle tree. It names a project document for each project by
digest, and each project document lists its files. Both are canonical JSON, and both are read
strictly: a key too many, too few or of another type is an error that names its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NewType

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, NormalizedName

from bundler.model.artifact import Blob, Sha256, parse_file_name
from bundler.model.canonical import Json, canonical
from bundler.model.contents import Contents
from bundler.model.document import FORMAT, Reader, normalized
from bundler.model.verdict import ABSENT, Verdict

# With ".provenance" behind it, it must still be a name on every filesystem.
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.!+-]{0,239}\.(?:whl|tar\.gz)", re.ASCII)
_STREAM = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledFile:
    """One file as a project document lists it; see `PlannedFile` for the other attributes.

    Attributes:
        provenance: Its attestations as the index had them; None when there were none.
        verdict: What they prove.
        passed_through: Whether its index did not build it but took it from elsewhere.
    """

    filename: str
    blob: Blob
    metadata: Sha256
    index: str
    targets: tuple[str, ...]
    required_by: tuple[str, ...]
    requires_python: str | None = None
    upload_time: str | None = None
    yanked: str | None = None
    provenance: Blob | None = None
    verdict: Verdict = ABSENT
    passed_through: bool = False

    def blobs(self) -> Iterator[Blob]:
        """The wheel, and what belongs to it."""
        yield self.blob
        if self.provenance is not None:
            yield self.provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectDocument:
    """Every file of one project in the mirror, sorted by filename."""

    name: NormalizedName
    files: tuple[BundledFile, ...]
    status: str = "active"
    status_reason: str | None = None

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "name": self.name,
                "status": self.status,
                "status-reason": self.status_reason,
                "files": [_file_to_json(file) for file in self.files],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ProjectDocument:
        """Read one.

        Raises:
            ValueError: naming the place in the document.
        """
        document = Reader.over(data, "project document")
        name = document.name("name")
        found = cls(
            name=name,
            status=document.text("status"),
            status_reason=document.optional_text("status-reason"),
            files=tuple(_file_from_json(item, name) for item in document.objects("files")),
        )
        document.finish()
        names = [file.filename for file in found.files]
        if names != sorted(set(names)):
            raise ValueError("project document: files are not sorted, or one stands twice")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the whole mirror of a stream is at one sequence.

    Attributes:
        created: UTC, `YYYY-MM-DDThh:mm:ssZ`.
        tool: Program and version that wrote it.
        targets: Names of the targets that it was resolved for.
        profile: The profile as the author wrote it.
        projects: The project document of each project.
        locks: PEP 751 documents by file name.
        trusted_root: What attestations are held against; None when there are none.
        contents: What is inside the wheels; None in a manifest of a version that did not look.
    """

    stream: str
    sequence: int
    created: str
    tool: str
    targets: tuple[str, ...]
    profile: Blob
    projects: Mapping[NormalizedName, Blob]
    locks: Mapping[str, Blob]
    trusted_root: Blob | None = None
    contents: Contents | None = None

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "stream": self.stream,
                "sequence": self.sequence,
                "created": self.created,
                "tool": self.tool,
                "targets": list(self.targets),
                "profile": blob_to_json(self.profile),
                "projects": {name: blob_to_json(blob) for name, blob in self.projects.items()},
                "locks": {name: blob_to_json(blob) for name, blob in self.locks.items()},
                "trusted-root": _optional_blob(self.trusted_root),
                **({} if self.contents is None else {"contents": self.contents.to_json()}),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read one.

        Raises:
            ValueError: naming the place in the document.
        """
        document = Reader.over(data, "manifest")
        found = cls(
            stream=parse_stream(document.text("stream")),
            sequence=document.positive("sequence"),
            created=document.time("created"),
            tool=document.text("tool"),
            targets=document.texts("targets"),
            profile=document.blob("profile"),
            projects={
                normalized(name, "manifest.projects"): blob
                for name, blob in document.blobs("projects").items()
            },
            locks=document.blobs("locks"),
            trusted_root=document.optional_blob("trusted-root"),
            contents=(
                Contents.from_json(document.object("contents"))
                if document.has("contents")
                else None
            ),
        )
        document.finish()
        return found

    def blobs(self) -> Iterator[Blob]:
        """Every blob that the manifest itself names; those of the documents come on top."""
        yield self.profile
        yield from self.projects.values()
        yield from self.locks.values()
        if self.trusted_root is not None:
            yield self.trusted_root
        if self.contents is not None:
            yield from self.contents.documents.values()


VerifiedManifest = NewType("VerifiedManifest", Manifest)
"""A manifest whose signatures were checked; only `bundler.trust.gate` makes one."""


def parse_stream(text: object) -> str:
    """A stream's name: lowercase letters, digits and inner hyphens, at most 64.

    Raises:
        ValueError: if it is anything else.
    """
    if isinstance(text, str) and _STREAM.fullmatch(text):
        return text
    raise ValueError(
        f"{text!r:.80} is not a stream name: lowercase letters, digits, inner hyphens, 64 at most"
    )


def blob_to_json(blob: Blob) -> Json:
    """`{"sha256": …, "size": …}`."""
    return {"sha256": blob.sha256, "size": blob.size}


def _optional_blob(blob: Blob | None) -> Json:
    return None if blob is None else blob_to_json(blob)


def _file_to_json(file: BundledFile) -> Json:
    return {
        "filename": file.filename,
        "sha256": file.blob.sha256,
        "size": file.blob.size,
        "metadata": file.metadata,
        "index": file.index,
        "passed-through": file.passed_through,
        "targets": list(file.targets),
        "required-by": list(file.required_by),
        "requires-python": file.requires_python,
        "upload-time": file.upload_time,
        "yanked": file.yanked,
        "provenance": _optional_blob(file.provenance),
        "verdict": file.verdict.to_json(),
    }


def _file_from_json(document: Reader, project: NormalizedName) -> BundledFile:
    filename = document.text("filename")
    if not _FILENAME.fullmatch(filename):
        raise ValueError(
            f"{document.place}.filename: {filename!r:.160} is no name for a wheel or a source"
            " distribution"
        )
    try:
        if parse_file_name(filename).project != project:
            raise ValueError(f"{document.place}.filename: {filename!r} is not a file of {project}")
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise ValueError(f"{document.place}.filename: {error}") from error
    found = BundledFile(
        filename=filename,
        blob=Blob(document.digest("sha256"), document.size("size")),
        metadata=document.digest("metadata"),
        index=document.text("index"),
        passed_through=document.truth("passed-through"),
        targets=document.texts("targets"),
        required_by=document.texts("required-by"),
        requires_python=document.optional_text("requires-python"),
        upload_time=document.optional_text("upload-time"),
        yanked=document.optional_text("yanked"),
        provenance=document.optional_blob("provenance"),
        verdict=Verdict.from_json(document.object("verdict")),
    )
    document.finish()
    return found
