from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from bundler.archive import ustar
from bundler.archive.decompress import Buffer, Pieces, SegmentSink, decompress
from bundler.archive.frame import compressor
from bundler.archive.keep import Keeper
from bundler.archive.parallel import StoppedError
from bundler.archive.store import BlobStore
from tests.fakes.volumes import Contents, noise, stored


def frame_of(data: bytes, step: int = 1 << 18) -> Pieces:
    engine = compressor(len(data))
    packed, pieces = engine.compress(data) + engine.flush(), Pieces()
    for start in range(0, len(packed), step):
        pieces.add(packed[start : start + step])
    return pieces


@pytest.mark.parametrize("step", [1, 7, 1 << 10, 1 << 18])
def test_a_frame_may_have_come_in_any_pieces(step: int) -> None:
    found: list[bytes] = []
    data = noise(2000) + bytes(2000)
    decompress(frame_of(data, step), len(data), lambda piece: found.append(bytes(piece)), Event())
    assert b"".join(found) == data


def test_pieces_are_read_as_they_came_but_never_more_than_asked_for() -> None:
    pieces = Pieces()
    assert (pieces.start(3), pieces.read(9)) == (b"", b"")
    for piece in (b"ab", b"", b"cdef", b"g"):
        pieces.add(piece)
    assert pieces.start(3) == b"abc"
    assert [pieces.read(4) for _ in range(4)] == [b"abcd", b"ef", b"g", b""]


def test_a_frame_comes_in_pieces_of_bounded_size() -> None:
    pieces: list[bytes] = []
    data = bytes(5_000_000)
    decompress(frame_of(data), len(data), lambda piece: pieces.append(bytes(piece)), Event())
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 1 << 20


def test_a_bomb_is_not_let_off() -> None:
    pieces: list[bytes] = []
    with pytest.raises(ValueError, match="its zstd header does not say what the index says"):
        decompress(
            frame_of(bytes(50_000_000)), 1000, lambda piece: pieces.append(bytes(piece)), Event()
        )
    assert pieces == []


def test_decompression_stops_when_it_is_told_to() -> None:
    stop = Event()
    pieces: list[bytes] = []

    def feed(piece: Buffer) -> None:
        pieces.append(bytes(piece))
        stop.set()

    with pytest.raises(StoppedError):
        decompress(frame_of(bytes(5_000_000)), 5_000_000, feed, stop)
    assert len(pieces) == 1


@pytest.mark.parametrize("step", [1, 511, 512, 513, 100_000])
def test_a_sink_takes_the_stream_in_any_pieces(tmp_path: Path, step: int) -> None:
    contents = Contents()
    blobs = [contents.add(data) for data in (b"", b"one", noise(512), b"", noise(1500))]
    stream = b"".join(
        entry if isinstance(entry, bytes) else contents.by_blob[entry]
        for entry in ustar.entries(blobs)
    )
    store = BlobStore(tmp_path)
    sink = SegmentSink(ustar.entries(blobs), Keeper(store))
    for start in range(0, len(stream), step):
        sink.feed(stream[start : start + step])
    assert sorted(stored(store).values()) == sorted(contents.by_blob.values())


def test_a_closed_sink_leaves_no_file(tmp_path: Path) -> None:
    contents = Contents()
    blob = contents.add(noise(100))
    store = BlobStore(tmp_path)
    sink = SegmentSink(ustar.entries([blob]), Keeper(store))
    sink.feed(ustar.header(ustar.blob_name(blob), 100) + noise(50))
    assert len(list(store.scratch.iterdir())) == 1
    sink.close()
    assert list(store.scratch.iterdir()) == []
