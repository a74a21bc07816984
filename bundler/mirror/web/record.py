"""What a generation remembers of its pages for people, so that the next one writes few anew.

A file of lines: one for the pages' makers, then one for each project. It says nothing that a page
does not; where it is lost, all pages are written anew, and when files came is not known any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName

from bundler import __version__
from bundler.mirror import pages

NAME: Final = "web.jsonl"
"""In a generation's folder."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One project.

    Attributes:
        version: The newest.
        summary: As the project claims.
        files: How many each stream has.
        arrivals: Of each stream, see `view.Arrivals`.
    """

    name: NormalizedName
    version: str
    summary: str
    attested: bool
    files: Mapping[str, int]
    arrivals: Mapping[str, Mapping[str, int]]

    def to_line(self) -> bytes:
        """One line of JSON."""
        return _line([getattr(self, name) for name in self.__dataclass_fields__])


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a generation's pages.

    Attributes:
        known: False where there was none, or it was lost.
        current: Whether the pages were made by this very program.
    """

    known: bool = False
    current: bool = False
    entries: Mapping[NormalizedName, Entry] = field(default_factory=dict)


@cache
def makers() -> str:
    """A digest of everything that decides how pages look."""
    digest = hashlib.sha256(__version__.encode())
    for path in [Path(pages.__file__), *sorted(Path(__file__).parent.rglob("*"))]:
        if path.suffix in {".py", ".css", ".js"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def to_bytes(entries: Iterable[Entry]) -> bytes:
    """The file."""
    return b"".join([_line({"makers": makers()}), *(each.to_line() for each in entries)])


def read_record(folder: Path) -> Record:
    """That of a generation's folder; one that is lost or damaged knows nothing."""
    try:
        head, *lines = (folder / NAME).read_bytes().splitlines()
        current = json.loads(head)["makers"] == makers()
        entries = [Entry(*json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError, KeyError):
        return Record()
    return Record(known=True, current=current, entries={each.name: each for each in entries})


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
