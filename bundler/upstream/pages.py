"""Project pages: bytes to `ProjectPage`, for HTML (PEP 503) and JSON (PEP 691); no input or output.

Both forms end as the same value. A page that breaks a rule which matters to us is refused as a
whole, with the place; keys and attributes that we do not know are ignored, as PEP 629 asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from html import unescape
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import NormalizedName, canonicalize_name

from bundler.errors import NetworkError
from bundler.model.artifact import RemoteFile, Sha256, parse_sha256
from bundler.model.page import ProjectPage
from bundler.upstream.urls import shown

JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"
HTML_TYPES: Final = frozenset({"application/vnd.pypi.simple.v1+html", "text/html"})
ACCEPT: Final = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
"""What to ask for: JSON before HTML (PEP 691, "Version + Format Selection")."""

_ACTIVE: Final = "active"
_Attributes = list[tuple[str, str | None]]


def parse_page(body: bytes, content_type: str, url: str, project: NormalizedName) -> ProjectPage:
    """The page of `project`, which came from `url` (after redirects) as `content_type`.

    Raises:
        NetworkError: naming `url`, the place and what is wrong there.
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == JSON_TYPE:
            return _from_json(body, url, project)
        if kind in HTML_TYPES:
            return _from_html(body, url, project)
    except UnicodeDecodeError as error:
        raise NetworkError(f"{shown(url)}: not UTF-8: {error.reason}") from error
    except ValueError as error:
        raise NetworkError(f"{shown(url)}: {error}") from error
    raise NetworkError(
        f"{shown(url)}: not an index page: its content type is {kind or 'missing'!r:.80}",
        hint="give the address that pip takes as its index URL; it often ends in /simple/",
    )


# HTML (PEP 503, 592, 629, 658, 714, 792)


# Almost all of a long page is a run of anchors as PEP 503 shows them: quoted attributes, text, and
# a line break. A run is matched at once, in half the time that html.parser takes; everything else
# on the page, and every page that is written in another way, goes through html.parser.
_PLAIN_ANCHOR = re.compile(r'<a((?: [a-z-]+="[^"<>]*")+) ?>[^<>&]*</a>(?:<br ?/?>)?\s*')
_unescape = lru_cache(maxsize=1024)(unescape)  # a page repeats a few values thousands of times
_ATTRIBUTE = re.compile(r' ([a-z-]+)="([^"]*)"')


def _from_html(body: bytes, url: str, project: NormalizedName) -> ProjectPage:
    parser = _Anchors(url)
    text = body.decode()
    start = max(text.find("<a "), 0)
    try:
        parser.feed(text[:start])
        parser.feed(text[parser.take_run(text, start) :])
        parser.close()
    except AssertionError as error:
        # html.parser before Python 3.13 raises it for an unknown "<![" declaration.
        raise ValueError(f"not HTML: {error}") from error
    _check_version(parser.meta.get("pypi:repository-version", "1.0"))
    return ProjectPage(
        name=project,
        files=tuple(parser.files),
        status=parser.meta.get("pypi:project-status", _ACTIVE),
        status_reason=parser.meta.get("pypi:project-status-reason"),
    )


