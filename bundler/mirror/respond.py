"""What the mirror answers to a request: a pure function of the request and the folder, read-only.

Few kinds of paths are known: `/simple/`, `/simple/PROJECT/`, `/files/AB/DIGEST/FILENAME` (also as
`/packages/…`), pages for people at `/` and `/web/…`, and what tools ask for beside them,
`/integrity/…/provenance` (PEP 740) and `/pypi/PROJECT/json`. Each part of a path must match its own
pattern, so that no other file of the host can be named. Nothing here knows a web framework.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from packaging.utils import canonicalize_name

from bundler.errors import BundlerError
from bundler.mirror.exchange import (
    REVALIDATE,
    TEXT,
    FilePart,
    Request,
    Response,
    text,
    whole,
)
from bundler.mirror.generations import live_number
from bundler.mirror.layout import METADATA_SUFFIX, PROVENANCE_SUFFIX, Mirror, provenance_path
from bundler.mirror.legacy_json import legacy_json, page_files
from bundler.mirror.live_pages import LivePages, Page
from bundler.mirror.negotiate import (
    JSON,
    LEGACY_HTML,
    OFFERED,
    PROVENANCE,
    UnsatisfiableError,
    choose_page,
    choose_part,
    is_fresh,
    takes_provenance,
)
from bundler.mirror.pages import HTML_NAME, JSON_NAME

_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_PAGE = re.compile(r"/simple/(?:([a-z0-9-]+)/)?", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9!+._-]{1,200}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FILENAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_.!+-]*\.(?:whl(?:\.metadata|\.provenance)?|tar\.gz(?:\.provenance)?)",
    re.ASCII,
)
_ASSET = re.compile(r"[a-z0-9][a-z0-9._-]*\.(?:html|css|js)", re.ASCII)
_METHODS = ("GET", "HEAD")
_FRONT = (
    b'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Package mirror'
    b'</title>\n</head>\n<body>\n<h1>Package mirror</h1>\n<p>Installers read <a href="simple/">'
    b"simple/</a>.</p>\n</body>\n</html>\n"
)
_TYPES = {METADATA_SUFFIX: TEXT, PROVENANCE_SUFFIX: "application/json"}
_HTML_UTF8 = "text/html; charset=utf-8"
_ASSET_TYPES = {
    "html": _HTML_UTF8,
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
# What a page cannot say of itself; the rest of its policy stands in it.
_UNFRAMED = {"Content-Security-Policy": "frame-ancestors 'none'"}
_FOR_EVER = "public, max-age=31536000, immutable"
_NOSNIFF = {"X-Content-Type-Options": "nosniff"}
_VARY = {"Vary": "Accept, Accept-Encoding"}
_OF_PAGES = tuple({**_NOSNIFF, "Cache-Control": REVALIDATE, **_VARY}.items())
_TYPE_LINES = {
    form: ("Content-Type", _HTML_UTF8 if form == LEGACY_HTML else form) for form in OFFERED
}
_USUAL = 512  # characters of a path and two headers; no installer or browser sends as many

Answer = tuple[int, list[tuple[str, str]], bytes]
"""A status, headers and body, as the server takes them: thousands are made each second."""


def respond(pages: LivePages, request: Request) -> Response:
    """Answer one request; disk may be read."""
    return _finish(request, _route(pages, request))


def respond_from_memory(
    pages: LivePages, method: str, path: str, headers: Mapping[str, str]
) -> Answer | None:
    """Answer one request if that takes no reading from disk; None if it does."""
    if method != "GET":
        return None
    accept, accept_encoding = headers.get("accept"), headers.get("accept-encoding")
    usual = len(path) + len(accept or "") + len(accept_encoding or "") <= _USUAL
    wanted = _wanted(path, accept, accept_encoding) if usual else None
    if wanted is None:
        return None
    name, filename, coding, form = wanted
    # Names that are kept are normal ones: another spelling is read from disk, and redirects.
    page = pages.kept(name, filename, coding)
    return _page_answer(page, form, headers.get("if-none-match")) if page else None


@lru_cache(maxsize=2048)
def _wanted(
    path: str, accept: str | None, accept_encoding: str | None
) -> tuple[str, str, str | None, str] | None:
    """The project, file, coding and type of the page that is asked for; None if it is no page."""
    match = _PAGE.fullmatch(path)
    form, coding = choose_page(accept, accept_encoding)
    return (match[1] or "", _page_name(form), coding, form) if match and form else None


def _finish(request: Request, answer: Response) -> Response:
    sent = {**_NOSNIFF, **answer.headers}
    if request.method == "HEAD":
        return Response(answer.status, sent)
    return replace(answer, headers=sent)


def _refused_method() -> Response:
    return text(405, "only GET and HEAD are answered", {"Allow": ", ".join(_METHODS)})


def _route(pages: LivePages, request: Request) -> Response:
    if request.method not in _METHODS:
        return _refused_method()
    match _split(request.path):
        case ["health"]:
            return text(200, "ok") if pages.is_live() else text(503, "nothing is published yet")
        case ["simple", *rest]:
            return _simple(pages, rest, request)
        case ["files" | "packages", shelf, digest, filename] if (
            _DIGEST.fullmatch(digest) and shelf == digest[:2] and _FILENAME.fullmatch(filename)
        ):
            return _file(pages.mirror, digest, filename, request)
        case parts:
            return _others(pages, parts, request)


def _others(pages: LivePages, parts: list[str], request: Request) -> Response:
    """For people, and for tools that want more than an installer does."""
    match parts:
        case ["" | "index.html"]:
            plain = whole(_FRONT, _HTML_UTF8, {"Cache-Control": REVALIDATE})
            return _for_people(pages, ["index.html"], request) or plain
        case ["web", *folder, filename] if _ASSET.fullmatch(filename) and folder in (
            [],
            ["project"],
        ):
            return _for_people(pages, ["web", *folder, filename], request) or _missing()
        case ["integrity", name, version, filename, "provenance"] if _PROJECT.fullmatch(
            name
        ) and _VERSION.fullmatch(version):
            return _provenance(pages, canonicalize_name(name), version, filename, request)
        case ["pypi", name, "json"] if _PROJECT.fullmatch(name):
            return _legacy(pages, name, None, request)
        case ["pypi", name, version, "json"] if _PROJECT.fullmatch(name) and _VERSION.fullmatch(
            version
        ):
            return _legacy(pages, name, version, request)
        case _:
            return _missing()


def _split(path: str) -> list[str]:
    return path[1:].split("/") if path.startswith("/") else []


def _simple(pages: LivePages, parts: list[str], request: Request) -> Response:
    match parts:
        case []:
            return _redirect("simple/")
        case [""]:
            return _page(pages, "", request)
        case [name] if _PROJECT.fullmatch(name):
            return _redirect(f"{canonicalize_name(name)}/")
        case [name, ""] if _PROJECT.fullmatch(name):
            normal = canonicalize_name(name)
            return _page(pages, name, request) if name == normal else _redirect(f"../{normal}/")
        case _:
            return _missing()


def _page(pages: LivePages, name: str, request: Request) -> Response:
    headers = request.headers
    form, coding = choose_page(headers.get("accept"), headers.get("accept-encoding"))
    if form is None:
        return text(406, "pages are served as " + ", ".join(OFFERED), _VARY)
    page = pages.find(name, _page_name(form), coding)
    if page is None:
        return _missing(_VARY)
    status, lines, body = _page_answer(page, form, headers.get("if-none-match"))
    return Response(status, dict(lines), body)


def _for_people(pages: LivePages, path: list[str], request: Request) -> Response | None:
    _, coding = choose_page(None, request.headers.get("accept-encoding"))
    page = pages.find_for_people(*path, coding=coding)
    if page is None:
        return None
    known = {"Cache-Control": REVALIDATE, "ETag": page.etag, "Vary": "Accept-Encoding"}
    if is_fresh(request.headers.get("if-none-match"), page.etag):
        return Response(304, known)
    if page.coding:
        known["Content-Encoding"] = page.coding
    return whole(page.body, _ASSET_TYPES[path[-1].rpartition(".")[2]], {**known, **_UNFRAMED})


def _page_name(form: str) -> str:
    return JSON_NAME if form == JSON else HTML_NAME


def _page_answer(page: Page, form: str, if_none_match: str | None) -> Answer:
    lines = [*_OF_PAGES, ("ETag", page.etag)]
    if if_none_match is not None and is_fresh(if_none_match, page.etag):
        return 304, lines, b""
    if page.coding:
        lines.append(("Content-Encoding", page.coding))
    lines += (_TYPE_LINES[form], ("Content-Length", str(len(page.body))))
    return 200, lines, page.body


def _file(mirror: Mirror, digest: str, filename: str, request: Request) -> Response:
    path = mirror.files / digest[:2] / digest / filename
    try:
        found = path.lstat()
        inside = path.parent.resolve().is_relative_to(mirror.files.resolve())
    except OSError:
        return _missing()
    if not stat.S_ISREG(found.st_mode) or not inside or not os.access(path, os.R_OK):
        return _missing()
    # A digest's folder says which version its content is, save of attestations: more may come.
    suffix = next((each for each in _TYPES if filename.endswith(each)), "")
    attested = suffix == PROVENANCE_SUFFIX
    etag, size = f'"{digest}{suffix}"', found.st_size
    if attested:
        etag = f'"{digest}{suffix}{found.st_mtime_ns:x}"'
    kept = REVALIDATE if attested else _FOR_EVER
    known = {"Cache-Control": kept, "ETag": etag, "Accept-Ranges": "bytes"}
    headers = request.headers
    if is_fresh(headers.get("if-none-match"), etag):
        return Response(304, known)
    known["Content-Type"] = _TYPES.get(suffix, "application/octet-stream")
    # Ranges are for GET only (RFC 9110 §14.2).
    range_ = headers.get("range") if request.method == "GET" else None
    try:
        part = choose_part(range_, headers.get("if-range"), etag, size)
    except UnsatisfiableError:
        return text(416, "the file has no such bytes", {"Content-Range": f"bytes */{size}"})
    offset, length = part or (0, size)
    known["Content-Length"] = str(length)
    if part:
        known["Content-Range"] = f"bytes {offset}-{offset + length - 1}/{size}"
    return Response(206 if part else 200, known, file=FilePart(path, offset, length))


def _provenance(
    pages: LivePages, name: str, version: str, filename: str, request: Request
) -> Response:
    vary = {"Vary": "Accept"}
    if not takes_provenance(request.headers.get("accept")):
        return text(406, f"provenance is served as {PROVENANCE}", vary)
    file = page_files(pages.raw(name, JSON_NAME)).get(filename)
    if file is None or file.version != version:
        return _missing(vary)
    beside = provenance_path(Path(filename)).name
    answer = _file(pages.mirror, file.sha256, beside, request)
    if answer.status in {200, 206}:
        return replace(answer, headers={**answer.headers, **vary, "Content-Type": PROVENANCE})
    return replace(answer, headers={**answer.headers, **vary})


def _legacy(pages: LivePages, name: str, version: str | None, request: Request) -> Response:
    normal = canonicalize_name(name)
    if name != normal:
        return _redirect(
            f"../{normal}/json" if version is None else f"../../{normal}/{version}/json"
        )
    # Before the page is read: it is never older than the serial says.
    serial = _serial(pages.mirror)
    body = legacy_json(pages, normal, version, request.base_url, serial)
    if body is None:
        return _missing()
    sent = {"Cache-Control": REVALIDATE, "X-PyPI-Last-Serial": str(serial)}
    return whole(body, "application/json", sent)


def _serial(mirror: Mirror) -> int:
    """The live generation's number, which no project's serial is above."""
    try:
        return live_number(mirror) or 0
    except BundlerError:  # another link than ours: pages are missing then, too
        return 0


def _redirect(location: str) -> Response:
    # Relative, so that it holds behind a proxy that adds a prefix.
    return text(301, "moved", {"Location": location})


def _missing(headers: Mapping[str, str] | None = None) -> Response:
    return text(404, "not found", headers)
