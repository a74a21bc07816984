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
from dataclasses import dataclass, field
from typing import Literal, NewType, TypeAlias, get_args

from bundler.model.artifact import Blob, Sha256, parse_sha256
from bundler.model.canonical import Json, canonical
from bundler.model.document import FORMAT, Reader
from bundler.model.manifest import blob_to_json, parse_stream

Form: TypeAlias = Literal["zst", "tar", "files"]
"""How a volume's blobs lie in it: in zstd frames of a tar, in a plain tar, as a folder of files."""

FORMS: tuple[Form, ...] = get_args(Form)

_PATH = re.compile(r"(?:files|documents)/[A-Za-z0-9][A-Za-z0-9_.!+-]{0,254}", re.ASCII)
_INDEX_NAME = re.compile(r"transport/([a-z0-9-]+)-(\d{6,})\.v(\d{2,})\.json", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One zstd frame; in other forms a run of plain bytes, whose `length` is its `size`.

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


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a blob that is too large for one volume; what crosses is a blob of its own.

    Attributes:
        whole: The blob that the officers signed.
        offset: Where the part begins in it, in bytes.
    """

    whole: Blob
    offset: int


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
        form: How the blobs lie in it.
        slices: Which of the blobs are parts of others, by the digest of the part.
        paths: In the form "files", where each blob lies in the folder.
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
    form: Form = "zst"
    slices: Mapping[Sha256, Slice] = field(default_factory=dict)
    paths: Mapping[Sha256, str] = field(default_factory=dict)

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
                "form": self.form,
                "slices": slices_to_json(self.slices),
                "paths": {str(sha256): path for sha256, path in self.paths.items()},
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
            form=_form_from_json(document),
            slices=slices_from_json(document),
            paths={
                parse_sha256(name): _checked_path(path)
                for name, path in document.all_texts("paths").items()
            },
        )
        document.finish()
        _check_layout(found)
        _check_form(found)
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


def slices_to_json(slices: Mapping[Sha256, Slice]) -> Json:
    """Parts of blobs as an object: digest of the part → whole and offset."""
    return {
        str(sha256): {"whole": blob_to_json(part.whole), "offset": part.offset}
        for sha256, part in slices.items()
    }


def slices_from_json(document: Reader) -> dict[Sha256, Slice]:
    """What `slices_to_json` wrote under the key `slices`.

    Raises:
        ValueError: naming the place in the document.
    """
    found = {}
    for name, item in document.members("slices"):
        found[parse_sha256(name)] = Slice(item.blob("whole"), item.size("offset"))
        item.finish()
    return found


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


def _check_form(index: VolumeIndex) -> None:
    """Plain forms are as long as they say, parts lie within their blobs, files have a path each."""
    blobs = {blob.sha256: blob for segment in index.segments for blob in segment.blobs}
    for sha256, part in index.slices.items():
        size = blobs[sha256].size if sha256 in blobs else 0
        if not 0 < size <= part.whole.size - part.offset or size == part.whole.size:
            raise ValueError(f"volume index: {sha256} is no part of {part.whole.sha256}")
    if index.form != "zst" and any(frame.size != frame.length for frame in index.frames()):
        raise ValueError("volume index: a frame of a plain volume is as long as what is in it")
    if set(index.paths) != (set(blobs) if index.form == "files" else set()):
        raise ValueError("volume index: in a folder every blob has a path, else none has")
    if len(set(index.paths.values())) < len(index.paths):
        raise ValueError("volume index: two blobs have one path")


def _form_from_json(document: Reader) -> Form:
    name = document.text("form")
    for form in FORMS:
        if name == form:
            return form
    raise ValueError(f"{document.place}.form: {name!r:.80} is not one of {', '.join(FORMS)}")


def _checked_path(path: str) -> str:
    if _PATH.fullmatch(path):
        return path
    raise ValueError(f"volume index: {path!r:.160} is not a path that a folder may have")


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
