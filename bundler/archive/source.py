"""A volume as its readers see it: bytes from front to back, from a file, a disc or a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from bundler.errors import BundlerError

CHUNK = 256 << 10


class Source:
    """Reads a volume once, in order, and knows how far it is.

    Attributes:
        name: The file's path where the stream knows it.
        position: The offset in bytes of what is read next.
    """

    def __init__(self, stream: BinaryIO, position: int = 0) -> None:
        name = getattr(stream, "name", None)
        self.name = name if isinstance(name, str) else "the volume"
        self.position = position
        self._stream = stream

    def chunks(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes in pieces; fewer only when the volume ends.

        Raises:
            BundlerError: if the medium cannot be read.
        """
        while size > 0:
            try:
                chunk = self._stream.read(min(size, CHUNK))
            except OSError as error:
                raise BundlerError(
                    f"{self.name} cannot be read at byte {self.position}: {error.strerror}",
                    hint="try another drive or reader; if it stays, have the volume sent again",
                ) from error
            if not chunk:
                return
            size -= len(chunk)
            self.position += len(chunk)
            yield chunk

    def read(self, size: int) -> bytes:
        """The next `size` bytes at once; fewer only when the volume ends."""
        return b"".join(self.chunks(size))
