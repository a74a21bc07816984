"""Bytes that wait to be decompressed: in memory while there is room for them, else in files."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, cast

SPOOL_MEMORY: Final = 64 << 20
"""Bytes of all spools that are in memory."""


class Spool:
    """Where bytes wait.

    Attributes:
        file: To write them to, and to read them from; it has no name.
    """

    def __init__(self, file: BinaryIO, done: Callable[[], None]) -> None:
        self.file = file
        self._done = done

    def close(self) -> None:
        """Let go of the bytes; a second call does nothing."""
        if not self.file.closed:
            self.file.close()
            self._done()


class Spools:
    """Makes spools that share the memory there is for them."""

    def __init__(self, folder: Path) -> None:
        """`folder` takes those that are too large."""
        self._folder = folder
        self._free = SPOOL_MEMORY
        self._lock = Lock()

    def new(self, size: int) -> Spool:
        """One for so many bytes."""
        if self._take(size):
            return Spool(io.BytesIO(), lambda: self._give(size))
        file = cast("BinaryIO", tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115 - `close`
        return Spool(file, lambda: None)

    def _take(self, size: int) -> bool:
        with self._lock:
            if size > self._free:
                return False
            self._free -= size
            return True

    def _give(self, size: int) -> None:
        with self._lock:
            self._free += size
