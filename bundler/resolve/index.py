"""What a resolution asks of an index: the seam between planning and the network."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from packaging.utils import NormalizedName

from bundler.model.artifact import Blob, RemoteFile, Sha256
from bundler.model.page import ProjectPage


@dataclass(frozen=True, slots=True)
class WheelFacts:
    """What is known of a wheel without the whole of it: its METADATA, digest and size.

    Of a source distribution METADATA is the static metadata of `bundler.wheel.sdist`.

    Attributes:
        build_requires: What the build of a source distribution needs; a wheel needs nothing.
    """

    metadata: bytes
    blob: Blob
    build_requires: tuple[str, ...] = ()

    @property
    def metadata_sha256(self) -> Sha256:
        """The digest of METADATA."""
        return Sha256(hashlib.sha256(self.metadata).hexdigest())


class Index(Protocol):
    """Project pages and wheel metadata, each asked for once and remembered.

    `page` and `facts` start the work and return at once, so that a caller who will need something
    soon can ask early. Errors (`NotFoundError`, `NetworkError`, `RefusedError`) come from
    `result()`.
    """

    name: str

    def page(self, project: NormalizedName) -> Future[ProjectPage]:
        """The page of a project."""

    def facts(self, file: RemoteFile) -> Future[WheelFacts]:
        """Metadata, digest and size of a wheel or source distribution that a page lists."""

    def origin(self, project: NormalizedName) -> str:
        """The name of the index that a project comes from, once its page was found."""

    def close(self) -> None:
        """Forget everything: nothing more will be asked. A second call does nothing."""
