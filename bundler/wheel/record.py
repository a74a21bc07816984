"""RECORD: what a wheel says of each of its files (binary distribution format, PEP 427 and 376)."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bundler.wheel.fault import BrokenError, Fault

MAX_RECORD: Final = 32 * 1024 * 1024
"""Bytes; the largest directory that is read has names of half of that."""

_ALGORITHMS: Final = ("sha256", "sha384", "sha512")
_UNLISTED: Final = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""In the metadata folder; they cannot state their own digest (PEP 427)."""


@dataclass(frozen=True, slots=True)
class Line:
    """What RECORD says of a file; an empty `digest` is an absent one."""

    algorithm: str
    digest: str
    size: str


@dataclass(slots=True)
class Record:
    """The lines by path, and which of them a file was found for."""

    folder: str
    lines: Mapping[str, Line]
    seen: set[str] = field(default_factory=set)

    def algorithm(self, path: str) -> str:
        """What to hash a file with so that it can be compared; sha256 if it cannot."""
        line = self.lines.get(path)
        return line.algorithm if line and line.algorithm in _ALGORITHMS else "sha256"

    def compare(self, path: str, digest: bytes, size: int) -> Iterator[Fault]:
        """Hold a file against its line; `digest` is that of `algorithm`."""
        self.seen.add(path)
        line = self.lines.get(path)
        folder, _, name = path.rpartition("/")
        if folder == self.folder and name in _UNLISTED:
            return
        if line is None:
            yield Fault("record-missing", "is not in RECORD", path)
        elif not line.digest:
            yield Fault("record-digest", "has no digest in RECORD", path)
        elif line.algorithm not in _ALGORITHMS:
            yield Fault("record-digest", f"RECORD has its digest by {line.algorithm!r:.40}", path)
        elif line.digest != encoded(digest):
            yield Fault("record-digest", "is not what its digest in RECORD says", path)
        elif line.size not in {str(size), ""}:
            yield Fault("record-size", f"has {size} bytes, RECORD says {line.size!r:.40}", path)

    def leftovers(self) -> Iterator[Fault]:
        """Lines that no file was found for."""
        for path in self.lines:
            if path not in self.seen:
                yield Fault("record-extra", "is in RECORD and not in the wheel", path)


def encoded(digest: bytes) -> str:
    """A digest as RECORD has it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def read_record(data: bytes, folder: str) -> Record:
    """RECORD in the metadata folder `folder`.

    Raises:
        BrokenError: if it is not a table of three columns with each path once.
    """
    place = f"{folder}/RECORD"
    lines: dict[str, Line] = {}
    try:
        rows = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
        for row in rows:
            if not row:
                continue
            path, digest, size = row
            if path in lines:
                raise BrokenError("record", f"has the path {path!r:.120} twice", place)
            algorithm, _, value = digest.partition("=")
            lines[path] = Line(algorithm, value, size)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise BrokenError("record", f"is not a table of three columns: {error}", place) from error
    return Record(folder, lines)
