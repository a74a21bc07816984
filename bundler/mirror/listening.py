"""The address and port of a server, and when somebody listens there."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

from bundler.errors import BundlerError

_LOOK = 0.02  # seconds between two tries to connect to ourselves


def free_address(host: str, port: int) -> tuple[str, int]:
    """The address behind a name, and a port on it that nobody listens on; 0 takes any.

    The server's processes share their port, which would let two servers share it as well.

    Raises:
        BundlerError: if there is no such address here, or the port is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        with socket.create_server(address[:2], family=family) as listener:
            return str(address[0]), int(listener.getsockname()[1])
    except OSError as error:
        raise BundlerError(
            f"cannot listen on {host} port {port}: {error}",
            hint="choose another --host or --port; ports below 1024 need more rights",
        ) from error


def url_of(host: str, port: int, *, secure: bool) -> str:
    """What a client is told, with a slash at the end."""
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{name}:{port}/"


def once_connected(address: tuple[str, int], then: Callable[[], None]) -> None:
    """Try to connect every moment, and call `then` when that succeeds.

    By a timer's signal: a thread would have to live through the fork of the processes.
    """
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])  # noqa: S104 - read

    def look(_number: int, _frame: object) -> None:
        try:
            socket.create_connection((target, address[1]), _LOOK).close()
        except OSError:
            signal.setitimer(signal.ITIMER_REAL, _LOOK)
        else:
            then()

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK)
