"""Host names, each looked up once: a run opens dozens of connections to two or three hosts.

Python and the C library remember no answer, so every connection asks the resolver anew. Many at
once are too much for some of them (routers, containers): they drop questions, and a question that
is lost costs five seconds.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from typing import Final

import httpcore
import httpx

_FRESH: Final = 300.0
"""Seconds; services move their names within about as long."""


class RememberedNames(httpcore.NetworkBackend):
    """Connects as the library does, but looks each name up once; for many threads."""

    def __init__(self) -> None:
        self._connect = httpcore.SyncBackend()
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}

    def serve(self, client: httpx.Client) -> None:
        """Make a client connect like this; the library has no other way to say so."""
        transports = (client._transport, *client._mounts.values())  # noqa: SLF001 - see above
        for transport in transports:
            if isinstance(transport, httpx.HTTPTransport):
                transport._pool._network_backend = self  # noqa: SLF001 - see above

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a name that answers, in the resolver's order.

        Raises:
            httpcore.ConnectError: if none does, or the name has none.
            httpcore.ConnectTimeout: if the last one takes too long.
        """
        addresses = self._addresses(host, port)
        for address in addresses[:-1]:
            try:
                return self._connect.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        try:
            return self._connect.connect_tcp(
                addresses[-1], port, timeout, local_address, socket_options
            )
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            self._forget(host, port)
            raise

    def _addresses(self, host: str, port: int) -> list[str]:
        """One question at a time: who waits behind the first gets its answer."""
        with self._lock:
            asked, known = self._known.get((host, port), (0.0, []))
            if known and time.monotonic() - asked < _FRESH:
                return known
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise httpcore.ConnectError(str(error)) from error
            known = list(dict.fromkeys(str(each[4][0]) for each in found))
            self._known[host, port] = time.monotonic(), known
            return known

    def _forget(self, host: str, port: int) -> None:
        with self._lock:
            self._known.pop((host, port), None)
