"""A project's page on an index, whichever form it had on the wire."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.utils import NormalizedName

from bundler.model.artifact import RemoteFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """All files of one project.

    Attributes:
        name: Normalised (PEP 503).
        files: In the page's order; wheels and everything else.
        status: PEP 792 marker, "active" when the page has none.
        status_reason: The index's own words, or None.
    """

    name: NormalizedName
    files: tuple[RemoteFile, ...]
    status: str = "active"
    status_reason: str | None = None
