"""Index pages as an index writes them."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from urllib.parse import urlsplit

from bundler.model.artifact import RemoteFile
from bundler.model.page import ProjectPage


def html_page(page: ProjectPage, *, sizes: bool = True) -> bytes:
    """A project page in HTML (PEP 503, 592, 658, 714, 792), with relative links."""
    head = '<meta name="pypi:repository-version" content="1.4">'
    if page.status != "active":
        head += f'\n<meta name="pypi:project-status" content="{html.escape(page.status)}">'
    if page.status_reason is not None:
        reason = html.escape(page.status_reason)
        head += f'\n<meta name="pypi:project-status-reason" content="{reason}">'
    anchors = "\n".join(_anchor(file, sizes=sizes) for file in page.files)
    text = f"<!DOCTYPE html>\n<html><head>{head}</head>\n<body>\n{anchors}\n</body></html>\n"
    return text.encode()


def _anchor(file: RemoteFile, *, sizes: bool) -> str:
    attributes: dict[str, str | None] = {"data-requires-python": file.requires_python}
    attributes["data-yanked"] = file.yanked
    if file.has_metadata:
        digest = file.metadata_sha256
        attributes["data-core-metadata"] = f"sha256={digest}" if digest else "true"
    if sizes:
        attributes["data-size"] = None if file.size is None else str(file.size)
        attributes["data-upload-time"] = file.upload_time
    attributes["data-provenance"] = file.provenance or None
    fragment = f"#sha256={file.sha256}" if file.sha256 else ""
    href = "../.." + urlsplit(file.url).path + fragment
    written = "".join(
        f' {name}="{html.escape(value)}"' for name, value in attributes.items() if value is not None
    )
    return f'<a href="{html.escape(href)}"{written}>{html.escape(file.filename)}</a><br>'


def json_page(page: ProjectPage) -> bytes:
    """A project page in JSON (PEP 691, 592, 700, 714, 792), with relative links."""
    document: dict[str, object] = {
        "meta": {"api-version": "1.4"},
        "name": page.name,
        "versions": sorted({file.filename.split("-")[1] for file in page.files}),
        "files": [_json_file(file) for file in page.files],
    }
    if page.status != "active" or page.status_reason is not None:
        status = {"status": page.status, "reason": page.status_reason}
        document["project-status"] = {key: value for key, value in status.items() if value}
    return json.dumps(document).encode()


def _json_file(file: RemoteFile) -> dict[str, object]:
    entry: dict[str, object] = {
        "filename": file.filename,
        "url": "../.." + urlsplit(file.url).path,
        "hashes": {"sha256": file.sha256} if file.sha256 else {},
        "yanked": False if file.yanked is None else file.yanked or True,
        "core-metadata": {"sha256": file.metadata_sha256}
        if file.metadata_sha256
        else file.has_metadata,
    }
    optional = {
        "requires-python": file.requires_python,
        "size": file.size,
        "upload-time": file.upload_time,
    }
    if file.provenance is not None:
        entry["provenance"] = file.provenance or None
    return entry | {key: value for key, value in optional.items() if value is not None}


def html_list(names: Iterable[str]) -> bytes:
    """The list of projects in HTML."""
    anchors = "\n".join(f'<a href="{name}/">{name}</a>' for name in sorted(names))
    return f"<!DOCTYPE html>\n<html><body>\n{anchors}\n</body></html>\n".encode()


def json_list(names: Iterable[str]) -> bytes:
    """The list of projects in JSON."""
    projects = [{"name": name} for name in sorted(names)]
    return json.dumps({"meta": {"api-version": "1.4"}, "projects": projects}).encode()
