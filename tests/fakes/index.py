"""A package index on the loopback interface: real HTTP/1.1, as unpleasant as a test wants it."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import re
import ssl
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name

from bundler.model.artifact import RemoteFile, Sha256
from bundler.model.page import ProjectPage
from tests.fakes.index_pages import html_list, html_page, json_list, json_page

HTML = "application/vnd.pypi.simple.v1+html"
JSON = "application/vnd.pypi.simple.v1+json"
Form = Literal["both", "html", "json"]


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How the answer to one request differs from the right one.

    Attributes:
        status: Sent instead of 200; an error status has no useful body.
        headers: Sent as well, or instead of those with the same name.
        body: Sent instead of the right bytes.
        cut: The connection closes after this many bytes of the body.
        endless: The body never ends (chunked).
        redirect: Sent as 302 to this address.
        stall: Nothing is sent until this event is set.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: int | None = None
    endless: bool = False
    redirect: str | None = None
    stall: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent when nothing is wrong."""

    status: int
    body: bytes
    headers: dict[str, str]


class FakeIndex:
    """An index with the files that `add` gave it, up while its `with` block runs.

    Attributes:
        form: Which forms of the pages it has.
        ranges: Whether it honours Range; else it answers 200 with everything.
        suffix_ranges: Whether it honours `bytes=-N`; else it answers 416.
        sizes: Whether HTML pages carry data-size and data-upload-time; JSON pages always do.
        credentials: Name and password that every request must carry, if any.
        requests: Everything that was asked so far.
        statuses: Path and status of every answer so far.
        page_headers: Sent with every page, instead of those of the same name; None: not sent. With
            Last-Modified, If-Modified-Since is honoured.
    """

    def __init__(
        self,
        *,
        form: Form = "both",
        ranges: bool = True,
        suffix_ranges: bool = True,
        sizes: bool = True,
        credentials: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.form = form
        self.ranges = ranges
        self.suffix_ranges = suffix_ranges
        self.sizes = sizes
        self.credentials = credentials
        self.requests: list[Request] = []
        self.statuses: list[tuple[str, int]] = []
        self.page_headers: dict[str, str | None] = {}
        self._pages: dict[str, ProjectPage] = {}
        self._files: dict[str, bytes] = {}
        self._faults: dict[str, list[Fault]] = {}
        self._lock = threading.Lock()
        self._scheme = "http" if tls is None else "https"
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """What pip takes as its index URL."""
        return f"{self.origin}/simple/"

    def add(
        self,
        filename: str,
        content: bytes,
        *,
        project: str | None = None,
        yanked: str | None = None,
        requires_python: str | None = None,
        upload_time: str | None = None,
        metadata: bool | Literal["without-digest"] = True,
        sha256: bool = True,
        size: bool = True,
        provenance: str | None = None,
    ) -> RemoteFile:
        """List a file; `metadata` advertises and serves its METADATA (PEP 658).

        `provenance` is the path of what `serve` has; "" says that there is none.
        """
        path = f"/files/{quote(filename)}"
        siblings = _metadata_of(content) if metadata else None
        if siblings is not None:
            self._files[path + ".metadata"] = siblings
        self._files[path] = content
        file = RemoteFile(
            filename=filename,
            url=self.origin + path,
            sha256=_digest(content) if sha256 else None,
            size=len(content) if size else None,
            requires_python=requires_python,
            yanked=yanked,
            upload_time=upload_time,
            has_metadata=siblings is not None,
            metadata_sha256=_digest(siblings) if siblings and metadata is True else None,
            provenance=self.origin + provenance if provenance else provenance,
        )
        self.list_file(file, project or filename.partition("-")[0])
        return file

    def list_file(self, file: RemoteFile, project: str) -> None:
        """Put a file onto its project's page; `serve` has what is at its address."""
        name = canonicalize_name(project)
        before = self._pages.get(name, ProjectPage(name=name, files=()))
        self.put_page(replace(before, files=(*before.files, file)))

    def serve(self, path: str, content: bytes) -> None:
        """Answer requests for `path` with `content`."""
        self._files[path] = content

    def put_page(self, page: ProjectPage) -> None:
        """Replace a whole page."""
        self._pages[page.name] = page

    def page_path(self, project: str) -> str:
        """The path of a project's page, for `misbehave`."""
        return f"/simple/{canonicalize_name(project)}/"

    def file_path(self, filename: str) -> str:
        """The path of a file, for `misbehave`."""
        return f"/files/{quote(filename)}"

    def misbehave(self, path: str, fault: Fault, times: int = 1) -> None:
        """Answer the next `times` requests for `path` with `fault`."""
        self._faults.setdefault(path, []).extend([fault] * times)

    def paths(self, method: str | None = None) -> list[str]:
        """The paths that were asked for, in order."""
        return [item.path for item in list(self.requests) if method in (None, item.method)]

    def take_fault(self, request: Request) -> Fault | None:
        """Record `request`; the fault that is due for it."""
        with self._lock:
            self.requests.append(request)
            waiting = self._faults.get(request.path.partition("?")[0])
            return waiting.pop(0) if waiting else None

    def answer(self, request: Request) -> Answer:
        """The right answer."""
        if self.credentials is not None:
            token = base64.b64encode(":".join(self.credentials).encode()).decode()
            if request.headers.get("authorization") != f"Basic {token}":
                return Answer(401, b"who are you", {"WWW-Authenticate": "Basic"})
        path = request.path.partition("?")[0]
        if path in self._files:
            return self._file(self._files[path], request.headers)
        if path.startswith("/simple/") and not path.endswith("/"):
            return Answer(301, b"", {"Location": path + "/"})
        return self._page(path, request)

    def _page(self, path: str, request: Request) -> Answer:
        name = unquote(path).removeprefix("/simple/").rstrip("/")
        accept = request.headers.get("accept", "*/*")
        wants_json = self.form == "json" or (self.form == "both" and JSON in accept)
        if not name and path == "/simple/":
            body = json_list(self._pages) if wants_json else html_list(self._pages)
        elif name in self._pages:
            page = self._pages[name]
            body = json_page(page) if wants_json else html_page(page, sizes=self.sizes)
        else:
            return Answer(404, b"no such page", {"Content-Type": "text/plain"})
        kind = JSON if wants_json else HTML if HTML in accept else "text/html; charset=utf-8"
        usual = {"Content-Type": kind, "ETag": f'"{_digest(body)[:16]}"', "Vary": "Accept"}
        sent = {name: value for name, value in (usual | self.page_headers).items() if value}
        for asked, told in (("if-none-match", "ETag"), ("if-modified-since", "Last-Modified")):
            if asked in request.headers:
                same = request.headers[asked] == sent.get(told)
                return Answer(304 if same else 200, b"" if same else body, sent)
        return Answer(200, body, sent)

    def _file(self, content: bytes, headers: Mapping[str, str]) -> Answer:
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
        kind = {"Content-Type": "application/octet-stream"}
        if not self.ranges or not found or not (found[1] or found[2]):
            return Answer(200, content, kind)
        total = len(content)
        if found[1]:
            first, last = int(found[1]), min(int(found[2] or total - 1), total - 1)
        else:
            first, last = max(total - int(found[2]), 0), total - 1
        if first > last or not (found[1] or self.suffix_ranges):
            return Answer(416, b"", {"Content-Range": f"bytes */{total}"})
        kind["Content-Range"] = f"bytes {first}-{last}/{total}"
        return Answer(206, content[first : last + 1], kind)


def _digest(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())


def _metadata_of(content: bytes) -> bytes | None:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return archive.read(names[0]) if names else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no event; a fault in this file shows as a failing test."""


def _handler_for(index: FakeIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        owner = index

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: FakeIndex

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers)
        fault = self.owner.take_fault(request) or Fault()
        if fault.stall is not None:
            fault.stall.wait(30)
        self._send(self._spoil(self.owner.answer(request), fault), fault)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def _spoil(self, right: Answer, fault: Fault) -> Answer:
        body = right.body if fault.body is None else fault.body
        if fault.redirect is not None:
            return Answer(302, b"", {"Location": fault.redirect})
        return Answer(fault.status or right.status, body, right.headers | dict(fault.headers))

    def _send(self, answer: Answer, fault: Fault) -> None:
        self.owner.statuses.append((self.path, answer.status))
        self.send_response_only(answer.status, HTTPStatus(answer.status).phrase)
        usual = {"Content-Length": str(len(answer.body)), "Date": self.date_time_string()}
        headers = usual | answer.headers
        if fault.endless:
            headers = {**headers, "Transfer-Encoding": "chunked"}
            del headers["Content-Length"]
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or answer.status == HTTPStatus.NOT_MODIFIED:
            return
        for piece in _endless() if fault.endless else [answer.body[: fault.cut]]:
            self.wfile.write(piece)
        if fault.cut is not None:
            self.close_connection = True


def _endless() -> Iterator[bytes]:
    return itertools.repeat(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
