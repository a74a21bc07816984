"""METADATA, digest and size of a wheel, with as little of the wheel as the server allows.

A source distribution is read as a whole: its metadata lies anywhere in it, and nothing beside it.
"""

from __future__ import annotations

import hashlib
import io
import threading
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from bundler.archive.store import BlobStore
from bundler.errors import DigestMismatchError, NetworkError, NotFoundError
from bundler.model.artifact import Blob, RemoteFile, Sha256, is_sdist
from bundler.resolve.index import WheelFacts
from bundler.upstream.faults import AnswerError
from bundler.upstream.fetch import MAX_FILE, fetch_unplanned, is_sound
from bundler.upstream.transport import Transport
from bundler.wheel.metadata import MAX_METADATA, read_metadata
from bundler.wheel.sdist import MAX_SDIST, SdistError, read_sdist

_TAIL: Final = 64 * 1024
"""Bytes; the central directory and METADATA of nearly every wheel are in its last 64 KiB."""

_BUDGET: Final = 64 * 1024 * 1024
_GONE: Final = frozenset({400, 404, 410})
_PARTIAL, _RANGE_NOT_SATISFIABLE = 206, 416


class _NoRangesError(Exception):
    """The server does not answer a range with that range."""

    def __init__(self, total: int | None) -> None:
        super().__init__()
        self.total = total


@dataclass(frozen=True, slots=True)
class _Source:
    transport: Transport
    file: RemoteFile
    stop: threading.Event


def read_remote_facts(
    transport: Transport, store: BlobStore, file: RemoteFile, stop: threading.Event
) -> WheelFacts:
    """What a resolution needs of a wheel or of a source distribution.

    Taken from the sibling file (PEP 658) when size and digest stand on the page, else from the end
    of the wheel by range requests, else from the whole wheel, which then stays in the store. A
    source distribution is always taken whole.

    Raises:
        DigestMismatchError: if the sibling, the size or the wheel are not as the page says.
        WheelError: if the wheel is not readable, or not the one that its name says.
        SdistError: as `read_sdist`.
        NetworkError: see `Transport.get`.
    """
    source = _Source(transport, file, stop)
    if is_sdist(file.filename):
        return _from_sdist(source, store)
    if file.sha256 is None:
        return _from_whole(source, store)
    if file.size is not None:
        data = _sibling(source)
        if data is not None:
            return WheelFacts(data, Blob(file.sha256, file.size))
    try:
        reader = _open_ranges(source)
        data = read_metadata(cast("BinaryIO", reader), file.filename)
    except _NoRangesError as error:
        total = error.total if file.size is None else None
        data = None if total is None else _sibling(source)
        if data is None or total is None:
            return _from_whole(source, store)
        return WheelFacts(data, Blob(file.sha256, total))
    return WheelFacts(data, Blob(file.sha256, reader.total))


def _sibling(source: _Source) -> bytes | None:
    """The METADATA beside the wheel; None when the page promises none or the server has none."""
    file = source.file
    if not file.has_metadata:
        return None
    path, question, query = file.url.partition("?")
    url = f"{path}.metadata{question}{query}"
    try:
        data = source.transport.get(url, limit=MAX_METADATA, stop=source.stop).body
    except NotFoundError:
        return None
    except AnswerError as error:
        if error.status in _GONE:
            return None
        raise
    got = Sha256(hashlib.sha256(data).hexdigest())
    if file.metadata_sha256 not in {None, got}:
        raise DigestMismatchError(
            f"{file.filename}.metadata: expected sha256 {file.metadata_sha256}, got {got}",
            hint="the index serves other metadata than its page promises; tell its operator",
        )
    return data


def _from_whole(source: _Source, store: BlobStore) -> WheelFacts:
    known = _whole(source, store, MAX_FILE)
    with store.open(known) as wheel:
        return WheelFacts(read_metadata(wheel, source.file.filename), known)


