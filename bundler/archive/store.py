"""Blobs on disk, each named by its sha256.

A blob appears under its name whole or not at all: it is written to a scratch file of the same
filesystem, hashed by whoever writes it, and renamed. What is wrong with a file that is already
there (bit-rot, a curious user) is found by those who read it, not here, with one exception: `read`
hashes the small documents that are parsed.

What is in it is for its owner only, whatever the umask.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bundler.disk import make_folder, no_room_explained, set_mode, sync_folder
from bundler.errors import DamagedError, IncompleteError, RefusedError
from bundler.model.artifact import Blob, Sha256

_FOLDER, _FILE = 0o700, 0o600


class BlobStore:
    """A folder of blobs: `sha256/ab/abcd…`, and `partial/` for files that are being written.

    Safe to use from several threads and processes: every step is one rename.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        """One that is not `durable` may hold damaged blobs after a power cut, as a cache may."""
        self.root = root
        self._durable = durable

    def path(self, sha256: Sha256) -> Path:
        """Where the blob is, or would be."""
        return self.root / "sha256" / sha256[:2] / sha256

    @property
    def scratch(self) -> Path:
        """The folder for unfinished files, on the same filesystem; created when missing."""
        folder = self.root / "partial"
        make_folder(folder, _FOLDER)
        return folder

    def has(self, blob: Blob) -> bool:
        """Whether it is there as a regular file of its size; the content is not read."""
        try:
            found = self.path(blob.sha256).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == blob.size

    def open(self, blob: Blob, buffering: int = -1) -> BinaryIO:
        """The blob's bytes, for whoever will hash them; read in pieces of `buffering` bytes.

        Raises:
            IncompleteError: if the store does not have it.
        """
        if not self.has(blob):
            raise IncompleteError(
                f"{self.root} does not have the blob {blob.sha256} of {blob.size} bytes"
            )
        return self.path(blob.sha256).open("rb", buffering=buffering)

    def read(self, blob: Blob, limit: int) -> bytes:
        """The bytes of a document, hashed again; `limit` in bytes.

        Raises:
            IncompleteError: if the store does not have it.
            RefusedError: if it is larger than `limit`.
            DamagedError: if its bytes are not those that its name says.
        """
        if blob.size > limit:
            raise RefusedError(
                f"the document {blob.sha256} has {blob.size} bytes; at most {limit} are accepted"
            )
        with self.open(blob) as file:
            data = file.read(blob.size + 1)
        if hashlib.sha256(data).hexdigest() != blob.sha256:
            raise DamagedError(
                f"{self.path(blob.sha256)} is damaged: its digest is not the one in its name",
                hint="delete this file and run the command again",
            )
        return data

    def put(self, data: bytes) -> Blob:
        """Keep `data`; nothing is written when it is there already."""
        blob = Blob(Sha256(hashlib.sha256(data).hexdigest()), len(data))
        if not self.has(blob):
            with no_room_explained(self.root, blob.size), self.new_file() as file:
                file.write(data)
                file.flush()
                self.adopt(blob, Path(file.name))
        return blob

    @contextmanager
    def new_file(self) -> Iterator[BinaryIO]:
        """A fresh scratch file to write; it is gone at the end, unless it was adopted."""
        path = self.scratch / secrets.token_hex(16)
        # "x" is O_CREAT | O_EXCL: what already has this name is neither touched nor followed.
        with path.open("xb") as file:
            try:
                yield file
            finally:
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what writers that were killed have left; nobody else may be writing."""
        folder = self.root / "partial"
        for path in folder.iterdir() if folder.is_dir() else ():
            path.unlink()

    def adopt(self, blob: Blob, temp: Path) -> None:
        """Give the complete, already hashed file `temp` (from `scratch`) its name in the store."""
        with temp.open("rb") as file:
            set_mode(file, _FILE)
            if self._durable:
                os.fsync(file.fileno())
        final = self.path(blob.sha256)
        make_folder(final.parent, _FOLDER)
        temp.replace(final)

    def sync(self, blobs: Iterable[Blob]) -> None:
        """Make the names of blobs that are here safe on disk; `adopt` sees to their bytes only.

        Once for many blobs: it costs little more than for one.
        """
        for folder in sorted({self.path(blob.sha256).parent for blob in blobs}):
            sync_folder(folder)
        sync_folder(self.root / "sha256")
        sync_folder(self.root)
