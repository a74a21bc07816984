"""A volume that is a folder of plain files, for guards that look into each file.

Nothing in the folder is followed anywhere else: each file is opened by its signed path, below a
descriptor of the folder, and must be a regular one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, Self

from bundler.archive.folder import END_FILE
from bundler.archive.head import HEAD_FILE, Head, read_head_file
from bundler.archive.source import Source, UnreadableError
from bundler.errors import BundlerError, DamagedError
from bundler.model.volume import Frame, VolumeIndex

_FOLDERS: Final = ("files", "documents")
_NAMED: Final = 10
_BELOW: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder(Source):
    """A folder as one volume, whose frames are its files; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the folder.

        Raises:
            DamagedError: if it has no head.
            BundlerError: if it cannot be opened.
        """
        try:
            self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise BundlerError(f"{path}: {error.strerror or error}".lower()) from error
        self._open = ExitStack()
        self._open.callback(os.close, self._folder)
        self._paths: dict[int, str] = {}
        try:
            self._head = self._open.enter_context(self._file(HEAD_FILE))
        except OSError as error:
            self._open.close()
            raise DamagedError(
                f"{path} is not a bundle volume: it is a folder without a readable {HEAD_FILE},"
                " and without volumes",
                hint="give the volume's file, NAME.v01.tar.zst, or the folder that it is in",
            ) from error
        super().__init__(self._head, name=str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def head(self) -> Head:
        """Read the head; see `read_head`."""
        return read_head_file(self, os.fstat(self._head.fileno()).st_size)

    def begin(self, index: VolumeIndex) -> None:
        """Learn which frame is which file."""
        for segment in index.segments:
            for blob, frame in zip(segment.blobs, segment.frames, strict=False):
                self._paths[frame.offset] = index.paths.get(blob.sha256, END_FILE)
        self._paths[index.tail.offset] = END_FILE

    def frame(self, frame: Frame) -> Iterator[bytes]:
        """The bytes of one file, which must have as many as the frame.

        Raises:
            UnreadableError: if it has not, is no regular file, or cannot be read.
        """
        path = self._paths.get(frame.offset, END_FILE)
        try:
            with self._file(path) as file:
                size = os.fstat(file.fileno()).st_size
                if size != frame.size:
                    raise UnreadableError(self.name, f"{path} has {size} bytes, not {frame.size}")
                yield from Source(file, name=path).chunks(size)
        except OSError as error:
            raise UnreadableError(
                self.name, f"{path} cannot be read: {error.strerror or error}"
            ) from error

    def beyond(self) -> str | None:
        """Every file that is not listed."""
        listed = {HEAD_FILE, *self._paths.values()}
        found = sorted(name for name in self._names() if name not in listed)
        if not found:
            return None
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        return f"the folder has what is not listed: {', '.join(found[:_NAMED])}{more}"

    def _names(self) -> Iterator[str]:
        for name in _list(self._folder):
            if name not in _FOLDERS:
                yield name
                continue
            try:
                below = os.open(name, _BELOW, dir_fd=self._folder)
            except OSError:  # a file or a link of that name
                yield name
                continue
            try:
                yield from (f"{name}/{inner}" for inner in _list(below))
            finally:
                os.close(below)

    def _file(self, path: str) -> BinaryIO:
        """A regular file below the folder."""
        folder, _, name = path.rpartition("/")
        with ExitStack() as opened:
            below = self._folder
            if folder:
                below = os.open(folder, _BELOW, dir_fd=self._folder)
                opened.callback(os.close, below)
            # A named pipe would wait for its writer.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=below)
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise OSError(0, "it is not a regular file")
        return file


def _list(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]
