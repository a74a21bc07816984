"""Blobs in the making: those that cross in parts, as they are larger than a volume.

A part is written where it belongs into one file as long as the blob, so nothing is ever there
twice. `sliced/DIGEST` is the file, `sliced/DIGEST.START-STOP` an empty one that says: these bytes
are safe on disk and were what the part's digest says. A crash at any point costs the part that was
being written.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final

from bundler.archive.store import BlobStore
from bundler.disk import make_folder, sync_folder
from bundler.errors import DamagedError
from bundler.model.artifact import Blob, Sha256, parse_sha256
from bundler.model.volume import Slice

_MARKER: Final = re.compile(r"([0-9a-f]{64})\.(\d+)-(\d+)", re.ASCII)


class Sliced:
    """The wholes of a store that lack parts; whoever writes holds the store's owner locked."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._folder = store.root / "sliced"
        self._lock = Lock()

    def has(self, part: Slice, size: int) -> bool:
        """Whether the `size` bytes of a part are there."""
        return self._marker(part, size).is_file() and self._is_begun(part.whole)

    @contextmanager
    def open(self, part: Slice) -> Iterator[BinaryIO]:
        """The whole, to be written where the part begins."""
        with self._lock:
            if not self._is_begun(part.whole):
                self._begin(part.whole)
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.path(part.whole), flags), "wb") as file:
            file.seek(part.offset)
            yield file

    def keep(self, part: Slice, size: int, file: BinaryIO) -> None:
        """A part was written, and hashed; with the last one, the whole becomes a blob.

        Raises:
            DamagedError: if all parts do not make the whole; they are dropped.
        """
        file.flush()
        os.fsync(file.fileno())
        with self._lock:
            self._marker(part, size).touch(0o600)
            sync_folder(self._folder)
            if self._is_covered(part.whole):
                self._adopt(part.whole)

    def sweep(self) -> None:
        """Finish what a crash has left: wholes that have all parts, marks that have no whole."""
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            marker = _MARKER.fullmatch(path.name)
            if marker and not (self._folder / marker[1]).exists():
                path.unlink(missing_ok=True)
            elif not marker:
                whole = Blob(parse_sha256(path.name), path.stat().st_size)
                if self._is_covered(whole):
                    with suppress(DamagedError):  # it is gone then, and its parts are missing
                        self._adopt(whole)

    def clear(self) -> None:
        """Drop everything that is unfinished."""
        if self._folder.is_dir():
            # Marks first: without one, nothing says that bytes are good.
            for path in sorted(self._folder.iterdir(), key=lambda path: -len(path.name)):
                path.unlink()
            self._folder.rmdir()

    def _begin(self, whole: Blob) -> None:
        make_folder(self._folder, 0o700)
        self._drop(whole.sha256)
        with self.path(whole).open("xb") as file:
            file.truncate(whole.size)
        self.path(whole).chmod(0o600)
        sync_folder(self._folder)

    def _adopt(self, whole: Blob) -> None:
        path = self.path(whole)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != whole.sha256:
            self._drop(whole.sha256)
            raise DamagedError(
                f"the parts of the blob {whole.sha256} ({whole.size} bytes) have all arrived, but"
                " together they are something else; they were dropped",
                hint="unpack the volumes with these parts again; if it stays, whoever packed them"
                " made a mistake: ask the sender",
            )
        self._store.adopt(whole, path)
        self._store.sync([whole])
        self._drop(whole.sha256)

    def _drop(self, sha256: Sha256) -> None:
        for path in sorted(self._folder.glob(f"{sha256}.*")):
            path.unlink()
        (self._folder / sha256).unlink(missing_ok=True)

    def _is_begun(self, whole: Blob) -> bool:
        path = self.path(whole)
        return path.is_file() and path.stat().st_size == whole.size

    def _is_covered(self, whole: Blob) -> bool:
        end = 0
        for start, stop in sorted(self._spans(whole.sha256)):
            if start > end:
                return False
            end = max(end, stop)
        return end == whole.size

    def _spans(self, sha256: Sha256) -> Iterator[tuple[int, int]]:
        for path in self._folder.glob(f"{sha256}.*"):
            start, stop = path.suffix[1:].split("-")
            yield int(start), int(stop)

    def path(self, whole: Blob) -> Path:
        """The file that a whole is written to until it is complete."""
        return self._folder / whole.sha256

    def _marker(self, part: Slice, size: int) -> Path:
        return self._folder / f"{part.whole.sha256}.{part.offset}-{part.offset + size}"
