"""The mirror as an RSGI application: thin, between a server that parses and `respond`.

Pages that are in memory are answered at once; all that touches the disk is done in threads, and
files are read and sent by the server itself, without this program.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from bundler.errors import BundlerError
from bundler.mirror.access_log import AccessLog, Entry
from bundler.mirror.clients import Client
from bundler.mirror.counters import CONTENT_TYPE, Counters
from bundler.mirror.exchange import Request, Response
from bundler.mirror.generations import live_number
from bundler.mirror.guard import METRICS, Guard, Refusal
from bundler.mirror.live_pages import LivePages
from bundler.mirror.respond import respond, respond_from_memory

_HOST = re.compile(r"[A-Za-z0-9._-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?", re.ASCII)
_TICK = 0.5  # seconds between two looks at the log and the parent
_SERVER = "bundler"


class Headers(Protocol):
    """Of a request, as the server has them."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Names in lower case, and values; a name may come more than once."""
        ...


class Scope(Protocol):
    """What the server knows of a request."""

    proto: str
    client: str
    scheme: str
    method: str
    path: str
    authority: str | None

    @property
    def headers(self) -> Headers:
        """The request's."""
        ...


class Wire(Protocol):
    """How the server wants an answer."""

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """No body."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """A body from memory."""
        ...

    def response_file_range(
        self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int
    ) -> None:
        """A body from a file, without the byte at `end`."""
        ...


@dataclass(slots=True)
class Application:
    """What runs in each process of the server.

    Attributes:
        base_url: Where the mirror is for its clients; None for what each client says itself.
        clock: The time of day.
        seconds: A clock that never goes back.
        parent: The process whose end ends this one.
    """

    pages: LivePages
    guard: Guard
    counters: Counters
    log: AccessLog | None
    base_url: str | None
    clock: Callable[[], datetime]
    seconds: Callable[[], float]
    parent: int

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once, before the first request."""
        self._tick(loop)

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        """Called once, after the last request."""
        if self.log:
            self.log.flush()

    async def __rsgi__(self, scope: Scope, wire: Wire) -> None:
        """Answer one request."""
        if scope.proto != "http":
            return
        started = self.seconds()
        headers = _joined(scope.headers.items())
        request = Request(scope.method, scope.path, headers)
        client = self.guard.client(scope.client, headers)
        user, answer = await self._decide(client, request, scope)
        _send(wire, answer)
        self._note(request, client, user, answer, self.seconds() - started)

    async def _decide(
        self, client: Client, request: Request, scope: Scope
    ) -> tuple[str | None, Response]:
        refusal = self.guard.refuse(client, request.path)
        user = None
        if refusal is None and self.guard.needs_name(request.path):
            found = await self.guard.name(client, request.headers)
            if isinstance(found, Refusal):
                refusal = found
            else:
                user = found
        if refusal:
            self.counters.refused(refusal.reason)
            return None, refusal.answer
        if request.path == METRICS:
            return None, await asyncio.to_thread(self._figures)
        answer = respond_from_memory(self.pages, request)
        if answer is None:
            request = replace(request, base_url=self._base(scope, request.headers))
            answer = await asyncio.to_thread(respond, self.pages, request)
        return user, answer

    def _figures(self) -> Response:
        try:
            number = live_number(self.pages.mirror)
        except BundlerError:
            number = None
        body = self.counters.render(number)
        sent = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
        return Response(200, {**sent, "Content-Length": str(len(body))}, body)

    def _base(self, scope: Scope, headers: Mapping[str, str]) -> str:
        if self.base_url:
            return self.base_url
        host = scope.authority or headers.get("host", "")
        return f"{scope.scheme}://{host}/" if _HOST.fullmatch(host) else "/"

    def _note(
        self, request: Request, client: Client, user: str | None, answer: Response, seconds: float
    ) -> None:
        size = answer.file.length if answer.file else len(answer.body)
        self.counters.answered(answer.status, size, seconds)
        if self.log:
            agent = request.headers.get("user-agent", "")
            self.log.add(
                Entry(
                    self.clock(),
                    str(client.address),
                    user,
                    request.method,
                    request.path,
                    answer.status,
                    size,
                    seconds,
                    agent,
                )
            )

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.log:
            self.log.flush()
        if os.getppid() != self.parent:
            # Nobody is left who could tell this process to end.
            os.kill(os.getpid(), signal.SIGTERM)
            return
        loop.call_later(_TICK, self._tick, loop)


def _joined(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in items:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _send(wire: Wire, answer: Response) -> None:
    headers = [*answer.headers.items(), ("Server", _SERVER)]
    if answer.file:
        part = answer.file
        end = part.offset + part.length
        wire.response_file_range(answer.status, headers, str(part.path), part.offset, end)
    elif answer.body:
        wire.response_bytes(answer.status, headers, answer.body)
    else:
        wire.response_empty(answer.status, headers)
