"""Blobs and a manifest in a mirror's store, as unpacking a bundle leaves them."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from packaging.utils import NormalizedName

from bundler.mirror.layout import Mirror
from bundler.model.artifact import Blob, Sha256, is_sdist, parse_file_name
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument, VerifiedManifest
from bundler.wheel.metadata import read_metadata
from bundler.wheel.sdist import read_sdist

Wheel = tuple[str, bytes]


def blob_of(data: bytes) -> Blob:
    """The name of some bytes."""
    return Blob(Sha256(hashlib.sha256(data).hexdigest()), len(data))


def bundled(wheel: Wheel, **attributes: Any) -> BundledFile:
    """A document's entry for a file; `attributes` replace what it would say."""
    filename, data = wheel
    said: dict[str, Any] = {
        "filename": filename,
        "blob": blob_of(data),
        "metadata": blob_of(_metadata(filename, data)).sha256,
        "index": "rebuilt",
        "targets": ("cp312-linux",),
        "required_by": ("profile",),
    }
    return BundledFile(**{**said, **attributes})


def _metadata(filename: str, data: bytes) -> bytes:
    if is_sdist(filename):
        return read_sdist(io.BytesIO(data), filename).metadata
    return read_metadata(io.BytesIO(data), filename)


def documents_of(files: Iterable[BundledFile]) -> dict[NormalizedName, ProjectDocument]:
    """One document for each project that has files."""
    projects: dict[NormalizedName, list[BundledFile]] = {}
    for file in files:
        projects.setdefault(parse_file_name(file.filename).project, []).append(file)
    return {
        name: ProjectDocument(name=name, files=tuple(sorted(some, key=lambda file: file.filename)))
        for name, some in projects.items()
    }


def deliver(
    mirror: Mirror,
    wheels: Iterable[Wheel],
    documents: Iterable[ProjectDocument] | None = None,
    *,
    stream: str = "web",
    sequence: int = 1,
    created: str = "2026-01-31T12:00:00Z",
) -> VerifiedManifest:
    """Put wheels and documents into the store; the manifest that names them."""
    wheels = list(wheels)
    if documents is None:
        documents = documents_of(bundled(wheel) for wheel in wheels).values()
    for _, data in wheels:
        if not mirror.has(blob_of(data)):
            mirror.store.put(data)
    projects = {document.name: mirror.store.put(document.to_bytes()) for document in documents}
    locks = {"pylock.cp312-linux.toml": mirror.store.put(b'lock-version = "1.0"\n')}
    profile = mirror.store.put(b'[profile]\nname = "web"\n')
    return VerifiedManifest(
        Manifest(
            stream=stream,
            sequence=sequence,
            created=created,
            tool="bundler 0",
            targets=("cp312-linux",),
            profile=profile,
            projects=projects,
            locks=locks,
        )
    )


def without_serials(page: bytes) -> bytes:
    """A page without the numbers of the generations that wrote it: these are a mirror's own."""
    return re.sub(rb',"_last-serial":\d+', b"", page)


def tree(root: Mirror) -> Mapping[str, tuple[int, int]]:
    """Every path of a mirror with its inode and time of change: equal when nothing was touched."""
    found = {}
    for path in sorted(root.root.rglob("*")):
        stat = path.lstat()
        found[str(path.relative_to(root.root))] = (stat.st_ino, stat.st_mtime_ns)
    return found
