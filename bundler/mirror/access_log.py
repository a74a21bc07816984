"""The access log: one JSON object a line, one line a request.

Everything that a client sends is escaped and cut, so that no request can begin a line of its own or
fill the disk by one. Queries and Authorization are not written: they may hold secrets. Lines are
collected for a moment and written by one call, so that several processes can share a file.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bundler.errors import BundlerError

_MAX_PATH = 1000
_MAX_AGENT = 200
_FULL = 32 * 1024  # bytes
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
        found = {
            "time": self.time.isoformat(timespec="milliseconds"),
            "client": self.client,
            "user": self.user,
            "method": self.method[:20],
            "path": self.path[:_MAX_PATH],
            "status": self.status,
            "bytes": self.size,
            "seconds": round(self.seconds, 6),
            "agent": self.agent[:_MAX_AGENT],
        }
        return json.dumps(found, separators=(",", ":")).encode() + b"\n"


@dataclass(slots=True)
class AccessLog:
    """Lines on their way to a file; `flush` it every moment, and at the end.

    Attributes:
        number: The file's descriptor.
    """

    number: int
    _lines: bytearray = field(default_factory=bytearray)

    def add(self, entry: Entry) -> None:
        """Note a request."""
        self._lines += entry.to_line()
        if len(self._lines) >= _FULL:
            self.flush()

    def flush(self) -> None:
        """Write what was noted."""
        if self._lines:
            os.write(self.number, self._lines)
            self._lines.clear()


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
