"""The JSON that the package index had before the simple API, for the tools that still ask for it.

It is put together from a project's page and the METADATA beside the wheels, for each request: what
is rarely asked for need not be written at each publication. What an index alone knows, such as
downloads or vulnerabilities, is empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from packaging.metadata import RawMetadata, parse_email
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from bundler.mirror.layout import METADATA_SUFFIX, Mirror
from bundler.mirror.live_pages import LivePages
from bundler.mirror.pages import JSON_NAME
from bundler.model.artifact import is_sdist, parse_file_name

_LIMIT = 4 * 1024 * 1024  # bytes of METADATA
_SAID = (
    "author",
    "author_email",
    "classifiers",
    "description",
    "description_content_type",
    "home_page",
    "keywords",
    "license",
    "license_expression",
    "license_files",
    "maintainer",
    "maintainer_email",
    "platforms",
    "project_urls",
    "provides_extra",
    "requires_dist",
    "requires_python",
    "summary",
)


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file on a project's page: what its name says, its digest, and the page's own words."""

    filename: str
    version: str
    sha256: str
    said: Mapping[str, Any]


def page_files(page: bytes | None) -> dict[str, PageFile]:
    """The files on a JSON page, by filename; none if there is no page."""
    if page is None:
        return {}
    files = {}
    for said in json.loads(page)["files"]:
        name = said["filename"]
        version = str(parse_file_name(name).version)
        files[name] = PageFile(name, version, said["hashes"]["sha256"], said)
    return files


def legacy_json(
    pages: LivePages, name: str, version: str | None, base_url: str, serial: int
) -> bytes | None:
    """What `/pypi/NAME/json` or `/pypi/NAME/VERSION/json` answers; None if there is no such thing.

    Args:
        pages: The mirror's.
        name: The project's, normalized.
        version: As it is written in filenames, or any other spelling of it; None for the newest.
        base_url: Where the mirror's root is, with a slash at its end.
        serial: The number of the live generation.
    """
    files = page_files(pages.raw(name, JSON_NAME)).values()
    releases: dict[str, list[PageFile]] = {}
    for file in sorted(files, key=lambda file: Version(file.version)):
        releases.setdefault(file.version, []).append(file)
    chosen = _newest(releases) if version is None else version
    if chosen is None or chosen not in releases:
        return None
    page_url = f"{base_url}simple/{name}/"
    found: dict[str, object] = {
        "info": _info(pages.mirror, name, chosen, releases[chosen]),
        "last_serial": serial,
        "urls": [_file(file, page_url) for file in releases[chosen]],
        "vulnerabilities": [],
    }
    if version is None:
        found["releases"] = {
            each: [_file(file, page_url) for file in some] for each, some in releases.items()
        }
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def _newest(releases: Mapping[str, Iterable[PageFile]]) -> str | None:
    """The newest final release that is not withdrawn, or the newest of those that are there."""

    def rank(version: str) -> tuple[bool, bool, Version]:
        yanked = all(file.said["yanked"] for file in releases[version])
        parsed = Version(version)
        return not yanked, not parsed.is_prerelease, parsed

    return max(releases, key=rank, default=None)


def _info(mirror: Mirror, name: str, version: str, files: Iterable[PageFile]) -> dict[str, object]:
    said: RawMetadata = {}
    for file in files:
        if not is_sdist(file.filename):
            said = _metadata(mirror, file)
            break
    info: dict[str, object] = {key: said.get(key) for key in _SAID}
    info["keywords"] = ",".join(said.get("keywords", [])) or None
    reasons = [file.said["yanked"] for file in files if file.said["yanked"]]
    reason = next((reason for reason in reasons if isinstance(reason, str)), None)
    return {
        **info,
        "name": said.get("name", name),
        "version": version,
        "yanked": bool(reasons),
        "yanked_reason": reason,
    }


def _metadata(mirror: Mirror, file: PageFile) -> RawMetadata:
    path = mirror.files / file.sha256[:2] / file.sha256 / f"{file.filename}{METADATA_SUFFIX}"
    try:
        with path.open("rb") as opened:
            return parse_email(opened.read(_LIMIT))[0]
    except OSError:
        return {}


def _file(file: PageFile, page_url: str) -> dict[str, object]:
    said = file.said
    time = said.get("upload-time")
    yanked = said["yanked"]
    return {
        "digests": {"sha256": file.sha256},
        "filename": file.filename,
        "has_sig": False,
        "packagetype": "sdist" if is_sdist(file.filename) else "bdist_wheel",
        "python_version": _python(file.filename),
        "requires_python": said.get("requires-python"),
        "size": said["size"],
        "upload_time": time and time[:19],
        "upload_time_iso_8601": time,
        # bandersnatch takes files from no other path than this; the server knows both.
        "url": urljoin(page_url, said["url"].replace("/files/", "/packages/", 1)),
        "yanked": bool(yanked),
        "yanked_reason": yanked if isinstance(yanked, str) else None,
    }


def _python(filename: str) -> str:
    """The field's words: the interpreters of a wheel's tags, or "source"."""
    if is_sdist(filename):
        return "source"
    tags = parse_wheel_filename(filename)[3]
    return ".".join(sorted({tag.interpreter for tag in tags}))
