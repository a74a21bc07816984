"""What is packed: a whole mirror as its documents state it, and how its volumes shall be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.archive.wanted import Wanted
from bundler.model.artifact import Blob, Sha256, is_sdist, parse_file_name
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument
from bundler.model.volume import Form
from bundler.model.volume_set import Base, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A whole mirror as its documents state it.

    Attributes:
        documents: Those that the manifest names, in its order.
        locks: What the manifest's locks are, by file name.
    """

    manifest: Manifest
    documents: Sequence[ProjectDocument]
    locks: Mapping[str, bytes]

    def files(self) -> Iterator[BundledFile]:
        """Every file of every project."""
        for document in self.documents:
            yield from document.files

    def releases(self) -> Iterator[tuple[NormalizedName, Version, list[BundledFile]]]:
        """The files of each release, sorted by project, version and filename."""
        for document in self.documents:
            found: dict[Version, list[BundledFile]] = {}
            for file in sorted(document.files, key=lambda file: file.filename):
                found.setdefault(parse_file_name(file.filename).version, []).append(file)
            for version in sorted(found):
                yield document.name, version, found[version]

    def blobs(self) -> Iterator[Blob]:
        """Every blob that a mirror needs for it; some may come twice."""
        yield from self.manifest.blobs()
        for file in self.files():
            yield from file.blobs()


class Ending(Protocol):
    """What a manifest says last: it is known when every file was read."""

    def largest(self, manifest: Manifest) -> Manifest:
        """The manifest, with an ending as long as it can be."""

    def complete(self, manifest: Manifest) -> Manifest:
        """The manifest with its ending, whose blobs can be opened now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blobs:
    """Where blobs come from: `open` may wait for a download, `give_up` ends such waiting."""

    open: Callable[[Blob], BinaryIO]
    give_up: Callable[[], None]


def _everything(_blob: Blob) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the volumes of a set shall be.

    Attributes:
        size: Of each, at most, in bytes; None for one as large as needed.
        form: How blobs lie in them.
        parity: How many volumes of parity there are beside them.
        kind: What the set is to the far side.
        base: What a delta builds upon.
        wanted: Which blobs are packed.
    """

    size: int | None = None
    form: Form = "zst"
    parity: int = 0
    kind: Kind = "full"
    base: Base | None = None
    wanted: Callable[[Blob], bool] = _everything

    def parity_need(self, packed: int) -> int:
        """Bytes on disk for parity over so many: its volumes, and its pieces until these are."""
        return 2 * self.parity * min(packed, self.size or packed)


def documents(described: Described, shape: Shape) -> Wanted | None:
    """What explains the rest: the profile, the project documents, the locks, the trust root.

    What is inside of the wheels is not among them: that is known last.
    """
    blobs = sorted(set(replace(described.manifest, contents=None).blobs()))
    return _filtered(Wanted(label="documents", blobs=blobs), shape)


def releases(described: Described, shape: Shape) -> Iterator[Wanted]:
    """The wheels of each release side by side: they share most bytes, whatever their platforms.

    What several releases have, such as one attestation of all of them, is with the first.
    """
    seen: set[Blob] = set()
    for project, version, files in described.releases():
        kind = " sdist" if any(is_sdist(file.filename) for file in files) else ""
        found = (*(file.blob for file in files), *(f.provenance for f in files if f.provenance))
        blobs = [blob for blob in dict.fromkeys(found) if blob not in seen]
        seen.update(blobs)
        wanted = Wanted(
            label=f"{project} {version}{kind}",
            blobs=blobs,
            projects=(project,),
        )
        if chosen := _filtered(wanted, shape):
            yield chosen


def contents(manifest: Manifest, shape: Shape) -> Iterator[Wanted]:
    """What is inside of the wheels, behind them: a segment, if there is anything."""
    if manifest.contents is not None and manifest.contents.documents:
        blobs = sorted(set(manifest.contents.documents.values()))
        if found := _filtered(Wanted(label="contents", blobs=blobs), shape):
            yield found


def paths(described: Described) -> Iterator[tuple[Sha256, str]]:
    """Where each blob lies in a folder of plain files; other blobs are named by their digests."""
    manifest = described.manifest
    yield manifest.profile.sha256, "documents/profile.toml"
    if manifest.trusted_root is not None:
        yield manifest.trusted_root.sha256, "documents/trusted-root.json"
    for name, blob in manifest.locks.items():
        yield blob.sha256, f"documents/{name}"
    for project, blob in manifest.projects.items():
        yield blob.sha256, f"documents/project.{project}.json"
    for file in described.files():
        yield file.blob.sha256, f"files/{file.filename}"
        if file.provenance is not None:
            yield file.provenance.sha256, f"files/{file.filename}.provenance"


def _filtered(wanted: Wanted, shape: Shape) -> Wanted | None:
    blobs = [blob for blob in wanted.blobs if shape.wanted(blob)]
    return replace(wanted, blobs=blobs) if blobs else None
