"""What a transport is connected to, so that another thread can cut all of it at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakSet


class Sockets:
    """The open sockets of the HTTP library; for many threads.

    Attributes:
        are_cut: Whether nothing can be asked any more.
    """

    def __init__(self) -> None:
        self.are_cut = False
        self._known: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember what is connected; called by httpcore (its "trace" extension)."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            made = info["return_value"].get_extra_info("socket")
            with self._lock:
                self._known.add(made)
                late = self.are_cut
            if late:
                _cut(made)

    def cut(self) -> None:
        """Whoever waits for an answer gets an error at once."""
        with self._lock:
            self.are_cut = True
            sockets = list(self._known)
        for each in sockets:
            _cut(each)


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):  # it may be closed meanwhile
        # Not the method of an SSLSocket, which another thread is reading from.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
