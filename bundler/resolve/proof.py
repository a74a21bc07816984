"""The proof that a bundle is complete: every target is resolved again from what is in it alone.

What the index has counts no more. The files are those that the documents to be signed list, and
METADATA is taken by the digest that stands there; that each wheel has that METADATA was seen when
it came. Of what is there for other targets, nothing is in sight: each target's own files must do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace

from packaging.utils import NormalizedName

from bundler.errors import BundlerError, NotFoundError
from bundler.model.artifact import RemoteFile, Sha256
from bundler.model.manifest import BundledFile, ProjectDocument
from bundler.model.page import ProjectPage
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.explain import explain
from bundler.resolve.index import WheelFacts
from bundler.resolve.resolution import Resolution
from bundler.resolve.solution import Conflict
from bundler.resolve.solve import solve

_HINT = "please report this: the bundle was not signed"


class BundledIndex:
    """Implements `bundler.resolve.index.Index` over the documents of a bundle."""

    name = "the bundle"

    def __init__(
        self, documents: Iterable[ProjectDocument], metadata: Mapping[Sha256, bytes]
    ) -> None:
        """`metadata` is METADATA by its digest."""
        self._documents = {document.name: document for document in documents}
        self._files = {file.filename: file for d in self._documents.values() for file in d.files}
        self._metadata = metadata

    def page(self, project: NormalizedName) -> Future[ProjectPage]:
        """The page that the mirror will have."""
        found: Future[ProjectPage] = Future()
        document = self._documents.get(project)
        if document is None:
            found.set_exception(NotFoundError(f"the bundle has no project {project}"))
        else:
            files = tuple(_listed(file) for file in document.files)
            found.set_result(ProjectPage(name=project, files=files, status=document.status))
        return found

    def facts(self, file: RemoteFile) -> Future[WheelFacts]:
        """METADATA, digest and size of a wheel in the bundle."""
        found: Future[WheelFacts] = Future()
        bundled = self._files[file.filename]
        if bundled.metadata not in self._metadata:
            found.set_exception(BundlerError(f"{file.filename}: its METADATA is not at hand"))
        else:
            found.set_result(WheelFacts(self._metadata[bundled.metadata], bundled.blob))
        return found

    def origin(self, _project: NormalizedName) -> str:
        """Itself."""
        return self.name

    def close(self) -> None:
        """Nothing is open."""


def _listed(file: BundledFile) -> RemoteFile:
    return RemoteFile(
        filename=file.filename,
        url=file.filename,
        sha256=file.blob.sha256,
        size=file.blob.size,
        requires_python=file.requires_python,
        yanked=file.yanked,
        upload_time=file.upload_time,
    )


def prove_closure(resolution: Resolution, bundle: BundledIndex) -> None:
    """Resolve again what was resolved, and see the same come out.

    Raises:
        BundlerError: naming target and project, if a target would lack something inside.
    """
    catalogue = Catalogue(bundle, bundle.name)
    for solution, _ in resolution.closures():
        planned = {pin.file.filename for pin in solution.pins.values()}
        versions = {project: pin.version for project, pin in solution.pins.items()}
        outcome = solve(replace(solution.terms, only=planned, preferred=versions), catalogue)
        if isinstance(outcome, Conflict):
            story = "\n".join(f"  {line}" for line in explain(outcome.causes, outcome.dependencies))
            raise BundlerError(
                f"{solution.target.name} cannot be installed from the bundle alone:\n{story}",
                hint=_HINT,
            )
        found = {pin.file.filename for pin in outcome.pins.values()}
        if found != planned:
            wrong = ", ".join(sorted(found ^ planned))
            raise BundlerError(
                f"{solution.target.name} gets something else from the bundle alone: {wrong}",
                hint=_HINT,
            )
