"""One file from the network into the store: hashed while it comes, continued after a cut.

A sender that never pauses for as long as the read timeout is never given up, however slow it is.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from bundler.archive.store import BlobStore
from bundler.disk import locked, no_room_explained
from bundler.errors import BundlerError, DigestMismatchError, RefusedError
from bundler.model.artifact import Blob, RemoteFile, Sha256
from bundler.upstream.retry import TransientError
from bundler.upstream.transport import Transport

MAX_FILE: Final = 16 * 1024**3
"""Bytes; the bound of a download whose size no page told."""

_RANGE_NOT_SATISFIABLE = 416
_POLL: Final = 0.1
"""Seconds between two looks at a lock that another process holds."""


class StoppedError(BundlerError):
    """The work was given up because something else failed, or the user asked for it."""

    code = "stopped"


class _Sink:
    """A file that is written from the front, and the digest of what it holds."""

    def __init__(
        self, file: BinaryIO, held: hashlib._Hash, progress: Callable[[int], None]
    ) -> None:
        """Go on at the file's position; `held` is the digest of what is before it."""
        self._file = file
        self._progress = progress
        self._hash = held
        self.size = file.tell()
        progress(self.size)

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)
        self._progress(len(chunk))

    def restart(self) -> None:
        """Forget everything; progress goes back as well."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self._progress(-self.size)
        self.size = 0

    def blob(self) -> Blob:
        """What the file holds, all of it handed to the operating system."""
        self._file.flush()
        return Blob(Sha256(self._hash.hexdigest()), self.size)


def is_sound(store: BlobStore, blob: Blob) -> bool:
    """Whether the store has `blob` and its bytes are those that its name says; all are read."""
    if not store.has(blob):
        return False
    try:
        with store.path(blob.sha256).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == blob.sha256
    except OSError:
        return False  # a bad disk, or another command removed it: fetching it again heals both


def fetch_planned(
    transport: Transport,
    store: BlobStore,
    remote: RemoteFile,
    blob: Blob,
    *,
    check: Callable[[Path], None],
    progress: Callable[[int], None],
    notice: Callable[[str], None],
    stop: threading.Event,
) -> bool:
    """Make the store have `remote`, which must be `blob`; whether it had to be downloaded.

    What the store has already is hashed again; if it is damaged or `check` refuses it, it is
    replaced. What is there already in the partial file of an earlier attempt is hashed again and
    continued; after a cut or `stop` the partial file stays. `check` looks at the complete file
    before it gets its name in the store. While another process downloads the same file, wait,
    and tell `notice` so.

    Raises:
        StoppedError: if `stop` was set.
        DigestMismatchError: if size or digest differ from the plan; nothing is kept then.
        RefusedError: what `check` raises; nothing is kept then.
        NetworkError: see `Transport.stream`.
        BundlerError: if there is no room.
    """
    _check_stop(stop, remote)
    if _is_usable(store, blob, check):
        progress(blob.size)
        return False
    partial = store.scratch / blob.sha256
    with no_room_explained(partial.parent, blob.size), _turn(partial, remote, notice, stop):
        # Another process may have put it there since, and may be using it.
        if _is_usable(store, blob, check):
            partial.unlink(missing_ok=True)
            progress(blob.size)
            return False
        store.path(blob.sha256).unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        with os.fdopen(descriptor, "r+b") as file:
            sink = _Sink(file, hashlib.file_digest(file, "sha256"), progress)
            try:
                _complete(transport, remote, sink, blob, stop)
                check(partial)
                store.adopt(blob, partial)
            except RefusedError:
                sink.restart()
                raise
            finally:
                if not sink.size:
                    partial.unlink(missing_ok=True)
    return True


def _is_usable(store: BlobStore, blob: Blob, check: Callable[[Path], None]) -> bool:
    if not is_sound(store, blob):
        return False
    try:
        check(store.path(blob.sha256))
    except (OSError, RefusedError):
        return False
    return True


@contextmanager
def _turn(
    partial: Path, remote: RemoteFile, notice: Callable[[str], None], stop: threading.Event
) -> Iterator[None]:
    """Hold the lock of a partial file; wait while another process holds it.

    Raises:
        StoppedError: if `stop` was set meanwhile.
    """
    told = False
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(partial, str(partial)))
                break
            except BundlerError as error:
                if not told:
                    notice(f"{remote.filename}: waiting for another command that downloads it")
                    told = True
                if stop.wait(_POLL):
                    raise StoppedError(f"{remote.filename}: {error.message}") from error
        yield


def _complete(
    transport: Transport, remote: RemoteFile, sink: _Sink, blob: Blob, stop: threading.Event
) -> None:
    resumed = sink.size > 0
    if sink.size < blob.size:
        _pull(transport, remote, sink, blob.size, stop)
    if resumed and sink.blob() != blob:
        # What an earlier attempt left may be what is wrong.
        sink.restart()
        _pull(transport, remote, sink, blob.size, stop)
    _compare(remote, sink.blob(), blob.sha256, blob.size)


def fetch_unplanned(
    transport: Transport,
    store: BlobStore,
    remote: RemoteFile,
    stop: threading.Event,
    limit: int = MAX_FILE,
) -> Blob:
    """Download a file whose page says too little to plan with; it must meet what the page says.

    If that is no size, `limit` bounds it, in bytes.

    Raises:
        BundlerError: as `fetch_planned`; nothing is kept after any error.
    """
    most = limit if remote.size is None else remote.size
    with no_room_explained(store.root, remote.size or 0), store.new_file() as file:
        sink = _Sink(file, hashlib.sha256(), _unheard)
        _pull(transport, remote, sink, most, stop)
        blob = sink.blob()
        _compare(remote, blob, remote.sha256, remote.size)
        store.adopt(blob, Path(file.name))
    return blob


def _pull(
    transport: Transport, remote: RemoteFile, sink: _Sink, limit: int, stop: threading.Event
) -> None:
    """Fill `sink` to the end of the file, never beyond `limit` bytes."""
    failures = 0
    while True:
        before = sink.size
        try:
            if _pull_once(transport, remote, sink, limit, stop):
                return
        except TransientError as error:
            _check_stop(stop, remote)
            failures = 1 if sink.size > before else failures + 1
            transport.retry.wait(failures, error, stop)


def _pull_once(
    transport: Transport, remote: RemoteFile, sink: _Sink, limit: int, stop: threading.Event
) -> bool:
    """Whether the answer went to its end; False when it was of no use and the sink is empty now."""
    _check_stop(stop, remote)
    with transport.stream(remote.url, offset=sink.size) as stream:
        if stream.start != sink.size or stream.status == _RANGE_NOT_SATISFIABLE:
            sink.restart()
            if stream.start or stream.status == _RANGE_NOT_SATISFIABLE:
                return False
        # What is announced counts, too: the rest might never come.
        _check_size(remote, stream.total or 0, limit)
        for chunk in stream:
            _check_stop(stop, remote)
            _check_size(remote, sink.size + len(chunk), limit)
            sink.write(chunk)
    return True


def _check_stop(stop: threading.Event, remote: RemoteFile) -> None:
    if stop.is_set():
        raise StoppedError(f"{remote.filename}: the download was stopped")


def _check_size(remote: RemoteFile, size: int, limit: int) -> None:
    if size > limit:
        raise DigestMismatchError(
            f"{remote.filename}: the server sends more than the {limit} bytes expected"
        )


def _compare(remote: RemoteFile, got: Blob, sha256: Sha256 | None, size: int | None) -> None:
    if size is not None and got.size != size:
        raise DigestMismatchError(
            f"{remote.filename}: expected {size} bytes, got {got.size}", hint=_HINT
        )
    if sha256 is not None and got.sha256 != sha256:
        raise DigestMismatchError(
            f"{remote.filename}: expected sha256 {sha256}, got {got.sha256}", hint=_HINT
        )


_HINT = "the file changed since the plan was made, or something in between altered it"


def _unheard(_amount: int) -> None:
    """The progress that nobody reads."""
