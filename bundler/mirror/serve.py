"""The web server: granian, and below it one `Application` in each of a few processes.

Granian parses requests, bounds headers and the time that they may take, speaks TLS and HTTP/2, and
sends files. Nothing is written into the mirror. SIGTERM and SIGINT let running downloads end;
SIGHUP reads certificate, key and names again, in new processes, while the former ones finish.
"""

from __future__ import annotations

import os
import secrets
import signal
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from multiprocessing.sharedctypes import RawArray, Value
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server import MPServer

from bundler.errors import BundlerError
from bundler.mirror.access_log import open_log
from bundler.mirror.application import Application
from bundler.mirror.counters import COLUMNS, Counters
from bundler.mirror.credentials import Credentials
from bundler.mirror.guard import Guard, Rules
from bundler.mirror.layout import Mirror
from bundler.mirror.listening import free_address, once_connected, url_of
from bundler.mirror.live_pages import LivePages
from bundler.mirror.rates import PLACES, Bound

_GRACE = 10  # seconds that running downloads have once the server is told to end
_OVERLAP = 1.5  # seconds that old and new processes both accept connections after SIGHUP
_HEADER_BYTES = 64 * 1024
_BACKLOG = 1024
_CONNECTIONS = 1024  # of each process
_READERS = 1  # threads of each process that read files: to wake others takes longer than to read
_BURST_SECONDS = 10  # of the steady rate, at once
_FAILURES = 10  # wrong passwords at once, and then one in `_FAILURE_SECONDS`
_FAILURE_SECONDS = 6
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"_granian": {"handlers": ["stderr"], "level": "ERROR", "propagate": False}},
}


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM: a certificate chain, its key, and the authority of clients, if they need one.

    Attributes:
        key: None when it is in `cert`.
        client_ca: Clients must show a certificate that leads there; None asks for none.
    """

    cert: Path
    key: Path | None = None
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a mirror is served.

    Attributes:
        host: Name or address to listen on.
        port: 0 takes a free one.
        workers: Processes that answer.
        http2: Whether HTTP/2 is offered, in TLS only.
        auth: The file of names; None lets everyone in.
        rate: Requests each second, of each client; None for no bound.
        access_log: "-" for stderr; None for no log.
        base_url: Where the mirror is for its clients, with a slash at its end; None for what each
            client says itself.
        header_seconds: By then, a request must have come with all its headers, and a connection
            that is kept must have been used again.
        stall_seconds: So long, a client may take nothing of what it is sent; on Linux.
    """

    host: str = "127.0.0.1"
    port: int = 0
    workers: int = 1
    tls: Tls | None = None
    http2: bool = False
    rules: Rules = field(default_factory=Rules)
    auth: Path | None = None
    rate: float | None = None
    access_log: Path | None = None
    base_url: str | None = None
    header_seconds: float = 10
    stall_seconds: float = 60


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all processes of a server have in common."""

    mirror: Mirror
    serving: Serving
    clock: Callable[[], datetime]
    secret: bytes
    figures: Any  # arrays of ctypes have no type that could be written here
    claims: Any
    asked: Any
    failed: Any
    parent: int


def run(
    mirror: Mirror,
    serving: Serving,
    clock: Callable[[], datetime],
    ready: Callable[[str], None],
    notice: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM, then let running downloads end, and return.

    It must be called in the main thread: signals belong to it.

    Args:
        mirror: The folder to serve.
        serving: How.
        clock: The time of day.
        ready: Is called once with the real URL, when connections are accepted.
        notice: Is told why a SIGHUP changed nothing.

    Raises:
        BundlerError: if the address cannot be listened on, or a file not be used.
    """
    _check(serving)
    address, port = free_address(serving.host, serving.port)
    server = _server(serving, address, port)
    shared = _share(mirror, serving, clock)

    def reload(_number: int, _frame: object) -> None:
        try:
            _check(serving)
        except BundlerError as error:
            notice(f"nothing was reloaded: {error}")
        else:
            server.signal_handler_reload()  # type: ignore[no-untyped-call]  # it has no types

    def started() -> None:
        signal.signal(signal.SIGHUP, reload)
        url = url_of(serving.host, port, secure=serving.tls is not None)
        once_connected((address, port), partial(ready, url))

    server.on_startup(started)
    former = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        server.serve(
            target_loader=partial(_load, shared),  # type: ignore[arg-type]  # RSGI is not
            wrap_loader=False,
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in former.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _load(shared: _Shared) -> Application:
    """The application, in the process that runs it."""
    serving = shared.serving
    rate = failures = credentials = None
    if serving.rate:
        burst = max(1, round(serving.rate * _BURST_SECONDS))
        rate = Bound(serving.rate, burst, shared.asked, shared.secret)
    if serving.auth:
        credentials = Credentials.read(serving.auth, shared.secret)
        failures = Bound(1 / _FAILURE_SECONDS, _FAILURES, shared.failed, shared.secret)
    guard = Guard(
        serving.rules,
        shared.clock,
        time.monotonic,
        credentials=credentials,
        rate=rate,
        failures=failures,
    )
    with shared.claims.get_lock():
        row = shared.claims.value % (len(shared.figures) // COLUMNS)
        shared.claims.value += 1
    return Application(
        LivePages(shared.mirror, time.monotonic),
        guard,
        Counters(shared.figures, row),
        open_log(serving.access_log) if serving.access_log else None,
        serving.base_url,
        shared.clock,
        time.monotonic,
        shared.parent,
        serving.stall_seconds,
    )


def _share(mirror: Mirror, serving: Serving, clock: Callable[[], datetime]) -> _Shared:
    # Twice as many rows as processes: while one is replaced, both of them count.
    return _Shared(
        mirror,
        serving,
        clock,
        secrets.token_bytes(32),
        figures=RawArray("d", COLUMNS * 2 * serving.workers),
        claims=Value("Q"),
        asked=RawArray("d", PLACES),
        failed=RawArray("d", PLACES),
        parent=os.getpid(),
    )


def _server(serving: Serving, address: str, port: int) -> MPServer:
    tls = serving.tls
    cert = tls.cert if tls else None
    client_ca = tls.client_ca if tls else None
    return MPServer(
        "bundler",
        address=address,
        port=port,
        interface=Interfaces.RSGI,
        workers=serving.workers,
        # Where both are spoken, nothing bounds how long a client may say neither.
        http=HTTPModes.auto if tls and serving.http2 else HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(
            header_read_timeout=round(serving.header_seconds * 1000), max_buffer_size=_HEADER_BYTES
        ),
        http2_settings=HTTP2Settings(
            max_headers_size=_HEADER_BYTES,
            max_concurrent_streams=100,
            keep_alive_interval=30_000,
        ),
        runtime_blocking_threads=_READERS,
        log_level=LogLevels.error,
        log_dictconfig=_LOGGING,
        ssl_cert=cert,
        ssl_key=tls.key or cert if tls else None,
        ssl_protocol_min=SSLProtocols.tls12,
        ssl_ca=client_ca,
        ssl_client_verify=client_ca is not None,
        respawn_failed_workers=True,
        respawn_interval=_OVERLAP,
        workers_kill_timeout=_GRACE,
    )


def _check(serving: Serving) -> None:
    """Read all files that the processes will read, so that a mistake is told here and now."""
    if serving.tls:
        _check_tls(serving.tls)
    if serving.auth:
        Credentials.read(serving.auth, b"")
    if serving.access_log:
        os.close(open_log(serving.access_log).number)


def _check_tls(tls: Tls) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A key that is locked is refused: nobody is there to be asked.
        context.load_cert_chain(tls.cert, tls.key or tls.cert, password="")
    except OSError as error:  # ssl.SSLError is one, too
        raise BundlerError(
            f"cannot use the certificate {tls.cert} with its key: {error}",
            hint="--tls-cert is a chain in PEM, --tls-key its private key, without a passphrase",
        ) from error
    if tls.client_ca is None:
        return
    try:
        context.load_verify_locations(tls.client_ca)
    except OSError as error:
        raise BundlerError(
            f"cannot use {tls.client_ca} as the authority of clients: {error}",
            hint="--tls-client-ca is one or more certificates in PEM",
        ) from error
