"""The access log: one JSON object a line, one line a request.

Everything that a client sends is escaped and cut, so that no request can begin a line of its own or
fill the disk by one. Queries and Authorization are not written: they may hold secrets. Lines are
collected for a moment and written by one call, so that several processes can share a file.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass, field
from datetime import datetime
from json.encoder import encode_basestring_ascii as _quote
from pathlib import Path

from bundler.errors import BundlerError

_MAX_PATH = 1000
_MAX_AGENT = 200
_STDERR = "-"


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and its answer.

    Attributes:
        time: When it was answered.
        client: The address it came from.
        user: Who asked, None without authentication.
        size: Bytes of the answer's body, as promised.
        seconds: From its arrival to its answer; sending takes longer.
        agent: What the client calls itself, "" if nothing.
    """

    time: datetime
    client: str
    user: str | None
    method: str
    path: str
    status: int
    size: int
    seconds: float
    agent: str

    def to_line(self) -> bytes:
        """As JSON in ASCII."""
        user = "null" if self.user is None else _quote(self.user)
        # Several times as quick as an encoder, for what is done for each request.
        line = (
            f'{{"time":"{self.time.isoformat(timespec="milliseconds")}",'
            f'"client":{_quote(self.client)},"user":{user},'
            f'"method":{_quote(self.method[:20])},"path":{_quote(self.path[:_MAX_PATH])},'
            f'"status":{self.status},"bytes":{self.size},"seconds":{self.seconds:.6f},'
            f'"agent":{_quote(self.agent[:_MAX_AGENT])}}}\n'
        )
        return line.encode()


@dataclass(slots=True)
class AccessLog:
    """Lines on their way to a file; `flush` it every moment, and at the end. Threads may share it.

    Attributes:
        number: The file's descriptor.
    """

    number: int
    _lines: list[bytes] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, entry: Entry) -> None:
        """Note a request; nothing is written, so that this is quick and cannot fail."""
        line = entry.to_line()
        with self._lock:
            self._lines.append(line)

    def flush(self) -> None:
        """Write what was noted; what cannot be written is lost.

        Raises:
            OSError: if it cannot be written.
        """
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            os.write(self.number, b"".join(lines))


def open_log(path: Path) -> AccessLog:
    """A log that adds to a file, which others cannot read; "-" is stderr.

    Raises:
        BundlerError: if it cannot be opened.
    """
    if str(path) == _STDERR:
        return AccessLog(os.dup(sys.stderr.fileno()))
    try:
        number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise BundlerError(f"cannot write the access log {path}: {error}") from error
    return AccessLog(number)
