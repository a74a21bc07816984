"""The source distributions on a page: what may stand in where a project has no wheel for a target.

They are a shelf of their own behind the wheels: one is a choice only when no version that fits has
a wheel for the target, as with pip's `--prefer-binary`. So a newer version without a wheel never
wins over an older one that has it.
"""

from __future__ import annotations

from packaging.utils import InvalidSdistFilename, parse_sdist_filename
from packaging.version import Version

from bundler.model.page import ProjectPage, lazy
from bundler.resolve.select import Releases

_SUFFIXES = (".tar.gz", ".zip")


def group_sdists(page: ProjectPage) -> Releases:
    """The source distributions on a page by version, newest first."""
    listed = lazy(page.files)
    versions: dict[Version, list[int]] = {}
    for place, filename in enumerate(listed.names):
        if filename.endswith(_SUFFIXES):
            try:
                name, version = parse_sdist_filename(filename)
            except (InvalidSdistFilename, ValueError):  # also a number with thousands of digits
                continue
            if name == page.name:
                versions.setdefault(version, []).append(place)
    return {version: listed.pick(versions[version]) for version in sorted(versions, reverse=True)}
