"""What a resolution decided: each file that must cross, for which targets, and why."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.model.artifact import Blob, RemoteFile, Sha256
from bundler.model.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A wheel that is wanted by at least one target.

    Attributes:
        remote: Where it is; its name.
        blob: Its digest and size, which the download must meet.
        metadata: The digest of its METADATA as the resolver read it.
        requires_python: As METADATA states it, which pages may not; empty when it does not.
        index: Name of the profile's index that lists it.
        targets: Names of the targets that install it, sorted.
        required_by: Who asked: "profile", or normalised project names, sorted.
    """

    project: NormalizedName
    version: Version
    remote: RemoteFile
    blob: Blob
    metadata: Sha256
    requires_python: SpecifierSet
    index: str
    targets: tuple[str, ...]
    required_by: tuple[str, ...]

    @property
    def release(self) -> tuple[NormalizedName, Version]:
        """The project and version: files of one release share a frame."""
        return self.project, self.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All files for all targets, sorted by project, version and filename.

    Attributes:
        locks: A PEP 751 document for each target, by file name.
        metadata: METADATA of all files, by digest.
        statuses: PEP 792 status and reason of each project that is not simply active.
    """

    targets: tuple[Target, ...]
    files: tuple[PlannedFile, ...]
    locks: dict[str, bytes]
    metadata: dict[Sha256, bytes]
    statuses: dict[NormalizedName, tuple[str, str | None]]
