"""What `create` says of the files that it carries: their documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from packaging.utils import NormalizedName

from bundler.model.manifest import BundledFile, ProjectDocument
from bundler.model.plan import Plan, PlannedFile
from bundler.upstream.vouching import Vouched


@dataclass(frozen=True, slots=True)
class Admitted:
    """A plan whose files may all enter.

    Attributes:
        vouched: By filename, what vouches for each.
    """

    plan: Plan
    vouched: Mapping[str, Vouched]


def documents(admitted: Admitted) -> Iterator[ProjectDocument]:
    """The document of each project."""
    for project, files in groupby(admitted.plan.files, key=lambda file: file.project):
        yield _document(project, tuple(files), admitted)


def _document(
    project: NormalizedName, files: Sequence[PlannedFile], admitted: Admitted
) -> ProjectDocument:
    status, reason = admitted.plan.statuses.get(project, ("active", None))
    listed = (_listed(file, admitted.vouched[file.remote.filename]) for file in files)
    return ProjectDocument(
        name=project,
        files=tuple(sorted(listed, key=lambda file: file.filename)),
        status=status,
        status_reason=reason,
    )


def _listed(file: PlannedFile, vouched: Vouched) -> BundledFile:
    return BundledFile(
        filename=file.remote.filename,
        blob=file.blob,
        metadata=file.metadata,
        index=file.index,
        targets=file.targets,
        required_by=file.required_by,
        requires_python=str(file.requires_python) or None,
        upload_time=file.remote.upload_time,
        yanked=file.remote.yanked,
        provenance=vouched.provenance,
        verdict=vouched.verdict,
        passed_through=vouched.facts.passed_through,
    )
