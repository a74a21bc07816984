"""The address and port of a server, when somebody listens there, and how long it waits to send."""

from __future__ import annotations

import os
import signal
import socket
import stat
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


def give_up_stalled(seconds: float) -> int:
    """Let the connections that this process accepts from now on end when nothing can be sent.

    The server has no bound for that, but Linux has: the time that data may wait for a client
    that takes none of it (TCP_USER_TIMEOUT of tcp(7)). Accepted sockets inherit it from the one
    that listens, which is found among the open files, because the server does not name it.

    Returns:
        How many sockets listen; 0 on other systems, where nothing is bound.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None:
        return 0
    found = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the names are all that is needed
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as opened:
                if _listens(opened):
                    opened.setsockopt(socket.IPPROTO_TCP, option, round(seconds * 1000))
                    found += 1
        except OSError:  # it was closed meanwhile, as the list of files itself is
            continue
    return found


def _listens(opened: socket.socket) -> bool:
    return opened.family in {socket.AF_INET, socket.AF_INET6} and bool(
        opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    )
