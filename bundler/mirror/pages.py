"""The pages of the simple repository API, rendered: HTML (PEP 503) and JSON (PEP 691).

Both say version 1.4: HTML with PEP 592, 629, 658, 714 and 792, JSON with PEP 700 on top. Links are
relative, so the folder can be moved, mounted anywhere, or read as `file://`. A link to attestations
(PEP 740) must be absolute, and is written where the mirror's policy says where it is served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from html import escape
from urllib.parse import quote

from packaging.utils import NormalizedName

from bundler.mirror.layout import PROVENANCE_SUFFIX
from bundler.model.artifact import Sha256, is_sdist, parse_file_name
from bundler.model.manifest import BundledFile, ProjectDocument

HTML_NAME = "index.html"
JSON_NAME = "index.v1_json"
"""What other mirrors call the JSON page, too."""

_API = "1.4"
# Of no standard, which leaves such names to indexes (PEP 691, "JSON Serialization"): bandersnatch
# asks for nothing that has none.
_SERIAL = "_last-serial"
# HTML has no way to write these: a parser makes them U+FFFD, or worse (HTML, "numeric character
# reference end state"). A carriage return survives as a reference only.
_UNWRITABLE = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\ufffd")
# Most texts of a page have nothing else in them; to see that takes a fifth of the time.
_HARMLESS = re.compile(r"[A-Za-z0-9 ,.:;/=+_#()!?@%*|-]*")
_IN_HTML = str.maketrans({**_UNWRITABLE, 0x09: "\t", 0x0A: "\n", 0x0D: "&#13;"})


def project_pages(project: ProjectDocument, base_url: str | None = None) -> dict[str, bytes]:
    """The pages in `simple/PROJECT/`, by filename.

    Args:
        project: What they show.
        base_url: Where the mirror's root is served, with a slash at its end; None if nobody said.
    """
    return {
        HTML_NAME: project_html(project, base_url),
        JSON_NAME: project_json(project, base_url),
    }


def list_pages(
    names: Iterable[NormalizedName], serials: Mapping[NormalizedName, int] | None = None
) -> dict[str, bytes]:
    """The pages in `simple/` itself, by filename.

    Args:
        names: Of all projects.
        serials: A number for each that grows when its pages change, for programs that mirror us.
    """
    names = list(names)
    return {HTML_NAME: list_html(names), JSON_NAME: list_json(names, serials or {})}


def project_html(project: ProjectDocument, base_url: str | None = None) -> bytes:
    """A project's page (PEP 503)."""
    metas = [("pypi:project-status", project.status)] if project.status != "active" else []
    if project.status_reason is not None:
        metas.append(("pypi:project-status-reason", project.status_reason))
    anchors = (_element("a", _attributes(file, base_url), file.filename) for file in project.files)
    return _html(f"Links for {project.name}", metas, anchors)


def project_json(project: ProjectDocument, base_url: str | None = None) -> bytes:
    """A project's page (PEP 691, 700, 792)."""
    status = {"status": project.status}
    if project.status_reason is not None:
        status["reason"] = project.status_reason
    versions = {parse_file_name(file.filename).version for file in project.files}
    return _json(
        {
            "meta": {"api-version": _API},
            "name": project.name,
            "project-status": status,
            "versions": [str(version) for version in sorted(versions)],
            "files": [_file(file, base_url) for file in project.files],
        }
    )


def list_html(names: Iterable[NormalizedName]) -> bytes:
    """The list of projects (PEP 503)."""
    anchors = (_element("a", [("href", f"{name}/")], name) for name in names)
    return _html("Simple index", [], anchors)


def list_json(
    names: Iterable[NormalizedName], serials: Mapping[NormalizedName, int] | None = None
) -> bytes:
    """The list of projects (PEP 691)."""
    known = serials or {}
    projects = [
        {"name": name, **({_SERIAL: known[name]} if name in known else {})} for name in names
    ]
    return _json({"meta": {"api-version": _API}, "projects": projects})


def read_serials(data: bytes) -> dict[NormalizedName, int]:
    """The serials in a list of projects that `list_json` wrote.

    Raises:
        ValueError, KeyError, TypeError: if it is none.
    """
    return {each["name"]: each[_SERIAL] for each in json.loads(data)["projects"]}


def file_url(file: BundledFile) -> str:
    """From a project's page to a file.

    "+" is encoded, for servers that read it as a space.
    """
    return f"../../{_path(file.blob.sha256, file.filename)}"


def provenance_url(file: BundledFile, base_url: str | None) -> str | None:
    """Where a file's attestations are served; None if there are none, or nobody knows where."""
    if file.provenance is None or base_url is None:
        return None
    return f"{base_url}{_path(file.blob.sha256, file.filename)}{PROVENANCE_SUFFIX}"


@lru_cache(maxsize=1024)  # each stands in several places of a project's pages
def _path(digest: Sha256, filename: str) -> str:
    return f"files/{digest[:2]}/{digest}/{quote(filename, safe='')}"


def _attributes(file: BundledFile, base_url: str | None) -> Iterator[tuple[str, str]]:
    yield "href", f"{file_url(file)}#sha256={file.blob.sha256}"
    if file.requires_python is not None:
        yield "data-requires-python", file.requires_python
    if not is_sdist(file.filename):
        # Not also under the name that PEP 658 gave it (PEP 714): pip 22.3 to 23.1, which know no
        # other, then refuse projects whose name is not written in its normal form.
        yield "data-core-metadata", f"sha256={file.metadata}"
    if file.yanked is not None:
        yield "data-yanked", file.yanked
    if (provenance := provenance_url(file, base_url)) is not None:
        yield "data-provenance", provenance
    # In no PEP, but uv reads both: `exclude-newer` works on HTML, too.
    yield "data-size", str(file.blob.size)
    if file.upload_time is not None:
        yield "data-upload-time", file.upload_time


def _file(file: BundledFile, base_url: str | None) -> dict[str, object]:
    found: dict[str, object] = {
        "filename": file.filename,
        "url": file_url(file),
        "hashes": {"sha256": file.blob.sha256},
        "size": file.blob.size,
        # An empty reason is true: JSON has no empty string here (PEP 691).
        "yanked": False if file.yanked is None else file.yanked or True,
    }
    if not is_sdist(file.filename):
        found["core-metadata"] = {"sha256": file.metadata}
    if file.requires_python is not None:
        found["requires-python"] = file.requires_python
    if file.upload_time is not None:
        found["upload-time"] = file.upload_time
    if (provenance := provenance_url(file, base_url)) is not None:
        found["provenance"] = provenance
    return found


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _html(title: str, metas: Iterable[tuple[str, str]], anchors: Iterable[str]) -> bytes:
    head = [
        _element("meta", [("name", name), ("content", content)])
        for name, content in [("pypi:repository-version", _API), *metas]
    ]
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        *head,
        _element("title", [], title),
        "</head>",
        "<body>",
        _element("h1", [], title),
        *(f"{anchor}<br>" for anchor in anchors),
        "</body>",
        "</html>",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _element(name: str, attributes: Iterable[tuple[str, str]], text: str | None = None) -> str:
    inside = "".join(f' {key}="{_escape(value)}"' for key, value in attributes)
    return f"<{name}{inside}>" + ("" if text is None else f"{_escape(text)}</{name}>")


def _escape(text: str) -> str:
    return text if _HARMLESS.fullmatch(text) else escape(text).translate(_IN_HTML)
