"""Project pages as JSON (PEP 691, 592, 700, 714, 792)."""

from __future__ import annotations

import json

from packaging.utils import NormalizedName, canonicalize_name

from bundler.model.artifact import RemoteFile
from bundler.upstream.links import absolute, check_version, read_digest, read_filename
from bundler.upstream.listing import ACTIVE, Listing, list_files


def read_json(body: bytes, url: str, project: NormalizedName) -> Listing:
    """The page of `project`, which came from `url`.

    Raises:
        ValueError: saying what is wrong with it, and where; UnicodeDecodeError is one.
    """
    try:
        document = json.loads(body.decode())
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    page = _object(document, "the page")
    meta = _object(page.get("meta"), "meta")
    check_version(_text(meta.get("api-version"), "meta.api-version"))
    name = _text(page.get("name"), "name")
    if canonicalize_name(name) != project:
        raise ValueError(f"the page is that of {name!r:.80}, not of {project}")
    files = page.get("files")
    if not isinstance(files, list):
        raise ValueError("files: not an array")  # noqa: TRY004 - one error type for callers
    status = page.get("project-status", meta.get("project-status"))
    marker = {} if status is None else _object(status, "project-status")
    names, lines = list_files(_json_file(url, item, f"files[{n}]") for n, item in enumerate(files))
    return Listing(
        project=project,
        status=_optional(marker.get("status"), "project-status.status") or ACTIVE,
        status_reason=_optional(marker.get("reason"), "project-status.reason"),
        base=url,
        names=names,
        lines=lines,
    )


def _json_file(base: str, item: object, place: str) -> RemoteFile:
    entry = _object(item, place)
    filename = read_filename(_text(entry.get("filename"), f"{place}.filename"))
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
        url=absolute(base, _text(entry.get("url"), f"{place}.url")).partition("#")[0],
        sha256=None if sha256 is None else read_digest(filename, sha256),
        size=size,
        requires_python=_optional(entry.get("requires-python"), f"{place}.requires-python"),
        yanked=None if not yanked else yanked if isinstance(yanked, str) else "",
        upload_time=_optional(entry.get("upload-time"), f"{place}.upload-time"),
        has_metadata=bool(metadata) or isinstance(metadata, dict),
        metadata_sha256=read_digest(filename, metadata["sha256"])
        if isinstance(metadata, dict) and "sha256" in metadata
        else None,
        provenance=_provenance(base, entry, f"{place}.provenance"),
    )


def _provenance(base: str, entry: dict[str, object], place: str) -> str | None:
    """Where the key is, null says that there is none (PEP 740)."""
    if "provenance" not in entry:
        return None
    link = _optional(entry["provenance"], place)
    return absolute(base, link).partition("#")[0] if link else ""


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
