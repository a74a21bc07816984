"""Which names the members of a wheel may have, and which of them cannot stand side by side."""

from __future__ import annotations

import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from bundler.wheel.directory import Entry
from bundler.wheel.fault import Fault

_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\\:]")
_PLACES: Final = frozenset({"", ".", ".."})
_KINDS: Final = frozenset({0, stat.S_IFREG, stat.S_IFDIR})


def name_faults(entries: Iterable[Entry]) -> Iterator[Fault]:
    """What is wrong with the names and kinds of all members together.

    Two names that a file system takes for one are a fault as well: on Windows and on a Mac the
    second would overwrite the first, and so would a file and a folder of one name.
    """
    kinds: dict[str, bool] = {}
    for entry in entries:
        path = entry.name.removesuffix("/") if entry.is_folder else entry.name
        if fault := path_fault(path):
            yield Fault("name", fault, entry.name)
        if fault := _kind_fault(entry):
            yield Fault("kind", fault, entry.name)
        key = folded(path)
        if key in kinds:
            yield Fault("name-twice", "its name is there already", entry.name)
        kinds[key] = entry.is_folder
    for key in kinds:
        above, slash, _ = key.rpartition("/")
        while slash and kinds.get(above, True):
            above, slash, _ = above.rpartition("/")
        if slash:
            yield Fault("name-twice", "is a file, and a folder of others", above)


def folded(path: str) -> str:
    """What file systems that ignore case and composition make of it."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def path_fault(path: str) -> str | None:
    """Why a relative path with slashes may not be in a wheel; None when it may."""
    if path.startswith("/"):
        return "is an absolute path"
    if found := _FORBIDDEN.search(path):
        return f"has the character {found.group()!r} in its name"
    if odd := _PLACES.intersection(path.split("/")):
        return f"has {min(odd)!r} as a part of its path"
    return None


def _kind_fault(entry: Entry) -> str | None:
    kind = stat.S_IFMT(entry.mode)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in _KINDS or (kind == stat.S_IFDIR) > entry.is_folder:
        return f"is no ordinary file (mode {entry.mode:o})"
    if entry.is_folder and entry.size:
        return "is a folder with content"
    return None
