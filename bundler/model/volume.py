"""The index of a volume: where each frame is, what it hashes to and which blobs it carries.

A volume is one file: a head (a zstd skippable frame), *segments*, and a tail. A segment is a run of
blobs written as USTAR entries, one after the other, cut into one or more zstd frames; the wheels of
one release are one segment. Segments follow each other without a gap, the first right behind the
head and the tail right behind the last, so that every byte of the file is either in the head or
under a digest of this index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NewType

from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import Json, canonical
from bundler.model.document import FORMAT, Reader
from bundler.model.manifest import blob_to_json, parse_stream

_INDEX_NAME = re.compile(r"transport/([a-z0-9-]+)-(\d{6,})\.v(\d{2,})\.json", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One zstd frame.

    Attributes:
        offset: Of its first byte in the volume.
        size: In the volume, in bytes.
        sha256: Of these bytes.
        length: After decompression, in bytes.
    """

    offset: int
    size: int
    sha256: Sha256
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Blobs in the order of their tar entries, and the frames that hold them.

    Attributes:
        label: For people: `numpy 2.5.5`, `documents`.
    """

    label: str
    blobs: tuple[Blob, ...]
    frames: tuple[Frame, ...]

    @property
    def offset(self) -> int:
        """Of the first frame in the volume."""
        return self.frames[0].offset

    @property
    def size(self) -> int:
        """Of all frames in the volume, in bytes."""
        return sum(frame.size for frame in self.frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeIndex:
    """The signed description of one volume.

    Attributes:
        volume, volumes: This one's number, from 1, and how many there are.
        manifest: The digest of the manifest that the volume belongs to.
        size: Of the whole file, in bytes.
        tail: The bytes behind the last segment: the end of the tar stream and the seek table.
        head: Digests of those entries of the head that no other signed document names by digest:
            the chain of root metadata.
    """

    stream: str
    sequence: int
    volume: int
    volumes: int
    manifest: Sha256
    size: int
    segments: tuple[Segment, ...]
    tail: Frame
    head: Mapping[str, Sha256]

    @property
    def name(self) -> str:
        """Its path in the head, which is also its TUF target path."""
        return f"transport/{self.stem}.json"

    @property
    def stem(self) -> str:
        """The volume's filename without its suffix, such as `web-000007.v01`."""
        return volume_stem(self.stream, self.sequence, self.volume)

    def frames(self) -> Iterator[Frame]:
        """Every frame in the order of the file, the tail last."""
        for segment in self.segments:
            yield from segment.frames
        yield self.tail

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "stream": self.stream,
                "sequence": self.sequence,
                "volume": self.volume,
                "volumes": self.volumes,
                "manifest": self.manifest,
                "size": self.size,
                "segments": [
                    {
                        "label": segment.label,
                        "blobs": [blob_to_json(blob) for blob in segment.blobs],
                        "frames": [_frame_to_json(frame) for frame in segment.frames],
                    }
                    for segment in self.segments
                ],
                "tail": _frame_to_json(self.tail),
                "head": dict(self.head),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> VolumeIndex:
        """Read one.

        Raises:
            ValueError: naming the place in the document; also when frames leave a gap, overlap, or
                do not end where the file does.
        """
        document = Reader.over(data, "volume index")
        found = cls(
            stream=parse_stream(document.text("stream")),
            sequence=document.positive("sequence"),
            volume=document.positive("volume"),
            volumes=document.positive("volumes"),
            manifest=document.digest("manifest"),
            size=document.size("size"),
            segments=tuple(_segment_from_json(item) for item in document.objects("segments")),
            tail=_frame_from_json(document.object("tail")),
            head=document.digests("head"),
        )
        document.finish()
        _check_layout(found)
        return found


VerifiedIndex = NewType("VerifiedIndex", VolumeIndex)
"""An index whose signatures were checked; only `bundler.trust.gate` makes one."""


def volume_stem(stream: str, sequence: int, volume: int) -> str:
    """The name of a volume without its suffix: `STREAM-000007.v01`."""
    return f"{stream}-{sequence:06}.v{volume:02}"


def is_index_name(name: str) -> bool:
    """Whether a head's entry is a volume index, by its name."""
    return index_stream(name) is not None


def index_stream(name: str) -> str | None:
    """The stream in the name of a volume index; None when it is the name of something else."""
    match = _INDEX_NAME.fullmatch(name)
    return match[1] if match else None


def _check_layout(index: VolumeIndex) -> None:
    if index.volume > index.volumes:
        raise ValueError(f"volume index: volume {index.volume} of {index.volumes}")
    position: int | None = None
    for number, frame in enumerate(index.frames()):
        if frame.size < 1 or (position is not None and frame.offset != position):
            raise ValueError(f"volume index: frame {number} does not follow the one before it")
        position = frame.offset + frame.size
    if position != index.size:
        raise ValueError("volume index: the frames do not end where the volume does")


def _segment_from_json(document: Reader) -> Segment:
    segment = Segment(
        label=document.text("label"),
        blobs=tuple(item.whole_blob() for item in document.objects("blobs")),
        frames=tuple(_frame_from_json(item) for item in document.objects("frames")),
    )
    document.finish()
    if not segment.blobs or not segment.frames:
        raise ValueError(f"{document.place}: no blobs or no frames")
    return segment


def _frame_to_json(frame: Frame) -> Json:
    return {
        "offset": frame.offset,
        "size": frame.size,
        "sha256": frame.sha256,
        "length": frame.length,
    }


def _frame_from_json(document: Reader) -> Frame:
    frame = Frame(
        offset=document.size("offset"),
        size=document.size("size"),
        sha256=document.digest("sha256"),
        length=document.size("length"),
    )
    document.finish()
    return frame
