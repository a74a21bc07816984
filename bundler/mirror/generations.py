"""Generations: every set of pages that was live, and which one is.

A generation is a folder, `.bundler/generations/000007`, written once: `simple/` and
`generation.json`, which says what sequence of each stream it shows. `MIRROR/simple` is a symbolic
link to one of them, so one rename makes a generation live. Numbers only grow: to go back makes a
new generation that shows what an earlier one did.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bundler.disk import sync_folder
from bundler.errors import BundlerError, DamagedError
from bundler.mirror.layout import Mirror
from bundler.model.artifact import Blob
from bundler.model.canonical import canonical
from bundler.model.document import FORMAT, Reader
from bundler.model.manifest import blob_to_json, parse_stream

RECORD = "generation.json"
UNFINISHED = ".new-"
"""Begins the name of a generation's folder until it is complete."""

GOING = ".old-"
"""Begins the name of a generation's folder once it is being removed."""

_FOLDER = re.compile(r"\d{6,}", re.ASCII)
_LINK = re.compile(r"\.bundler/generations/(\d{6,})/simple", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a generation shows of a stream: a sequence, and the manifest as a blob."""

    sequence: int
    manifest: Blob


@dataclass(frozen=True, slots=True)
class Generation:
    """One set of pages.

    Attributes:
        number: From 1.
        streams: What it shows of each stream.
        base_url: Where its pages say that the mirror is served, if they say so.
    """

    number: int
    streams: Mapping[str, Shown]
    base_url: str | None = None

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "generation": self.number,
                "base-url": self.base_url,
                "streams": [
                    {
                        "stream": stream,
                        "sequence": shown.sequence,
                        "manifest": blob_to_json(shown.manifest),
                    }
                    for stream, shown in sorted(self.streams.items())
                ],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Generation:
        """Read one.

        Raises:
            ValueError: naming the place in the document.
        """
        document = Reader.over(data, "generation")
        number = document.positive("generation")
        streams = {}
        for item in document.objects("streams"):
            shown = Shown(item.positive("sequence"), item.blob("manifest"))
            streams[parse_stream(item.text("stream"))] = shown
            item.finish()
        base_url = document.optional_text("base-url")
        document.finish()
        return cls(number, streams, base_url)


def folder_of(mirror: Mirror, number: int) -> Path:
    """A generation's folder."""
    return mirror.generations / f"{number:06}"


def live_number(mirror: Mirror) -> int | None:
    """The number of the live generation, None before the first.

    Raises:
        BundlerError: if `simple` is not a link that this program made.
    """
    try:
        target = os.readlink(mirror.simple)  # noqa: PTH115 - the link's own text is meant
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _foreign(mirror) from error
    match = _LINK.fullmatch(target)
    if not match:
        raise _foreign(mirror)
    return int(match[1])


def live(mirror: Mirror) -> Generation | None:
    """The live generation, None before the first.

    Raises:
        BundlerError, DamagedError: as `live_number` and `read_generation`.
    """
    number = live_number(mirror)
    return None if number is None else read_generation(mirror, number)


def read_generation(mirror: Mirror, number: int) -> Generation:
    """What a generation shows.

    Raises:
        DamagedError: if its record is lost, damaged, or of another number.
        BundlerError: if it cannot be read.
    """
    path = folder_of(mirror, number) / RECORD
    try:
        found = Generation.from_bytes(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DamagedError(f"{path} is lost") from error
    except OSError as error:
        raise BundlerError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error
    if found.number != number:
        raise DamagedError(f"{path} is damaged: it says generation {found.number}")
    return found


def kept_numbers(mirror: Mirror) -> list[int]:
    """The numbers of all generations that were live and are still there, the live one last."""
    last = live_number(mirror) or 0
    names = (entry.name for entry in mirror.generations.iterdir())
    return sorted(int(name) for name in names if _FOLDER.fullmatch(name) and int(name) <= last)


def leftovers(mirror: Mirror) -> list[Path]:
    """What a command that was killed has left behind.

    That is an unfinished generation, one that is half removed, or one above the live one, which was
    never shown.
    """
    last = live_number(mirror) or 0
    return [
        entry
        for entry in mirror.generations.iterdir()
        if (_FOLDER.fullmatch(entry.name) and int(entry.name) > last)
        or entry.name.startswith((UNFINISHED, GOING))
    ]


def make_live(mirror: Mirror, number: int) -> None:
    """Show the pages of a generation, by one rename, safe on disk on return."""
    link = mirror.state / "simple.new"
    link.unlink(missing_ok=True)
    # The link is read from MIRROR, where it is renamed to; here, it leads nowhere.
    link.symlink_to(f".bundler/generations/{number:06}/simple")
    try:
        link.replace(mirror.simple)
    except BaseException as error:
        link.unlink(missing_ok=True)
        if isinstance(error, IsADirectoryError):
            raise _foreign(mirror) from error
        raise
    sync_folder(mirror.root)


def sweep(mirror: Mirror) -> None:
    """Remove `leftovers`; the caller holds the lock."""
    for entry in leftovers(mirror):
        shutil.rmtree(entry)


def _foreign(mirror: Mirror) -> BundlerError:
    return BundlerError(
        f"{mirror.simple} is not the link that this program makes",
        hint="move it away, then publish again",
    )
