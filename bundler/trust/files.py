"""Small files that must be whole or absent."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from bundler.errors import BundlerError


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` so that a reader sees the old file or the new one, never a part; mode 0644.

    Raises:
        BundlerError: if it cannot be written; a temporary file is removed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise BundlerError(f"{path} cannot be written: {error.strerror or error}") from error


def read_whole(path: Path) -> bytes:
    """The bytes of a file that is there.

    Raises:
        BundlerError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundlerError(f"{path} cannot be read: {error.strerror or error}") from error
