"""What a page says of one file, checked: its address, name and digests; an anchor as a file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote, urljoin, urlsplit

from bundler.model.artifact import RemoteFile, Sha256, parse_sha256
from bundler.upstream.urls import shown


def anchor_file(base: str, attributes: Mapping[str, str | None]) -> RemoteFile | None:
    """The file that an anchor of a page is about (PEP 503); None when it is about none.

    Raises:
        ValueError: if an attribute that matters to us is wrong.
    """
    href = attributes.get("href")
    if href is None:
        return None
    url, _, fragment = absolute(base, href.strip()).partition("#")
    segment = url.partition("?")[0].rpartition("/")[2]
    if not segment:
        return None  # a folder, such as a way back to the list of projects
    # As pip and uv do, the name is taken from the address; PEP 503 wants the text to be the same.
    filename = read_filename(unquote(segment) if "%" in segment else segment)
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
        provenance=_html_provenance(base, attributes),
    )


def _fragment_digest(filename: str, fragment: str) -> Sha256 | None:
    for part in fragment.split("&"):
        if part.startswith("sha256="):
            return read_digest(filename, part[7:])
    return None


def _html_metadata(
    filename: str, attributes: Mapping[str, str | None]
) -> tuple[bool, Sha256 | None]:
    for name in ("data-core-metadata", "data-dist-info-metadata"):
        if name in attributes:
            value = attributes[name] or ""
            digest = value.removeprefix("sha256=")
            return value != "false", read_digest(filename, digest) if digest != value else None
    return False, None


def _html_provenance(base: str, attributes: Mapping[str, str | None]) -> str | None:
    link = (attributes.get("data-provenance") or "").strip()
    return absolute(base, link).partition("#")[0] if link else None


def check_version(version: str) -> None:
    """See that we know the page's version (PEP 629: another major one may mean anything).

    Raises:
        ValueError: if we do not.
    """
    if version.partition(".")[0] != "1":
        raise ValueError(f"the page has API version {version!r:.40}; only 1.x is known")


def read_digest(filename: str, value: object) -> Sha256:
    """A sha256 as pages write it.

    Raises:
        ValueError: if it is none.
    """
    try:
        return parse_sha256(value.lower() if isinstance(value, str) else value)
    except ValueError as error:
        raise ValueError(f"{filename}: {error}") from error


def read_filename(name: str) -> str:
    """`name`, if a file can have it.

    Raises:
        ValueError: if it is none, or a path.
    """
    if not name or "/" in name or "\\" in name or "\0" in name or name in {".", ".."}:
        raise ValueError(f"{name!r:.120} is no filename")
    return name


def absolute(base: str, link: str) -> str:
    """`link` as an absolute http or https URL without credentials.

    Raises:
        ValueError: if it leads elsewhere, or has credentials.
    """
    # Splitting is slow, and almost every link of a long page is of one of two simple kinds.
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
