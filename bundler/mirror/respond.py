"""What the mirror answers to a request: a pure function of the request and the folder, read-only.

Only three kinds of paths are known, `/simple/`, `/simple/PROJECT/` and
`/files/AB/DIGEST/FILENAME`; each part of them must match its own pattern, so that no other file of
the host can be named. Nothing here knows a web framework.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

from packaging.utils import canonicalize_name

from bundler.mirror.layout import METADATA_SUFFIX, PROVENANCE_SUFFIX, Mirror
from bundler.mirror.negotiate import (
    JSON,
    LEGACY_HTML,
    OFFERED,
    UnsatisfiableError,
    choose_form,
    choose_part,
    is_fresh,
)
from bundler.mirror.pages import HTML_NAME, JSON_NAME

_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FILENAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_.!+-]*\.(?:whl(?:\.metadata|\.provenance)?|tar\.gz(?:\.provenance)?)",
    re.ASCII,
)
_METHODS = ("GET", "HEAD")
_FRONT = (
    b'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Package mirror'
    b'</title>\n</head>\n<body>\n<h1>Package mirror</h1>\n<p>Installers read <a href="simple/">'
    b"simple/</a>.</p>\n</body>\n</html>\n"
)
_TEXT = "text/plain; charset=utf-8"
_TYPES = {METADATA_SUFFIX: _TEXT, PROVENANCE_SUFFIX: "application/json"}
_HTML_UTF8 = "text/html; charset=utf-8"
_REVALIDATE = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of a file: from `offset`, `length` of them."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Response:
    """A status, headers, and bytes or a part of a file; HEAD has neither."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    file: FilePart | None = None


def respond(mirror: Mirror, method: str, path: str, headers: Mapping[str, str]) -> Response:
    """Answer one request.

    Args:
        mirror: The folder; nothing in it is changed.
        method: Of the request.
        path: As the client sent it: percent-encoded, without the query.
        headers: By name in lower case; lines of the same name are joined by a comma.
    """
    if method not in _METHODS:
        answer = _text(405, "only GET and HEAD are answered", {"Allow": ", ".join(_METHODS)})
    else:
        answer = _route(mirror, method, path, headers)
    sent = {"X-Content-Type-Options": "nosniff", **answer.headers}
    if method == "HEAD":
        return Response(answer.status, sent)
    return replace(answer, headers=sent)


def _route(mirror: Mirror, method: str, path: str, headers: Mapping[str, str]) -> Response:
    match _split(path):
        case [""]:
            return _whole(_FRONT, _HTML_UTF8, {"Cache-Control": _REVALIDATE})
        case ["health"]:
            return _text(200, "ok")
        case ["simple", *rest]:
            return _simple(mirror, rest, headers)
        case ["files", shelf, digest, filename] if (
            _DIGEST.fullmatch(digest) and shelf == digest[:2] and _FILENAME.fullmatch(filename)
        ):
            # Ranges are for GET only (RFC 9110 §14.2).
            range_ = headers.get("range") if method == "GET" else None
            return _file(mirror, digest, filename, {**headers, "range": range_})
        case _:
            return _missing()


def _simple(mirror: Mirror, parts: list[str], headers: Mapping[str, str]) -> Response:
    match parts:
        case []:
            return _redirect("simple/")
        case [""]:
            return _page(mirror, "", headers)
        case [name] if _PROJECT.fullmatch(name):
            return _redirect(f"{canonicalize_name(name)}/")
        case [name, ""] if _PROJECT.fullmatch(name):
            normal = canonicalize_name(name)
            return _page(mirror, name, headers) if name == normal else _redirect(f"../{normal}/")
        case _:
            return _missing()


def _split(path: str) -> list[str]:
    """The decoded parts between slashes; a part that is not UTF-8 matches nothing later."""
    if not path.startswith("/"):
        return []
    return [unquote_to_bytes(part).decode(errors="replace") for part in path[1:].split("/")]


def _page(mirror: Mirror, name: str, headers: Mapping[str, str]) -> Response:
    form = choose_form(headers.get("accept"))
    vary = {"Vary": "Accept"}
    if form is None:
        return _text(406, "pages are served as " + ", ".join(OFFERED), vary)
    # Resolved once: a page is one generation's, whatever is published meanwhile.
    try:
        simple = mirror.simple.resolve(strict=True)
        path = (simple / name / (JSON_NAME if form == JSON else HTML_NAME)).resolve(strict=True)
        if not path.is_relative_to(simple) or not simple.is_relative_to(
            mirror.generations.resolve()
        ):
            return _missing(vary)
        data = path.read_bytes()
    except (OSError, RuntimeError):
        return _missing(vary)
    etag = f'"{hashlib.sha256(data).hexdigest()}"'
    known = {"Cache-Control": _REVALIDATE, "ETag": etag, **vary}
    if is_fresh(headers.get("if-none-match"), etag):
        return Response(304, known)
    return _whole(data, _HTML_UTF8 if form == LEGACY_HTML else form, known)


def _file(
    mirror: Mirror, digest: str, filename: str, headers: Mapping[str, str | None]
) -> Response:
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
    kept = _REVALIDATE if attested else _FOR_EVER
    known = {"Cache-Control": kept, "ETag": etag, "Accept-Ranges": "bytes"}
    if is_fresh(headers.get("if-none-match"), etag):
        return Response(304, known)
    known["Content-Type"] = _TYPES.get(suffix, "application/octet-stream")
    try:
        part = choose_part(headers.get("range"), headers.get("if-range"), etag, size)
    except UnsatisfiableError:
        return _text(416, "the file has no such bytes", {"Content-Range": f"bytes */{size}"})
    offset, length = part or (0, size)
    known["Content-Length"] = str(length)
    if part:
        known["Content-Range"] = f"bytes {offset}-{offset + length - 1}/{size}"
    return Response(206 if part else 200, known, file=FilePart(path, offset, length))


def _redirect(location: str) -> Response:
    # Relative, so that it holds behind a proxy that adds a prefix.
    return _text(301, "moved", {"Location": location})


def _missing(headers: Mapping[str, str] | None = None) -> Response:
    return _text(404, "not found", headers or {})


def _text(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    sent = {"Cache-Control": _REVALIDATE, **(headers or {})}
    answer = _whole(f"{text}\n".encode(), _TEXT, sent)
    return replace(answer, status=status)


def _whole(body: bytes, content_type: str, headers: Mapping[str, str]) -> Response:
    sent = {**headers, "Content-Type": content_type, "Content-Length": str(len(body))}
    return Response(200, sent, body)
