from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bundler.archive import ustar
from bundler.archive.frame import FRAME_LIMIT, compressor
from bundler.archive.head import read_head
from bundler.archive.source import Source
from bundler.archive.store import BlobStore
from bundler.archive.verify import verify_volume
from bundler.errors import BundlerError, DamagedError
from bundler.events import Advanced, Event, Finished, Started
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import Frame, Segment, VerifiedIndex, VolumeIndex
from tests.fakes.volumes import MANIFEST, Contents, Packed, noise, pack, stored, unpack_from

NAME = "web-000007.v01.tar.zst"
BIG = noise(20_000)
SEGMENTS = [
    ("documents", [b"", b"{}", b"x" * 512]),
    ("numpy 2.5.5", [BIG, BIG + b"a", bytes(5000)]),
    ("six 1.17.0", [b"six" * 100, b"{}"]),
]


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    return pack(tmp_path / NAME, SEGMENTS, frame_limit=8000)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


def names(contents: Packed) -> dict[str, bytes]:
    return {
        f"sha256/{blob.sha256[:2]}/{blob.sha256}": data for blob, data in contents.contents.items()
    }


def check_whole(store: BlobStore) -> None:
    """Whatever is in the store is what its name says, and nothing is half done."""
    for name, data in stored(store).items():
        assert name.endswith(hashlib.sha256(data).hexdigest())
    assert list(store.scratch.iterdir()) == []


def unpack(
    index: VerifiedIndex, data: bytes, start: int, store: BlobStore, *, workers: int = 2
) -> None:
    unpack_from(index, io.BytesIO(data), start, store, workers=workers)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_blob_arrives(packed: Packed, store: BlobStore, workers: int) -> None:
    events: list[Event] = []
    with packed.path.open("rb") as volume:
        start = read_head(volume).size
        unpack_from(
            packed.index,
            volume,
            start,
            store,
            workers=workers,
            observe=events.append,
        )
    assert stored(store) == names(packed)
    behind_the_head = packed.index.size - packed.start
    assert events[0] == Started("unpack", behind_the_head)
    amounts = [event.amount for event in events if isinstance(event, Advanced)]
    assert sum(amounts) == behind_the_head
    assert events[-1] == Finished("unpack", "0.0 MB → 0.0 MB")


def test_a_volume_comes_through_a_pipe(packed: Packed, store: BlobStore) -> None:
    reader, writer = os.pipe()

    def send() -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(packed.path.read_bytes())

    thread = threading.Thread(target=send)
    thread.start()
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        head = read_head(pipe)
        unpack_from(packed.index, pipe, head.size, store)
    thread.join()
    assert stored(store) == names(packed)


def test_the_medium_may_be_read_only(packed: Packed, store: BlobStore) -> None:
    packed.path.chmod(0o444)
    before = packed.path.stat()
    packed.unpack(store)
    after = packed.path.stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_blobs_that_are_there_are_not_written_again(packed: Packed, store: BlobStore) -> None:
    packed.unpack(store)
    (lost,) = (blob for blob, data in packed.contents.items() if data == BIG + b"a")
    store.path(lost.sha256).unlink()
    before = {path: path.stat().st_ino for path in store.root.rglob("*") if path.is_file()}
    packed.unpack(store)
    after = {path: path.stat().st_ino for path in store.root.rglob("*") if path.is_file()}
    assert set(after) - set(before) == {store.path(lost.sha256)}
    assert {path: after[path] for path in before} == before


def test_a_segment_that_is_there_is_hashed_all_the_same(packed: Packed, store: BlobStore) -> None:
    packed.unpack(store)
    data = bytearray(packed.path.read_bytes())
    data[packed.index.segments[1].frames[1].offset] ^= 1
    with pytest.raises(DamagedError, match="its bytes are not those that were signed"):
        unpack(packed.index, bytes(data), packed.start, BlobStore(store.root))
    assert stored(store) == names(packed)


def test_a_segment_that_is_there_is_not_decompressed(tmp_path: Path) -> None:
    """A frame that no decompressor would take passes, as nobody needs it."""
    contents = Contents()
    blob = contents.add(b"here already")
    index, data = volume_of([(b"not zstd at all", ustar.stream_length([blob]))], [blob])
    unpack_from(index, io.BytesIO(data), 0, BlobStore(tmp_path), have=lambda _blob: True)