def _from_sdist(source: _Source, store: BlobStore) -> WheelFacts:
    file = source.file
    if file.size is not None and file.size > MAX_SDIST:
        raise SdistError(f"{file.filename}: has {file.size} bytes; at most {MAX_SDIST} are read")
    known = _whole(source, store, MAX_SDIST)
    with store.open(known) as sdist:
        facts = read_sdist(sdist, file.filename)
    return WheelFacts(facts.metadata, known, facts.build_requires)


def _whole(source: _Source, store: BlobStore, limit: int) -> Blob:
    """The file, in the store; `limit` in bytes, when no page told its size."""
    file = source.file
    if file.sha256 is not None:
        known = Blob(file.sha256, file.size or _kept_size(store, file.sha256))
        if is_sound(store, known):
            return known
    return fetch_unplanned(source.transport, store, file, source.stop, limit)


def _kept_size(store: BlobStore, sha256: Sha256) -> int:
    """Of what the store has under a digest."""
    try:
        return store.path(sha256).lstat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _open_ranges(source: _Source) -> _RangeReader:
    """A reader that holds the end of the wheel.

    Raises:
        _NoRangesError: if the server does not do ranges.
    """
    total = source.file.size
    if total is None:
        # Nobody told the size yet, so the end is asked for as such. Some servers answer 416 when
        # the file is shorter than that, and tell the size with it.
        answer = source.transport.get(
            source.file.url, byte_range=f"-{_TAIL}", limit=_TAIL, stop=source.stop
        )
        total = answer.total
        if answer.status == _PARTIAL and total is not None:
            reader = _RangeReader(source, total)
            reader.keep(answer.start, answer.body)
            return reader
        if answer.status != _RANGE_NOT_SATISFIABLE or total is None:
            raise _NoRangesError(total)
    reader = _RangeReader(source, total)
    reader.load(max(total - _TAIL, 0), total)
    return reader


class _RangeReader(io.RawIOBase):
    """A remote file to seek and read in; what was fetched is kept."""

    def __init__(self, source: _Source, total: int) -> None:
        super().__init__()
        self.total = total
        self._source = source
        self._position = 0
        self._held: list[tuple[int, bytes]] = []
        self._fetched = 0

    def keep(self, start: int, data: bytes) -> None:
        """Remember that `data` is at `start`."""
        self._held.append((start, data))
        self._fetched += len(data)

    def load(self, start: int, end: int) -> None:
        """Fetch the bytes from `start` up to `end`, which is not included.

        Raises:
            _NoRangesError: if the answer is not that range.
            DigestMismatchError: if the file has another size.
            NetworkError: see `Transport.get`; also when it would be too much.
        """
        if start >= end:
            return
        length = end - start
        file = self._source.file
        if self._fetched + length > _BUDGET:
            raise NetworkError(f"{file.filename}: more than {_BUDGET} bytes to find its METADATA")
        answer = self._source.transport.get(
            file.url, byte_range=f"{start}-{end - 1}", limit=length, stop=self._source.stop
        )
        if answer.total is not None and answer.total != self.total:
            raise DigestMismatchError(
                f"{file.filename}: expected {self.total} bytes, the server has {answer.total}"
            )
        if answer.status != _PARTIAL or answer.start != start or len(answer.body) != length:
            raise _NoRangesError(answer.total)
        self.keep(start, answer.body)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.total}[whence]
        if base + offset < 0:
            raise OSError("a position before the beginning")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """As for a file: fewer bytes only at its end."""
        start = self._position
        wanted = self.total if size is None or size < 0 else size
        end = min(start + wanted, self.total)
        if start >= end:
            return b""
        data = self._find(start, end)
        if data is None:
            aligned = start - start % _TAIL
            self.load(aligned, min(max(end, aligned + _TAIL), self.total))
            data = self._find(start, end) or b""
        self._position = end
        return data

    def _find(self, start: int, end: int) -> bytes | None:
        for at, data in self._held:
            if at <= start and end <= at + len(data):
                return data[start - at : end - at]
        return None
