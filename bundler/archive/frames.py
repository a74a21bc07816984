"""The frames of a volume, read in order and compared with the signed index.

A frame that is not what was signed does not end the reading: its size is signed too, so whatever
stands behind it can still be found. What is wrong is collected, and told at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bundler.archive.source import EndedError, Source, UnreadableError
from bundler.errors import DamagedError
from bundler.model.volume import Frame, Segment, VerifiedIndex

AGAIN: Final = "have the volume sent again; whatever arrived whole is kept"
CHANGED: Final = "its bytes are not those that were signed"
END: Final = "the end of the archive"
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a frame.

    Attributes:
        number: Of the frame in the volume, from 1.
        segment: Whose frame it is; None for the end of the archive.
        words: Frame, bytes, segment, and what is wrong.
        last: Whether nothing behind it could be read.
    """

    number: int
    segment: Segment | None
    words: str
    last: bool = False


class DamagedVolumeError(DamagedError):
    """Frames of a volume are not what was signed; those before and behind them were taken in.

    Attributes:
        faults: In the order of the volume, at least one.
        index: The volume's.
    """

    def __init__(self, name: str, index: VerifiedIndex, faults: Sequence[Fault]) -> None:
        words = [fault.words for fault in faults[:_NAMED]]
        if len(faults) > _NAMED:
            words.append(f"and {len(faults) - _NAMED} more frames")
        super().__init__(f"{name} ({index.stem}): " + "\n".join(words), hint=AGAIN)
        self.faults = tuple(faults)
        self.index = index

    def lost(self) -> list[Segment]:
        """The segments that are not whole."""
        hit = {fault.segment.offset for fault in self.faults if fault.segment}
        ends = [fault.segment.offset for fault in self.faults if fault.segment and fault.last]
        return [
            segment
            for segment in self.index.segments
            if segment.offset in hit or any(segment.offset > end for end in ends)
        ]


class FrameReader:
    """Reads frames in order and compares each with the index.

    Attributes:
        faults: What was wrong so far.
    """

    def __init__(
        self, index: VerifiedIndex, source: Source, advance: Callable[[int], None]
    ) -> None:
        self.faults: list[Fault] = []
        self._index = index
        self._source = source
        self._advance = advance
        self._ended = False
        self._numbers = {frame.offset: n for n, frame in enumerate(index.frames(), start=1)}
        first = next(index.frames())
        if first.offset != source.position:
            raise DamagedError(
                f"{source.name} is not the volume {index.stem} as it was signed: its frames"
                f" begin at byte {source.position}, not at {first.offset}",
                hint="have the volume sent again",
            )
        source.begin(index)

    def take(self, frame: Frame, segment: Segment | None, keep: Callable[[bytes], object]) -> bool:
        """Read one frame, giving its bytes to `keep`; whether they are those that were signed."""
        digest = hashlib.sha256()

        def both(chunk: bytes) -> None:
            digest.update(chunk)
            keep(chunk)

        if not self.read(frame, segment, both):
            return False
        if digest.hexdigest() == frame.sha256:
            return True
        self.changed(frame, segment)
        return False

    def read(self, frame: Frame, segment: Segment | None, keep: Callable[[bytes], object]) -> bool:
        """Read one frame without comparing it; whether all of its bytes are there."""
        if self._ended:
            return False
        try:
            for chunk in self._source.frame(frame):
                keep(chunk)
                self._advance(len(chunk))
        except UnreadableError as error:
            self._ended = isinstance(error, EndedError)
            self._fault(frame, segment, error.what, last=self._ended)
            return False
        return True

    def changed(self, frame: Frame, segment: Segment | None) -> None:
        """A frame was read that is not what was signed."""
        self._fault(frame, segment, CHANGED)

    def end(self) -> None:
        """Read the tail, behind which the file must end.

        Raises:
            DamagedVolumeError: if anything was wrong.
        """
        tail = self._index.tail
        self.take(tail, None, lambda _chunk: None)
        if not self._ended:
            self._source.done = True
            if what := self._source.beyond():
                self._fault(tail, None, what)
        self.check()

    def check(self) -> None:
        """Tell what was wrong.

        Raises:
            DamagedVolumeError: if anything was.
        """
        if self.faults:
            faults = sorted(self.faults, key=lambda fault: fault.number)
            raise DamagedVolumeError(self._source.name, self._index, faults)

    def damaged(self, frame: Frame, segment: Segment | None, what: str) -> DamagedVolumeError:
        """The error for what must not be read on: it was signed like this."""
        self._fault(frame, segment, what)
        return DamagedVolumeError(self._source.name, self._index, self.faults[-1:])

    def _fault(
        self, frame: Frame, segment: Segment | None, what: str, *, last: bool = False
    ) -> None:
        number = self._numbers[frame.offset]
        words = (
            f"frame {number} of {len(self._numbers)}, bytes {frame.offset} to"
            f" {frame.offset + frame.size} ({segment.label if segment else END}): {what}"
        )
        self.faults.append(Fault(number, segment, words, last))
