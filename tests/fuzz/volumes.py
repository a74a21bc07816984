"""Fuzz all that reads a volume behind its head.

    pip install 'airgap-bundler[fuzz]'
    python -m tests.fuzz.volumes TARGET FOLDER [-max_total_time=SECONDS]

TARGET is one of

    zst, tar      a whole volume, held against an index that was signed
    frame         one zstd frame of a length that was signed
    index         a volume index
    set           a volume set
    parity        a parity document
    header        one tar header
    segment       the tar stream of a segment, against its blobs

FOLDER takes the corpus. A fault is an exception other than our own, a wrong byte that passes, or a
document that is not written again as it was read. The seek table has no target, since nothing here
reads it: it is for other programs, and under the digest of the tail.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event
from typing import Protocol, Self

import zstandard

from bundler.archive import ustar
from bundler.archive.decompress import Pieces, SegmentSink, decompress
from bundler.archive.frame import compressor
from bundler.archive.head import read_head
from bundler.archive.keep import Keeper
from bundler.archive.room import Limits
from bundler.archive.source import Source
from bundler.archive.store import BlobStore
from bundler.archive.unpack import unpack_volume
from bundler.archive.verify import verify_volume
from bundler.archive.wanted import Wanted
from bundler.errors import DamagedError
from bundler.model.parity import Column, ParityDocument
from bundler.model.volume import Form, VerifiedIndex, VolumeIndex
from bundler.model.volume_set import Base, VolumeSet, VolumeSummary
from tests.fakes.trust import blob, digest, make_manifest, make_set
from tests.fakes.volumes import Contents, noise, spread, stored
from tests.fuzz.atheris_run import run

BIG = noise(45_000)
SIZE = 50_000


@dataclass(frozen=True)
class Good:
    """A volume as it was written: it begins with a part of `BIG`, and has all that is small."""

    index: VerifiedIndex
    data: bytes
    contents: Contents

    @property
    def start(self) -> int:
        return next(self.index.frames()).offset


@cache
def good(form: Form) -> Good:
    """The last volume of a set."""
    contents = Contents()
    segments = [
        Wanted(label="big 1.0", blobs=[contents.add(BIG)]),
        Wanted(label="a 1.0", blobs=[contents.add(part) for part in (b"", b"{}", bytes(5000))]),
    ]
    limits = Limits(size=SIZE, form=form, frame=3000)
    with tempfile.TemporaryDirectory() as folder:
        made = spread(Path(folder), segments, contents, limits)
        assert made.indexes[-1].slices
        return Good(VerifiedIndex(made.indexes[-1]), made.paths[-1].read_bytes(), contents)


def one_volume(form: Form, data: bytes) -> bool:
    """Whether both readers took it; then it is what was written, but for unsigned documents."""
    wanted = good(form)
    taken = [_read(wanted, data, store) for store in (None, tempfile.TemporaryDirectory)]
    assert taken[0] == taken[1]
    assert not taken[0] or data[wanted.start :] == wanted.data[wanted.start :]
    return taken[0]


def _read(
    wanted: Good, data: bytes, folder: Callable[[], tempfile.TemporaryDirectory[str]] | None
) -> bool:
    source = Source(io.BytesIO(data))
    try:
        head = read_head(source)
        if head.size != wanted.start or head.form != wanted.index.form:
            return False
        if folder is None:
            verify_volume(wanted.index, source)
            return True
        with folder() as name:
            return _unpack(wanted, source, BlobStore(Path(name)))
    except DamagedError:
        return False


def _unpack(wanted: Good, source: Source, store: BlobStore) -> bool:
    keeper = Keeper(store, slices=wanted.index.slices)
    try:
        unpack_volume(wanted.index, source, keeper, workers=1)
    finally:
        for name, content in stored(store).items():
            if name.startswith("sha256/"):
                assert hashlib.sha256(content).hexdigest() == Path(name).name
    assert not keeper.missing(wanted.index)
    return True


CONTENT = b"".join(bytes([n % 7]) * (n % 50) for n in range(400))


def one_frame(data: bytes) -> bool:
    """Whether it was decompressed; then stock zstd has the same bytes."""
    found, frame = list[bytes](), Pieces()
    frame.add(data)
    try:
        decompress(frame, len(CONTENT), lambda piece: found.append(bytes(piece)), Event())
    except ValueError:
        assert sum(map(len, found)) <= len(CONTENT)
        return False
    stock = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
    assert b"".join(found) == stock.read(len(CONTENT) + 1)
    return True


class Document(Protocol):
    """What is read from its canonical form."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self: ...
    def to_bytes(self) -> bytes: ...


def one_document(kind: type[Document], data: bytes) -> bool:
    """Whether it was read; then it is written again as it was."""
    try:
        document = kind.from_bytes(data)
    except ValueError:
        return False
    assert document.to_bytes() == data
    return True