@pytest.mark.parametrize("workers", [1, 3])
def test_damage_is_named_and_nothing_is_left_half_done(
    packed: Packed, store: BlobStore, workers: int
) -> None:
    frame = packed.index.segments[1].frames[2]
    data = bytearray(packed.path.read_bytes())
    data[frame.offset + 5] ^= 0x10
    packed.path.write_bytes(data)
    with pytest.raises(DamagedError) as info:
        packed.unpack(store, workers=workers)
    total = sum(1 for _ in packed.index.frames())
    assert info.value.message == (
        f"{packed.path} (web-000007.v01): frame 4 of {total}, bytes {frame.offset} to"
        f" {frame.offset + frame.size} (numpy 2.5.5): its bytes are not those that were signed"
    )
    assert info.value.hint is not None
    check_whole(store)


@pytest.mark.parametrize("cut", [1, 100, 5000, 30_000])
def test_a_file_that_is_cut_off_is_refused(packed: Packed, store: BlobStore, cut: int) -> None:
    data = packed.path.read_bytes()[packed.start : -cut]
    with pytest.raises(DamagedError, match=f"the file ends at byte {packed.index.size - cut}"):
        unpack(packed.index, data, packed.start, store)
    check_whole(store)


def test_a_file_that_goes_on_is_refused(packed: Packed, store: BlobStore) -> None:
    data = packed.path.read_bytes()[packed.start :] + b"\0"
    with pytest.raises(DamagedError, match=r"the end of the archive.*: the file goes on behind it"):
        unpack(packed.index, data, packed.start, store)


def test_frames_must_begin_where_the_head_ends(packed: Packed, store: BlobStore) -> None:
    with pytest.raises(DamagedError, match=r"is not the volume web-000007\.v01 as it was signed"):
        unpack(packed.index, b"", packed.start - 512, store)


def test_verify_reads_everything_and_writes_nothing(packed: Packed) -> None:
    events: list[Event] = []
    with packed.path.open("rb") as volume:
        verify_volume(packed.index, Source(volume, read_head(volume).size), observe=events.append)
    assert events[0] == Started("verify", packed.index.size - packed.start)
    assert events[-1] == Finished("verify", "0.0 MB as signed")
    data = bytearray(packed.path.read_bytes()[packed.start :])
    for position in (0, len(data) // 2, len(data) - 1):
        data[position] ^= 1
        with pytest.raises(DamagedError, match="its bytes are not those that were signed"):
            verify_volume(packed.index, Source(io.BytesIO(data), packed.start))
        data[position] ^= 1
    with pytest.raises(DamagedError, match="the file goes on behind it"):
        verify_volume(packed.index, Source(io.BytesIO(data + b"x"), packed.start))
    assert [path.name for path in packed.path.parent.iterdir()] == [NAME]


def test_ctrl_c_leaves_nothing_half_done(packed: Packed, store: BlobStore) -> None:
    calls: list[Blob] = []
    blobs = sum(len(segment.blobs) for segment in packed.index.segments)

    def have(blob: Blob) -> bool:
        calls.append(blob)
        if len(calls) > blobs + 5:
            raise KeyboardInterrupt
        return False

    with packed.path.open("rb") as volume, pytest.raises(KeyboardInterrupt):
        unpack_from(packed.index, volume, read_head(volume).size, store, have=have)
    check_whole(store)


def test_a_full_disk_is_explained(
    packed: Packed, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    missing = sum(map(len, {data for _, parts in SEGMENTS for data in parts}))
    with pytest.raises(BundlerError, match=f"no room left in {store.root}: {missing} bytes"):
        packed.unpack(store)
    check_whole(store)


def test_a_later_frame_of_a_broken_segment_does_not_hang(tmp_path: Path) -> None:
    """The second frame waits for the first, which fails only then."""
    contents = Contents()
    blob = contents.add(noise(3000))
    stream = ustar.header(ustar.blob_name(blob), 3000) + noise(3000, 1) + bytes(72)
    index, data = volume_of(
        [
            (one_frame(part), len(part))
            for part in (stream[:3550], stream[3550:3570], stream[3570:])
        ],
        [blob],
    )
    for _ in range(20):
        with pytest.raises(DamagedError, match=r"frame 1 of 4, .*has another digest"):
            unpack(index, data, 0, BlobStore(tmp_path), workers=3)
        check_whole(BlobStore(tmp_path))


# What follows was signed by a packing host that makes mistakes, or worse.


def one_frame(data: bytes) -> bytes:
    engine = compressor(len(data))
    return engine.compress(data) + engine.flush()


def volume_of(frames: list[tuple[bytes, int]], blobs: list[Blob]) -> tuple[VerifiedIndex, bytes]:
    """A volume without a head from ready frames and the lengths that the index gives them."""
    listed: list[Frame] = []
    position = 0
    for data, length in [*frames, (b"tail", 1024)]:
        digest = Sha256(hashlib.sha256(data).hexdigest())
        listed.append(Frame(offset=position, size=len(data), sha256=digest, length=length))
        position += len(data)
    index = VerifiedIndex(
        dataclasses.replace(
            EMPTY,
            size=position,
            segments=(Segment(label="x", blobs=tuple(blobs), frames=tuple(listed[:-1])),),
            tail=listed[-1],
        )
    )
    return index, b"".join(data for data, _ in [*frames, (b"tail", 1024)])


EMPTY = VolumeIndex(
    stream="web",
    sequence=7,
    volume=1,
    volumes=1,
    manifest=MANIFEST,
    size=4,
    segments=(),
    tail=Frame(offset=0, size=4, sha256=MANIFEST, length=1024),
    head={},
)
BLOB = Contents().add(b"four")
STREAM = ustar.header(ustar.blob_name(BLOB), 4) + b"four" + bytes(508)

# A frame header (RFC 8878, section 3.1.1.1) with a window of 2^28 and a length of 1024 bytes.
WIDE = bytes.fromhex("28b52ffd 80 90 00040000") + b"and so on"


def changed(stream: bytes, position: int, data: bytes) -> bytes:
    return stream[:position] + data + stream[position + len(data) :]


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (lambda: one_frame(changed(STREAM, 0, b"x")), "its tar headers are not those of the index"),
        (lambda: one_frame(changed(STREAM, 100, b"0000755")), "its tar headers are not those of"),
        (lambda: one_frame(changed(STREAM, 512, b"five")), "has another digest"),
        (lambda: one_frame(changed(STREAM, 600, b"x")), "its tar headers are not those of the"),
        (lambda: one_frame(STREAM[:-1]), "its zstd header does not say what the index says"),
        (lambda: one_frame(STREAM + b"x"), "its zstd header does not say what the index says"),
        (lambda: b"no zstd", "it cannot be decompressed"),
        (lambda: one_frame(STREAM)[:-8], "it ends 1024 bytes too early when decompressed"),
        (lambda: one_frame(STREAM)[:-4] + b"sum!", "it cannot be decompressed"),
        (lambda: one_frame(STREAM) + b"more", "it cannot be decompressed"),
        (lambda: one_frame(STREAM) * 2, "more than one zstd frame is in it"),
        (lambda: WIDE, "its zstd header does not say what the index says"),
    ],
)
def test_frames_that_should_not_have_been_signed_are_refused(
    tmp_path: Path, frame: Callable[[], bytes], what: str
) -> None:
    index, data = volume_of([(frame(), len(STREAM))], [BLOB])
    store = BlobStore(tmp_path)
    with pytest.raises(DamagedError) as info:
        unpack(index, data, 0, store)
    assert info.value.message.startswith(
        f"the volume (web-000007.v01): frame 1 of 2, bytes 0 to {len(frame())} (x): "
    )
    assert what in info.value.message
    check_whole(store)


