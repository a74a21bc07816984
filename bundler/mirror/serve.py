"""The web server: an ASGI application over `respond`, and uvicorn below it.

It reads the mirror's folder and changes nothing in it. Disk is read in worker threads, and files
are sent piece by piece, so that a few large downloads neither block the others nor fill memory.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from bundler.errors import BundlerError
from bundler.mirror.layout import Mirror
from bundler.mirror.respond import FilePart, Response, respond

_PIECE = 256 * 1024  # bytes in memory for each download
_GRACE = 10  # seconds that running downloads have once the server is told to end


def application(mirror: Mirror) -> ASGIApp:
    """The ASGI application that serves a mirror."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # a websocket that nobody accepts is closed by the server
        request = Request(scope, receive)
        answer = await run_in_threadpool(
            respond, mirror, request.method, _path(scope), _headers(request)
        )
        if answer.file is None:
            await _start(answer, send)
            await send({"type": "http.response.body", "body": answer.body})
        else:
            await _send_file(answer, answer.file, request, send)

    return serve


def run(
    mirror: Mirror,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM, then let running downloads end, and return.

    Args:
        mirror: The folder to serve.
        host: Name or address to listen on.
        port: 0 takes a free one.
        tls_cert: A certificate chain in PEM; None for plain HTTP.
        tls_key: Its private key; None when it is in `tls_cert`.
        ready: Is called once with the real URL, when connections are accepted.

    Raises:
        BundlerError: if the address cannot be listened on, or certificate or key not be used.
    """
    server = uvicorn.Server(_config(mirror, tls_cert, tls_key))
    with _listen(host, port) as listener, _signals_end(server):
        ready(_url(host, listener.getsockname()[1], secure=tls_cert is not None))
        server.run(sockets=[listener])


def _config(mirror: Mirror, tls_cert: Path | None, tls_key: Path | None) -> uvicorn.Config:
    if tls_key and not tls_cert:
        raise BundlerError("a TLS key without its certificate is of no use", hint="add --tls-cert")
    config = uvicorn.Config(
        application(mirror),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one, too
        raise BundlerError(
            f"cannot use the certificate {tls_cert} with its key: {error}",
            hint="--tls-cert is a chain in PEM, --tls-key its private key",
        ) from error
    return config


async def _start(answer: Response, send: Send) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in answer.headers.items()
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _send_file(answer: Response, part: FilePart, request: Request, send: Send) -> None:
    file: BinaryIO = await run_in_threadpool(part.path.open, "rb")
    try:
        await _start(answer, send)
        await run_in_threadpool(file.seek, part.offset)
        left = part.length
        while left and not await request.is_disconnected():
            data = await run_in_threadpool(file.read, min(left, _PIECE))
            if not data:
                raise EOFError(f"{part.path} is shorter than it was")
            left -= len(data)
            await send({"type": "http.response.body", "body": data, "more_body": left > 0})
    finally:
        file.close()


def _path(scope: Scope) -> str:
    """The path as it was sent: "%2F" and "/" are not the same to us."""
    raw: bytes = scope["raw_path"]
    return raw.partition(b"?")[0].decode("latin-1")


def _headers(request: Request) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address[:2], family=family, backlog=1024)
    except OSError as error:
        raise BundlerError(
            f"cannot listen on {host} port {port}: {error}",
            hint="choose another --host or --port; ports below 1024 need more rights",
        ) from error
    # Connections inherit it. Without it, a small page waits for the client's delayed
    # acknowledgement of its headers: 40 ms each on Linux.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(host: str, port: int, *, secure: bool) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{name}:{port}/"


@contextmanager
def _signals_end(server: uvicorn.Server) -> Iterator[None]:
    """SIGINT and SIGTERM end the server well, from its first moment on.

    Uvicorn handles both while it runs, and raises the one that ended it again when it is done.
    Signals belong to the main thread; in any other one there is nothing to do.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    in_main = threading.current_thread() is threading.main_thread()
    ends = (signal.SIGINT, signal.SIGTERM) if in_main else ()
    former = [signal.signal(number, end) for number in ends]
    try:
        yield
    finally:
        for number, handler in zip(ends, former, strict=True):
            signal.signal(number, handler)
