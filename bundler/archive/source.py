"""A volume as its readers see it: bytes from front to back, from a file, a disc or a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from bundler.errors import BundlerError
from bundler.model.volume import Frame, VolumeIndex

CHUNK = 256 << 10


class UnreadableError(BundlerError):
    """The medium does not give a byte that should be there.

    Attributes:
        what: Where and why, without the medium's name.
    """

    def __init__(self, name: str, what: str) -> None:
        super().__init__(
            f"{name}: {what}",
            hint="try another drive or reader; if it stays, have the volume sent again",
        )
        self.what = what


class EndedError(UnreadableError):
    """And nothing behind it can be read either."""


class Source:
    """Reads a volume once, in order, and knows how far it is.

    Attributes:
        name: The file's path where the stream knows it.
        position: The offset in bytes of what is read next.
        piped: Whether other volumes may stand behind it.
        done: Whether it was read up to the end that its index names.
    """

    def __init__(
        self, stream: BinaryIO, position: int = 0, *, name: str | None = None, piped: bool = False
    ) -> None:
        """`stream` stands at `position`; where it is `piped`, other volumes may follow."""
        known = name or getattr(stream, "name", None)
        self.name = known if isinstance(known, str) else "the volume"
        self.position = position
        self.done = False
        self._stream = stream
        self.piped = piped
        # After an error, a stream does not know any more where it is.
        self._began = 0 if piped or not stream.seekable() else stream.tell() - position

    def chunks(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes in pieces; fewer only when the volume ends.

        Raises:
            UnreadableError: if the medium cannot be read.
        """
        while size > 0:
            try:
                chunk = self._stream.read(min(size, CHUNK))
            except OSError as error:
                why = error.strerror or error
                raise UnreadableError(
                    self.name, f"it cannot be read at byte {self.position}: {why}"
                ) from error
            if not chunk:
                return
            size -= len(chunk)
            self.position += len(chunk)
            yield chunk

    def read(self, size: int) -> bytes:
        """The next `size` bytes at once; fewer only when the volume ends."""
        return b"".join(self.chunks(size))

    def begin(self, _index: VolumeIndex) -> None:
        """Hear what the volume should have, before its first frame is read."""

    def frame(self, frame: Frame) -> Iterator[bytes]:
        """The bytes of the next frame, all of them.

        Raises:
            UnreadableError: if the medium cannot be read there.
            EndedError: if it ends before, or what cannot be read cannot be passed over either.
        """
        if self.position != frame.offset:
            self._pass_over(frame.offset)
        yield from self.chunks(frame.size)
        if self.position < frame.offset + frame.size:
            raise EndedError(self.name, f"the file ends at byte {self.position}")

    def beyond(self) -> str | None:
        """What stands behind the end and should not; None when nothing does."""
        return None if self.piped or not self.read(1) else "the file goes on behind it"

    def _pass_over(self, offset: int) -> None:
        try:
            self._stream.seek(self._began + offset)
        except OSError as error:
            raise EndedError(
                self.name, f"nothing behind byte {self.position} can be read"
            ) from error
        self.position = offset
