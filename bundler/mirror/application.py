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
from dataclasses import dataclass
from datetime import datetime

from bundler.errors import BundlerError
from bundler.mirror.access_log import AccessLog, Entry
from bundler.mirror.counters import CONTENT_TYPE, Counters
from bundler.mirror.exchange import Request, Response
from bundler.mirror.generations import live_number
from bundler.mirror.guard import METRICS, Guard, Refusal
from bundler.mirror.listening import give_up_stalled
from bundler.mirror.live_pages import LivePages
from bundler.mirror.loop import Loop
from bundler.mirror.respond import respond, respond_from_memory
from bundler.mirror.wire import Scope, Wire

_HOST = re.compile(r"[A-Za-z0-9._-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?", re.ASCII)
_TICK = 0.5  # seconds between two looks at the log and the parent
_SERVER = ("Server", "bundler")


@dataclass(slots=True)
class Application:
    """What runs in each process of the server.

    Attributes:
        base_url: Where the mirror is for its clients; None for what each client says itself.
        clock: The time of day.
        seconds: A clock that never goes back.
        parent: The process whose end ends this one.
        stall_seconds: When a client that takes nothing of its answer is given up.
    """

    pages: LivePages
    guard: Guard
    counters: Counters
    log: AccessLog | None
    base_url: str | None
    clock: Callable[[], datetime]
    seconds: Callable[[], float]
    parent: int
    stall_seconds: float = 60
    _gives_up: bool = False

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once, before the first request."""
        if isinstance(loop, Loop):
            loop.at_once = self.at_once
        self._tick(loop)

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        """Called once, after the last request."""
        if self.log:
            self.log.flush()

    async def __rsgi__(self, scope: Scope, wire: Wire) -> None:
        """Answer one request."""
        if scope.proto != "http" or self.at_once(scope, wire):
            return
        started = self.seconds()
        path = scope.path
        headers = _joined(scope.headers.items())
        client = self.guard.client(scope.client, headers)
        user = None
        refusal = self.guard.refuse(client, path)
        if refusal is None and self.guard.needs_name(path):
            found = await self.guard.name(client, headers)
            if isinstance(found, Refusal):
                refusal = found
            else:
                user = found
        if refusal:
            sent = self._refuse(wire, refusal)
        else:
            request = Request(scope.method, path, headers, self._base(scope, headers))
            sent = _send(wire, await asyncio.to_thread(self._respond, request))
        self._note(scope, headers, user, sent, started)

    def at_once(self, scope: Scope, wire: Wire) -> bool:
        """Answer one request if that takes neither a disk nor a slow hash; in any thread.

        What is not answered is not counted either.
        """
        started = self.seconds()
        path = scope.path
        headers = _joined(scope.headers.items())
        answer = respond_from_memory(self.pages, scope.method, path, headers)
        if answer is None:
            return False
        user = None
        if self.guard.needs_name(path):
            user = self.guard.known(headers)
            if user is None:
                return False
        refusal = None
        if not self.guard.is_open():
            refusal = self.guard.refuse(self.guard.client(scope.client, headers), path)
        if refusal:
            user, sent = None, self._refuse(wire, refusal)
        else:
            sent = _send_bytes(wire, *answer)
        self._note(scope, headers, user, sent, started)
        return True

    def _refuse(self, wire: Wire, refusal: Refusal) -> tuple[int, int]:
        self.counters.refused(refusal.reason)
        return _send(wire, refusal.answer)

    def _note(
        self,
        scope: Scope,
        headers: Mapping[str, str],
        user: str | None,
        sent: tuple[int, int],
        started: float,
    ) -> None:
        status, size = sent
        seconds = self.seconds() - started
        self.counters.answered(status, size, seconds)
        if self.log:
            self.log.add(
                Entry(
                    self.clock(),
                    str(self.guard.client(scope.client, headers).address),
                    user,
                    scope.method,
                    scope.path,
                    status,
                    size,
                    seconds,
                    headers.get("user-agent", ""),
                )
            )

    def _respond(self, request: Request) -> Response:
        return self._figures() if request.path == METRICS else respond(self.pages, request)

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

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if os.getppid() != self.parent:
            # Nobody is left who could tell this process to end.
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if not self._gives_up:  # the server may not listen yet
            self._gives_up = give_up_stalled(self.stall_seconds) > 0
        loop.call_later(_TICK, self._tick, loop)
        if self.log:
            self.log.flush()


def _joined(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    lines = tuple(items)
    joined = dict(lines)
    if len(joined) == len(lines):
        return joined
    joined.clear()
    for name, value in lines:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _send(wire: Wire, answer: Response) -> tuple[int, int]:
    """Its status, and the bytes of its body."""
    lines = list(answer.headers.items())
    part = answer.file
    if part is None or part.length == 0:
        return _send_bytes(wire, answer.status, lines, answer.body)
    lines.append(_SERVER)
    end = part.offset + part.length
    wire.response_file_range(answer.status, lines, str(part.path), part.offset, end)
    return answer.status, part.length


def _send_bytes(
    wire: Wire, status: int, lines: list[tuple[str, str]], body: bytes
) -> tuple[int, int]:
    lines.append(_SERVER)
    if body:
        wire.response_bytes(status, lines, body)
    else:
        wire.response_empty(status, lines)
    return status, len(body)
