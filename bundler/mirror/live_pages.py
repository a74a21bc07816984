"""The live generation's pages in memory: read once, compressed once, within a bound.

A generation's pages are never written to after they went live, so that a look at the link to the
live one, every moment, is enough. A page that did not change is a link to the former, and is known
by its file's number, time and size. What is read is read through open folders, never twice by name:
a page is one generation's, whatever is published meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import zstandard
from zlib_ng import zlib_ng

from bundler.mirror.layout import Mirror

_LIVE = re.compile(r"(\.bundler/generations/\d{6,})/simple", re.ASCII)
_SIMPLE = "simple"
_SMALL = 1024  # bytes; below, a packet holds it anyway
_ZSTD_LEVEL = 3
_GZIP_LEVEL = 6
_GZIP_FORMAT = 31  # zlib's word for the largest window within a gzip header
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_TRIES = 5
_BOUND = 24 * 1024 * 1024
_BESIDE = 800  # bytes: name, tag, status and the rest that Python needs for a small page

_MOMENT = 0.05  # seconds that the link is not looked at again

_Status = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is sent: its coding (None for none), bytes, and a strong entity tag."""

    coding: str | None
    body: bytes
    etag: str


@dataclass(slots=True)
class _Kept:
    """A page in memory, the generation that it was last seen in, and the file that it is."""

    generation: str
    status: _Status
    page: Page


@dataclass(slots=True)
class LivePages:
    """The pages of a mirror; threads may share it.

    Attributes:
        mirror: The folder; nothing in it is changed.
        seconds: A clock that never goes back.
        bound: How many bytes of pages are kept, about.
    """

    mirror: Mirror
    seconds: Callable[[], float]
    bound: int = _BOUND
    _kept: OrderedDict[tuple[str, str, str | None], _Kept] = field(default_factory=OrderedDict)
    _size: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _generation: str | None = None
    _looked: float = -_MOMENT

    def kept(self, name: str, filename: str, coding: str | None) -> Page | None:
        """A page if it is in memory and the live one."""
        known = self._kept.get((name, filename, coding))
        if known is None:
            return None
        if self.seconds() - self._looked >= _MOMENT:
            self._live()
        if known.generation != self._generation:
            if self._generation is None:
                return None
            folder = f"{self.mirror.root}/{self._generation}/{_SIMPLE}"
            if _status(f"{folder}/{name}/{filename}") != known.status:
                return None
            known.generation = self._generation
        return known.page

    def find(self, name: str, filename: str, coding: str | None) -> Page | None:
        """A page, from memory or from disk; None if the live generation has none.

        Args:
            name: The project's, normalized; empty for the list of projects.
            filename: Of the page: its form.
            coding: What it may be compressed with; a small page is not.
        """
        page = self.kept(name, filename, coding)
        if page is None:
            read = self._read(*_parts(name, filename))
            if read is None:
                return None
            generation, status, data = read
            page = _page(data, coding)
            self._keep((name, filename, coding), _Kept(generation, status, page))
        return page

    def raw(self, name: str, filename: str) -> bytes | None:
        """The bytes of a page, from disk."""
        read = self._read(*_parts(name, filename))
        return read[2] if read else None

    def find_for_people(self, *path: str, coding: str | None) -> Page | None:
        """A page for people, by its path in the generation's folder; None if there is none.

        Some are renewed while they are live, by a rename; so the file is looked at each time.
        """
        read = self._read(*path)
        if read is None:
            return None
        generation, status, data = read
        key = ("/".join(path), "", coding)
        known = self._kept.get(key)
        if known and known.status == status:
            return known.page
        page = _page(data, coding)
        self._keep(key, _Kept(generation, status, page))
        return page

    def is_live(self) -> bool:
        """Whether there is a generation to serve."""
        return self._read(_SIMPLE, "index.html") is not None

    def _read(self, *path: str) -> tuple[str, _Status, bytes] | None:
        live = self._live()
        for _ in range(_TRIES):
            if live is None:
                return None
            read = _read_below(f"{self.mirror.root}/{live}", *path)
            if read:
                return live, *read
            # It may have been pruned between the look at the link and the look into the folder.
            former, live = live, self._live()
            if live == former:
                return None
        return None

    def _live(self) -> str | None:
        try:
            target = os.readlink(self.mirror.simple)  # noqa: PTH115 - the link's own text is meant
        except OSError:
            target = ""
        match = _LIVE.fullmatch(target)
        self._generation = match[1] if match else None
        self._looked = self.seconds()
        return self._generation

    def _keep(self, key: tuple[str, str, str | None], kept: _Kept) -> None:
        with self._lock:
            former = self._kept.pop(key, None)
            self._size += _weight(kept) - (_weight(former) if former else 0)
            self._kept[key] = kept
            while self._size > self.bound:
                _, oldest = self._kept.popitem(last=False)
                self._size -= _weight(oldest)


def _weight(kept: _Kept) -> int:
    return len(kept.page.body) + _BESIDE


def _parts(name: str, filename: str) -> tuple[str, ...]:
    return (_SIMPLE, name, filename) if name else (_SIMPLE, filename)


def _page(data: bytes, coding: str | None) -> Page:
    digest = hashlib.sha256(data).hexdigest()
    if coding is None or len(data) < _SMALL:
        return Page(None, data, f'"{digest}"')
    if coding == "zstd":
        body = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)
    else:
        gzip = zlib_ng.compressobj(_GZIP_LEVEL, zlib_ng.DEFLATED, _GZIP_FORMAT)
        body = gzip.compress(data) + gzip.flush()
    # Another coding is another representation: a strong tag of its own (RFC 9110 §8.8.3.3).
    return Page(coding, body, f'"{digest}-{coding}"')


def _status(path: str) -> _Status | None:
    try:
        found = Path(path).lstat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _read_below(folder: str, *path: str) -> tuple[_Status, bytes] | None:
    """A regular file of a generation; no link in the folder is followed."""
    opened = []
    try:
        opened.append(os.open(folder, _FOLDER))
        for name in path[:-1]:
            opened.append(os.open(name, _FOLDER, dir_fd=opened[-1]))
        opened.append(os.open(path[-1], _FILE, dir_fd=opened[-1]))
        found = os.fstat(opened[-1])
        with os.fdopen(opened.pop(), "rb") as file:
            data = file.read()
    except (OSError, ValueError):
        return None
    finally:
        for number in opened:
            os.close(number)
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size), data
