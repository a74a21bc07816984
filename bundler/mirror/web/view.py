"""What the page of one project shows, gathered from documents that were checked before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from packaging.version import Version

from bundler.mirror.web.about import About
from bundler.mirror.web.markup import Html
from bundler.model.artifact import Sha256, parse_file_name
from bundler.model.contents import WheelContents
from bundler.model.manifest import BundledFile, ProjectDocument

Release: TypeAlias = tuple[Version, Sequence[BundledFile]]

Arrivals: TypeAlias = Mapping[str, int]
"""Of a stream's files, by `file_key`: the sequence that brought each; 0 when that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One project.

    Attributes:
        project: All its files, as installers see them.
        releases: Its files by version, the newest first.
        newest: The one of these that a visitor wants to see.
        streams: Each stream's own document, by the stream's name.
        targets: For which each file is wanted, by its name.
        contents: What is inside the wheels that have something of note.
        about: From the METADATA of `chief`.
        readme: Rendered; None when there is none.
        commit: That the attested file of the newest release was built from.
        arrivals: By stream.
    """

    project: ProjectDocument
    releases: Sequence[Release]
    newest: Release
    streams: Mapping[str, ProjectDocument]
    targets: Mapping[str, frozenset[str]]
    contents: Mapping[Sha256, WheelContents]
    about: About
    readme: Html | None
    commit: str | None
    arrivals: Mapping[str, Arrivals]


def releases(files: Iterable[BundledFile]) -> list[Release]:
    """Files by version, the newest first."""
    found: dict[Version, list[BundledFile]] = {}
    for file in files:
        found.setdefault(parse_file_name(file.filename).version, []).append(file)
    return sorted(found.items(), reverse=True)


def newest(found: Sequence[Release]) -> Release:
    """Not yanked and no pre-release, if there is one; `found` begins with the newest."""
    good = [each for each in found if any(file.yanked is None for file in each[1])]
    final = [each for each in good if not each[0].is_prerelease]
    return (final or good or found)[0]


def targets(documents: Iterable[ProjectDocument]) -> dict[str, frozenset[str]]:
    """For which targets any stream wants each file, by its name."""
    found: dict[str, frozenset[str]] = {}
    for document in documents:
        for file in document.files:
            found[file.filename] = found.get(file.filename, frozenset()) | set(file.targets)
    return found


def file_key(file: BundledFile) -> str:
    """Tells a project's files apart."""
    return file.blob.sha256[:16]
