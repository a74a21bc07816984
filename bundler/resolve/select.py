"""Which file of a project a target installs: files and target → candidates, best first.

The order is pip's: newest version first; of a version's wheels the one with the most preferred
tag, then the highest build tag. Pre-releases count when a specifier names one or when nothing else
matches (version specifiers, "Handling of pre-releases"); a yanked file counts only when it is
pinned exactly (PEP 592).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import InvalidVersion, Version

from bundler.model.artifact import RemoteFile, parse_wheel_name
from bundler.model.page import ProjectPage
from bundler.model.target import Target

Releases = Mapping[Version, tuple[RemoteFile, ...]]
"""The wheels of each version, newest version first."""


def group_releases(page: ProjectPage) -> Releases:
    """The wheels on a page by version; files that are no wheels of this project are left out.

    Only project and version are read here: a page lists thousands of files, and a resolution looks
    at few.
    """
    texts: dict[tuple[str, str], list[RemoteFile]] = {}
    for file in page.files:
        if file.filename.endswith(".whl") and (parts := file.filename.split("-", 2))[2:]:
            texts.setdefault((parts[0], parts[1]), []).append(file)
    own = {stem for stem, _ in texts if canonicalize_name(stem) == page.name}
    versions: dict[Version, list[RemoteFile]] = {}
    for (stem, text), files in texts.items():
        try:
            version = Version(text)
        except InvalidVersion:
            continue
        if stem in own:
            versions.setdefault(version, []).extend(files)
    return {version: tuple(versions[version]) for version in sorted(versions, reverse=True)}


def best_wheel(files: tuple[RemoteFile, ...], target: Target) -> RemoteFile | None:
    """The wheel of one version that the target installs, or None when there is none for it."""
    ranked = [(rank, file) for file in files if (rank := _rank(file, target)) is not None]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


@dataclass(frozen=True, slots=True)
class Choice:
    """A version and the wheel of it that the target installs."""

    version: Version
    file: RemoteFile


def choices(releases: Releases, specifier: SpecifierSet, target: Target) -> Iterator[Choice]:
    """Every version that fits, with its wheel, in the order in which pip would try them."""
    exact = _pins_exactly(specifier)
    if specifier.prereleases:
        yield from installable(releases, specifier, target, yanked=exact)
        return
    finals = {version: files for version, files in releases.items() if not version.is_prerelease}
    found = False
    for choice in installable(finals, specifier, target, yanked=exact):
        found = True
        yield choice
    if not found:
        rest = {version: files for version, files in releases.items() if version.is_prerelease}
        yield from installable(rest, specifier, target, yanked=exact)


def installable(
    releases: Releases, specifier: SpecifierSet, target: Target, *, yanked: bool
) -> Iterator[Choice]:
    """Every version that fits, pre-releases too, newest first, with its wheel.

    `yanked` says whether files count that were withdrawn.
    """
    for version, listed in releases.items():
        if not specifier.contains(version, prereleases=True):
            continue
        files = tuple(file for file in listed if yanked or file.yanked is None)
        if (file := best_wheel(files, target)) is not None:
            yield Choice(version, file)


def _pins_exactly(specifier: SpecifierSet) -> bool:
    return any(
        clause.operator == "===" or (clause.operator == "==" and not clause.version.endswith(".*"))
        for clause in specifier
    )


def _rank(file: RemoteFile, target: Target) -> tuple[int, int, str] | None:
    """Smaller is better; None when the target cannot install the file."""
    try:
        name = parse_wheel_name(file.filename)
    except InvalidWheelFilename:
        return None
    tags = target.tags
    ranks = [tags[tag] for tag in name.tags if tag in tags]
    if not ranks or not _python_fits(file.requires_python, target):
        return None
    number, suffix = name.build or (-1, "")
    # Suffixes of equal build numbers are so rare that the filename decides, the same way each time.
    return min(ranks), -number, suffix


def _python_fits(requires_python: str | None, target: Target) -> bool:
    if not requires_python:
        return True
    try:
        return SpecifierSet(requires_python).contains(target.python_version, prereleases=True)
    except InvalidSpecifier:
        return True  # as pip: an index's unreadable value is no reason to lose the file