@pytest.mark.parametrize(
    ("frames", "size"),
    [
        ([(b"x", 1023)], 4),
        ([(b"x", 1025)], 4),
        ([(b"x", 512), (b"x", 511)], 4),
        ([(b"x", FRAME_LIMIT + 512)], FRAME_LIMIT),
    ],
)
def test_sizes_that_cannot_be_are_refused_before_reading(
    tmp_path: Path, frames: list[tuple[bytes, int]], size: int
) -> None:
    index, data = volume_of(frames, [Blob(BLOB.sha256, size)])
    with pytest.raises(DamagedError, match="the index gives it sizes that cannot be"):
        unpack(index, data, 0, BlobStore(tmp_path))


@pytest.mark.parametrize("stream", [changed(STREAM, 512, b"five"), changed(STREAM, 0, b"x")])
def test_a_plain_frame_that_should_not_have_been_signed(tmp_path: Path, stream: bytes) -> None:
    index, data = volume_of([(stream, len(stream))], [BLOB])
    store = BlobStore(tmp_path)
    plain = VerifiedIndex(dataclasses.replace(index, form="tar"))
    with pytest.raises(DamagedError, match=r"frame 1 of 2, .*(has another digest|its tar headers)"):
        unpack(plain, data, 0, store)
    check_whole(store)


@pytest.mark.parametrize("size", [3, 5])
def test_a_file_of_another_size_than_its_frame(tmp_path: Path, size: int) -> None:
    blob = Blob(BLOB.sha256, size)
    index, data = volume_of([(b"four", 4)], [blob])
    paths = {blob.sha256: "files/x"}
    plain = VerifiedIndex(dataclasses.replace(index, form="files", paths=paths))
    with pytest.raises(DamagedError, match="the index gives it sizes that cannot be"):
        unpack(plain, data, 0, BlobStore(tmp_path))