class _Anchors(HTMLParser):
    """Collects files from anchors, and the page's `meta` elements."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = url
        self.based = False
        self.files: list[RemoteFile] = []
        self.meta: dict[str, str] = {}

    def take_run(self, text: str, start: int) -> int:
        """Take the plain anchors that begin at `start`; where they end, or `start`."""
        # Text that is held back, or a script, would give the anchors another meaning.
        if self.rawdata or self.cdata_elem:
            return start
        for match in _PLAIN_ANCHOR.finditer(text, start):
            if match.start() != start:
                break
            pairs = _ATTRIBUTE.findall(match[1])
            self._add({name: _unescape(value) if "&" in value else value for name, value in pairs})
            start = match.end()
        return start

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        if tag == "a":
            self._add(dict(attrs))
        elif tag == "meta":
            attributes = dict(attrs)
            self.meta[attributes.get("name") or ""] = attributes.get("content") or ""
        elif tag == "base" and not self.based:
            self.base = urljoin(self.base, dict(attrs).get("href") or "")
            self.based = True

    def _add(self, attributes: Mapping[str, str | None]) -> None:
        href = attributes.get("href")
        if href is not None:
            file = _anchor(self.base, href.strip(), attributes)
            if file is not None:
                self.files.append(file)


def _anchor(base: str, href: str, attributes: Mapping[str, str | None]) -> RemoteFile | None:
    url, _, fragment = _absolute(base, href).partition("#")
    segment = url.partition("?")[0].rpartition("/")[2]
    if not segment:
        return None  # a folder, such as a way back to the list of projects
    # As pip and uv do, the name is taken from the address; PEP 503 wants the text to be the same.
    filename = _filename(unquote(segment) if "%" in segment else segment)
    known, digest = _html_metadata(filename, attributes)
    size = attributes.get("data-size")
    if size is not None and not (size.isascii() and size.isdigit()):
        raise ValueError(f"{filename}: data-size is {size!r:.40}")
    return RemoteFile(
        filename=filename,
        url=url,
        sha256=_fragment_digest(filename, fragment),
        size=None if size is None else int(size),
        requires_python=attributes.get("data-requires-python") or None,
        yanked=(attributes["data-yanked"] or "") if "data-yanked" in attributes else None,
        upload_time=attributes.get("data-upload-time") or None,
        has_metadata=known,
        metadata_sha256=digest,
    )


def _fragment_digest(filename: str, fragment: str) -> Sha256 | None:
    for part in fragment.split("&"):
        if part.startswith("sha256="):
            return _digest(filename, part[7:])
    return None


def _html_metadata(
    filename: str, attributes: Mapping[str, str | None]
) -> tuple[bool, Sha256 | None]:
    for name in ("data-core-metadata", "data-dist-info-metadata"):
        if name in attributes:
            value = attributes[name] or ""
            digest = value.removeprefix("sha256=")
            return value != "false", _digest(filename, digest) if digest != value else None
    return False, None


# JSON (PEP 691, 592, 700, 714, 792)


def _from_json(body: bytes, url: str, project: NormalizedName) -> ProjectPage:
    try:
        document = json.loads(body.decode())
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    page = _object(document, "the page")
    meta = _object(page.get("meta"), "meta")
    _check_version(_text(meta.get("api-version"), "meta.api-version"))
    name = _text(page.get("name"), "name")
    if canonicalize_name(name) != project:
        raise ValueError(f"the page is that of {name!r:.80}, not of {project}")
    files = page.get("files")
    if not isinstance(files, list):
        raise ValueError("files: not an array")  # noqa: TRY004 - one error type for callers
    status = page.get("project-status", meta.get("project-status"))
    marker = {} if status is None else _object(status, "project-status")
    return ProjectPage(
        name=project,
        files=tuple(_json_file(url, item, f"files[{n}]") for n, item in enumerate(files)),
        status=_optional(marker.get("status"), "project-status.status") or _ACTIVE,
        status_reason=_optional(marker.get("reason"), "project-status.reason"),
    )


def _json_file(base: str, item: object, place: str) -> RemoteFile:
    entry = _object(item, place)
    filename = _filename(_text(entry.get("filename"), f"{place}.filename"))
    hashes = _object(entry.get("hashes", {}), f"{place}.hashes")
    metadata = entry.get("core-metadata", entry.get("dist-info-metadata", False))
    size = entry.get("size")
    if size is not None and (type(size) is not int or size < 0):
        raise ValueError(f"{place}.size: not a number of bytes")
    yanked = entry.get("yanked", False)
    if not isinstance(yanked, str | bool | None):
        raise ValueError(  # noqa: TRY004 - one error type for callers
            f"{place}.yanked: neither a boolean nor a string"
        )
    sha256 = hashes.get("sha256")
    return RemoteFile(
        filename=filename,
        url=_absolute(base, _text(entry.get("url"), f"{place}.url")).partition("#")[0],
        sha256=None if sha256 is None else _digest(filename, sha256),
        size=size,
        requires_python=_optional(entry.get("requires-python"), f"{place}.requires-python"),
        yanked=None if not yanked else yanked if isinstance(yanked, str) else "",
        upload_time=_optional(entry.get("upload-time"), f"{place}.upload-time"),
        has_metadata=bool(metadata) or isinstance(metadata, dict),
        metadata_sha256=_digest(filename, metadata["sha256"])
        if isinstance(metadata, dict) and "sha256" in metadata
        else None,
    )


def _object(value: object, place: str) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise ValueError(f"{place}: not an object")


def _text(value: object, place: str) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{place}: not a string")


def _optional(value: object, place: str) -> str | None:
    return None if value is None else _text(value, place) or None


# Both forms


def _check_version(version: str) -> None:
    """PEP 629: another major version may mean anything."""
    if version.partition(".")[0] != "1":
        raise ValueError(f"the page has API version {version!r:.40}; only 1.x is known")


def _digest(filename: str, value: object) -> Sha256:
    try:
        return parse_sha256(value.lower() if isinstance(value, str) else value)
    except ValueError as error:
        raise ValueError(f"{filename}: {error}") from error


def _filename(name: str) -> str:
    if not name or "/" in name or "\\" in name or "\0" in name or name in {".", ".."}:
        raise ValueError(f"{name!r:.120} is no filename")
    return name


def _absolute(base: str, link: str) -> str:
    """`link` as an absolute http or https URL without credentials.

    Splitting is slow, and almost every link of a long page is of one of two simple kinds.
    """
    if link.startswith(("https://", "http://")) and "@" not in link:
        return link
    rest = link.removeprefix("../../")
    if rest != link and rest[:1] not in {"", ".", "/"} and "/." not in rest:
        return _grandparent(base) + rest
    return _join(base, link)


@lru_cache(maxsize=64)
def _grandparent(base: str) -> str:
    return _join(base, "../../")


def _join(base: str, link: str) -> str:
    url = urljoin(base, link)
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.netloc:
        raise ValueError(f"{shown(url)!r:.200} is not a link to http or https")
    if "@" in parts.netloc:
        raise ValueError(f"{shown(url)!r:.200} is a link with credentials in it")
    return url