def one_header(data: bytes) -> bool:
    """Whether it was read; then it is the one header of that file."""
    try:
        name, size = ustar.parse_header(data)
    except ValueError:
        return False
    assert ustar.header(name, size) == data
    return True


BLOBS = {blob(data): data for data in (b"", b"{}", b"x" * 600)}
STREAM = b"".join(part if isinstance(part, bytes) else BLOBS[part] for part in ustar.entries(BLOBS))


def one_segment(data: bytes) -> bool:
    """Whether it was taken; then each blob is in the store."""
    data = data[: len(STREAM)].ljust(len(STREAM), b"?")
    with tempfile.TemporaryDirectory() as folder:
        store = BlobStore(Path(folder))
        sink = SegmentSink(ustar.entries(BLOBS), Keeper(store))
        try:
            for start in range(0, len(data), 700):
                sink.feed(data[start : start + 700])
        except ValueError:
            assert data != STREAM
            return False
        finally:
            sink.close()
            assert set(map(len, stored(store))) <= {len(f"sha256/ab/{'0' * 64}")}
        assert data == STREAM
        assert all(store.read(each, each.size) == BLOBS[each] for each in BLOBS)
    return True


def volumes(form: Form) -> Iterator[bytes]:
    """A good one, and what is nearly one."""
    data, start = good(form).data, good(form).start
    yield data
    yield data[:-1]
    yield data + b"\0"
    yield data[:start]
    yield data[start:]
    yield data[:-900] + data[-800:]


def frames() -> Iterator[bytes]:
    """A good one, one of less, two, one without a length, and a skippable one."""
    engine = compressor(len(CONTENT))
    frame = engine.compress(CONTENT) + engine.flush()
    yield frame
    yield zstandard.ZstdCompressor(write_content_size=True).compress(CONTENT)
    yield zstandard.ZstdCompressor(write_content_size=True).compress(CONTENT[:-1])
    yield frame + frame
    yield zstandard.ZstdCompressor(write_content_size=False).compress(CONTENT)
    yield b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + frame


def indexes() -> Iterator[bytes]:
    """One of each form."""
    for form in ("zst", "tar"):
        yield good(form).index.to_bytes()
    contents = Contents()
    wanted = [Wanted(label="a", blobs=[contents.add(b"a")])]
    with tempfile.TemporaryDirectory() as folder:
        made = spread(Path(folder), wanted, contents, Limits(form="files"))
    yield made.indexes[0].to_bytes()


def sets() -> Iterator[bytes]:
    """One of each kind, the last with parity."""
    manifest = make_manifest(sequence=7)
    full = make_set(manifest, [good("zst").index])
    yield full.to_bytes()
    yield VolumeSet(
        stream="web",
        sequence=7,
        manifest=digest(b""),
        kind="delta",
        base=Base(6, digest(b"6")),
        volumes=(VolumeSummary(size=9, parity=True, projects=()),),
        parity=blob(b"parity"),
    ).to_bytes()


def parities() -> Iterator[bytes]:
    """Two columns, a row of two pieces, and a part."""
    one, two = blob(b"one"), blob(b"four")
    rows = ((blob(b"abc"), blob(b"d")),)
    columns = (Column(volume=1, blobs=(one,)), Column(volume=2, blobs=(two,)))
    yield ParityDocument(
        piece_size=3, columns=columns, rows=rows, slices=good("zst").index.slices
    ).to_bytes()


def headers() -> Iterator[bytes]:
    """Good ones, and one that is of GNU."""
    yield ustar.header("a", 0)
    yield ustar.header("blobs/sha256/" + "ab" * 32, ustar.LARGEST)
    yield ustar.header("a", 1).replace(b"ustar\x0000", b"ustar  \x00")


def segments() -> Iterator[bytes]:
    """The good one, and one without its first entry."""
    yield STREAM
    yield STREAM[512:]


@dataclass(frozen=True)
class Target:
    """What is fuzzed: `one` says whether the bytes were accepted, and raises for a fault."""

    seeds: Callable[[], Iterator[bytes]]
    one: Callable[[bytes], bool]


TARGETS = {
    "zst": Target(lambda: volumes("zst"), lambda data: one_volume("zst", data)),
    "tar": Target(lambda: volumes("tar"), lambda data: one_volume("tar", data)),
    "frame": Target(frames, one_frame),
    "index": Target(indexes, lambda data: one_document(VolumeIndex, data)),
    "set": Target(sets, lambda data: one_document(VolumeSet, data)),
    "parity": Target(parities, lambda data: one_document(ParityDocument, data)),
    "header": Target(headers, one_header),
    "segment": Target(segments, one_segment),
}


def main() -> None:
    """Run Atheris."""
    target = TARGETS[sys.argv[1]]
    run(target.seeds, target.one, Path(sys.argv[2]), sys.argv[3:])


if __name__ == "__main__":
    main() if sys.argv[2:] else sys.exit(__doc__)
