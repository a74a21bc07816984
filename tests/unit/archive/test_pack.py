from __future__ import annotations

import errno
import hashlib
import io
import os
import resource
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard

from bundler.archive.head import HEAD_LIMIT, head_size, read_head
from bundler.archive.pack import VolumeWriter
from bundler.archive.reserve import head_reserve
from bundler.archive.room import LIST_SHARE, Limits, listed
from bundler.archive.store import BlobStore
from bundler.errors import BundlerError, DamagedError
from bundler.events import Advanced, Event, Finished, Started
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import VolumeIndex
from tests.fakes.volumes import Contents, finish, noise, pack, stored

NAME = "web-000007.v01.tar.zst"
SEGMENTS = [
    ("documents", [b"", b"{}", b"x" * 512]),
    ("numpy 2.5.5", [noise(70_000), noise(70_000) + b"a", bytes(5000)]),
    ("six 1.17.0", [b"six" * 100]),
]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to write beyond `size` bytes, as a filesystem does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_volume_is_what_its_index_says(tmp_path: Path) -> None:
    packed = pack(tmp_path / NAME, SEGMENTS, frame_limit=50_000)
    data = packed.path.read_bytes()
    assert packed.index.size == len(data)
    assert [len(segment.frames) for segment in packed.index.segments] == [1, 3, 1]
    position = packed.start
    for frame in packed.index.frames():
        part = data[frame.offset : frame.offset + frame.size]
        assert frame.offset == position
        assert hashlib.sha256(part).hexdigest() == frame.sha256
        reader = zstandard.ZstdDecompressor().stream_reader(part, read_across_frames=True)
        assert len(reader.read()) == frame.length
        position += frame.size
    assert position == len(data)
    assert VolumeIndex.from_bytes(packed.index.to_bytes()) == packed.index
    with packed.path.open("rb") as volume:
        head = read_head(volume)
    assert head.entries == {"transport/web-000007.v01.json": packed.index.to_bytes()}
    assert head.size == packed.start
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_the_order_given_is_the_order_in_the_file(tmp_path: Path) -> None:
    packed = pack(tmp_path / NAME, SEGMENTS, frame_limit=50_000)
    reader = zstandard.ZstdDecompressor().stream_reader(
        packed.path.read_bytes(), read_across_frames=True
    )
    with tarfile.open(fileobj=io.BytesIO(reader.read()), mode="r:") as tar:
        names = tar.getnames()
    blobs = [blob for segment in packed.index.segments for blob in segment.blobs]
    assert names == [f"blobs/sha256/{blob.sha256}" for blob in blobs]
    assert [packed.contents[blob] for blob in blobs] == [
        data for _, parts in SEGMENTS for data in parts
    ]
    assert [segment.label for segment in packed.index.segments] == [label for label, _ in SEGMENTS]


@pytest.mark.parametrize("frame_limit", [512, 777, 50_000, 256_000_000])
def test_the_bytes_do_not_depend_on_the_number_of_threads(tmp_path: Path, frame_limit: int) -> None:
    one = pack(tmp_path / "one", SEGMENTS, frame_limit=frame_limit, threads=1)
    three = pack(tmp_path / "three", SEGMENTS, frame_limit=frame_limit, threads=3)
    assert one.path.read_bytes() == three.path.read_bytes()


def test_a_large_frame_is_made_by_several_threads_with_the_same_bytes(tmp_path: Path) -> None:
    shared = noise(3_000_000)
    wheels = [shared + noise(2_000_000, seed) for seed in (1, 2, 3)]
    one = pack(tmp_path / "one", [("a", wheels)], threads=1)
    three = pack(tmp_path / "three", [("a", wheels)], threads=3)
    assert one.path.read_bytes() == three.path.read_bytes()
    assert one.index.size < 10_000_000, "what the wheels share is there once"
    store = BlobStore(tmp_path / "store")
    three.unpack(store)
    assert sorted(stored(store).values()) == sorted(wheels)


def test_stock_tools_read_it(tmp_path: Path) -> None:
    packed = pack(tmp_path / NAME, SEGMENTS, frame_limit=50_000)
    run = subprocess.run
    assert run(["zstd", "-tq", packed.path], check=False).returncode == 0
    listed = run(["tar", "--zstd", "-tf", packed.path], capture_output=True, text=True, check=True)
    blobs = [blob for segment in packed.index.segments for blob in segment.blobs]
    assert listed.stdout.split() == [f"blobs/sha256/{blob.sha256}" for blob in blobs]
    run(["sh", "-c", f"unzstd -qc {NAME} | tar -x"], cwd=tmp_path, check=True)
    names = [path.name for path in (tmp_path / "blobs" / "sha256").iterdir()]
    summed = run(
        ["sha256sum", *names],
        cwd=tmp_path / "blobs" / "sha256",
        capture_output=True,
        text=True,
        check=True,
    )
    assert summed.stdout.split() == [word for name in names for word in (name, name)]


def test_progress_is_reported(tmp_path: Path) -> None:
    events: list[Event] = []
    pack(tmp_path / NAME, SEGMENTS, frame_limit=50_000, observe=events.append)
    total = sum(512 + len(data) + -len(data) % 512 for _, parts in SEGMENTS for data in parts)
    assert events[0] == Started("pack", total)
    assert sum(event.amount for event in events if isinstance(event, Advanced)) == total
    assert events[-1] == Finished("pack", "0.2 MB → 0.1 MB")


def test_segments_may_be_added_in_turns(tmp_path: Path) -> None:
    contents = Contents()
    one, two = contents.add(b"one"), contents.add(b"two")
    with VolumeWriter(tmp_path / NAME, 65536) as writer:
        writer.add([("one", [one])], contents.open)
        writer.add([("two", [two])], contents.open)
        index = finish(writer)
        writer.seal({index.name: index.to_bytes()})
    assert [segment.blobs for segment in index.segments] == [(one,), (two,)]
    assert VolumeIndex.from_bytes(index.to_bytes()) == index


def test_who_waits_for_a_blob_is_let_alone_when_all_goes_well(tmp_path: Path) -> None:
    contents, given_up = Contents(), threading.Event()
    blobs = [contents.add(noise(6 << 20, number)) for number in range(2)]
    for form in ("zst", "tar"):
        path = tmp_path / form
        with VolumeWriter(path, 65536, form=form, frame_limit=5_000_000) as writer:
            writer.add([("a", blobs)], contents.open, given_up.set)
    assert not given_up.is_set()


@pytest.mark.parametrize(
    ("size", "frame_limit"),
    [(3000, 700), (3000, 2000), (3000, 256_000_000), (5 << 20, 3_000_000), (5 << 20, 256_000_000)],
)
@pytest.mark.parametrize("spoil", ["flipped", "short", "long"])
def test_a_rotten_blob_does_not_cross(
    tmp_path: Path, size: int, frame_limit: int, spoil: str
) -> None:
    store = BlobStore(tmp_path / "cache")
    data = noise(size)
    blob = store.put(data)
    rotten = {"flipped": data[:-1] + b"?", "short": data[:-1], "long": data + b"?"}[spoil]

    def open_blob(wanted: Blob) -> BinaryIO:
        path = store.path(wanted.sha256)
        path.write_bytes(rotten)
        return path.open("rb")

    out = tmp_path / "out"
    out.mkdir()
    with (
        pytest.raises(DamagedError) as info,
        VolumeWriter(out / NAME, 65536, frame_limit=frame_limit) as writer,
    ):
        writer.add([("a", [blob])], open_blob)
    assert info.value.message.startswith(f"{store.path(blob.sha256)} is damaged: it does not have")
    assert info.value.hint == "delete this file; the next `bundle create` fetches it again"
    assert list(out.iterdir()) == []


def test_a_failure_among_many_stops_the_rest(tmp_path: Path) -> None:
    contents = Contents()
    blobs = [contents.add(noise(100_000, number)) for number in range(40)]
    opened: list[Blob] = []

    def open_blob(blob: Blob) -> BinaryIO:
        opened.append(blob)
        if blob == blobs[2]:
            raise BundlerError("no such blob today")
        return contents.open(blob)

    with (
        pytest.raises(BundlerError, match="no such blob today"),
        VolumeWriter(tmp_path / NAME, 65536) as writer,
    ):
        writer.add([(blob.sha256, [blob]) for blob in blobs], open_blob)
    assert len(opened) < 30
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_a_large_frame_is_written_ends_its_threads(tmp_path: Path) -> None:
    contents = Contents()
    first, second = contents.add(noise(20_000_000)), contents.add(noise(1000, 1))
    given_up = threading.Event()

    def open_blob(blob: Blob) -> BinaryIO:
        if blob == second:
            assert given_up.wait(5)
            raise BundlerError("nobody waits for it any more")
        return contents.open(blob)

    before = threading.active_count()
    with (
        largest_file(2_000_000),
        pytest.raises(BundlerError),
        VolumeWriter(tmp_path / NAME, 65536) as writer,
    ):
        writer.add([("a", [first, second])], open_blob, given_up.set)
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_left_when_the_writer_is_not_sealed(tmp_path: Path) -> None:
    contents = Contents()
    with VolumeWriter(tmp_path / NAME, 65536) as writer:
        writer.add([("a", [contents.add(noise(100))])], contents.open)
        assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.part"]
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_left_after_ctrl_c(tmp_path: Path) -> None:
    def open_blob(_blob: Blob) -> BinaryIO:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), VolumeWriter(tmp_path / NAME, 65536) as writer:
        writer.add([("a", [Contents().add(b"a")])], open_blob)
    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_run_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(bytes(1_000_000))
    packed = pack(tmp_path / NAME, SEGMENTS)
    assert packed.path.stat().st_size == packed.index.size
    assert list(tmp_path.iterdir()) == [packed.path]


def test_an_existing_volume_is_never_changed(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"precious")
    with pytest.raises(BundlerError, match="exists already") as info:
        pack(tmp_path / NAME, SEGMENTS)
    assert info.value.hint is not None
    assert (tmp_path / NAME).read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_volume_that_appeared_meanwhile_is_not_changed(tmp_path: Path) -> None:
    with VolumeWriter(tmp_path / NAME, 65536) as writer:
        finish(writer)
        (tmp_path / NAME).write_bytes(b"precious")
        with pytest.raises(BundlerError, match="exists already"):
            writer.seal({})
    assert (tmp_path / NAME).read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_file_that_the_disk_does_not_take_is_explained(tmp_path: Path) -> None:
    with (
        largest_file(50_000),
        pytest.raises(BundlerError, match="takes no file that large: 146944 bytes") as info,
    ):
        pack(tmp_path / NAME, SEGMENTS[1:2])
    assert info.value.hint is not None
    assert "exFAT" in info.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_disk_is_asked_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("bundler.archive.pack._SYNC_AT", 0)
    monkeypatch.setattr(os, "fdatasync", asked.append)
    pack(tmp_path / NAME, SEGMENTS, frame_limit=50_000)
    assert asked


def test_a_disk_that_fails_on_the_way_fails_the_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("bundler.archive.pack._SYNC_AT", 0)
    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        pack(tmp_path / NAME, SEGMENTS, frame_limit=50_000)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_volume_is_a_volume(tmp_path: Path) -> None:
    packed = pack(tmp_path / NAME, [])
    assert VolumeIndex.from_bytes(packed.index.to_bytes()) == packed.index
    packed.unpack(BlobStore(tmp_path / "store"))


def test_an_empty_segment_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="a segment without blobs: nothing"),
        VolumeWriter(tmp_path / NAME, 65536) as writer,
    ):
        writer.add([("nothing", [])], Contents().open)


def test_the_reserve_is_enough_and_not_far_too_much() -> None:
    label = 'a label with "quotes", ü and \x01'
    segments = [(label, [Blob(Sha256("f" * 64), 10_000)] * 10_000)]
    others = {"manifest.json": 100_000, "metadata/1.root.json": 5000}
    reserved, _ = head_reserve(listed(segments, Limits()), others, Limits())
    needed = head_size(others) + 10_000 * len('{"sha256":"","size":10000},' + "f" * 64)
    assert reserved % 4096 == 0
    assert needed < reserved < needed + 2 * 65536


@pytest.mark.parametrize("frame_limit", [100, 50_000])
def test_the_reserve_covers_every_frame(tmp_path: Path, frame_limit: int) -> None:
    packed = pack(tmp_path / NAME, SEGMENTS, frame_limit=frame_limit)
    needed = head_size({packed.index.name: len(packed.index.to_bytes())})
    assert needed < packed.start < needed * 2 + 65536


@pytest.mark.parametrize("behind", range(-1200, 1200, 97))
def test_the_list_of_one_volume_always_fits(behind: int) -> None:
    """Also where the head takes nearly all of the room that its size is rounded up to."""
    others = {"manifest.json": 65536 * 3 - 3000 + behind}
    _, share = head_reserve(1400, others, Limits())
    assert share >= 1400


def test_the_list_of_a_volume_with_a_size_gets_a_share_of_it() -> None:
    whole, all_of_it = head_reserve(3_000_000, {}, Limits())
    assert all_of_it >= 3_000_000
    reserved, share = head_reserve(3_000_000, {}, Limits(size=16_000_000))
    assert 1_000_000 - 512 <= share < 1_000_000 + 65536
    assert reserved < whole / 2
    _, least = head_reserve(3_000_000, {}, Limits(size=200_000))
    assert LIST_SHARE - 512 <= least < LIST_SHARE + 65536


@pytest.mark.parametrize(
    ("listed_bytes", "manifest", "size", "hint"),
    [
        (HEAD_LIMIT, 1000, None, "give --volume-size: each volume lists its own files only"),
        (0, HEAD_LIMIT, None, "make two streams of this profile, each with a part of its"),
        (0, HEAD_LIMIT, 10**9, "make two streams of this profile, each with a part of its"),
    ],
)
def test_a_reserve_beyond_the_limit_is_refused(
    listed_bytes: int, manifest: int, size: int | None, hint: str
) -> None:
    with pytest.raises(BundlerError, match=f"bytes; it has {HEAD_LIMIT} at most") as info:
        head_reserve(listed_bytes, {"manifest.json": manifest}, Limits(size=size))
    assert info.value.hint is not None
    assert info.value.hint.startswith(hint)


def test_a_volume_that_its_head_would_fill_is_too_small() -> None:
    with pytest.raises(BundlerError, match="a volume of 1000 bytes is too small: its head") as info:
        head_reserve(0, {"manifest.json": HEAD_LIMIT}, Limits(size=1000))
    assert info.value.hint == "give a larger --volume-size"


def test_a_head_of_nearly_the_limit_leaves_the_rest_to_the_list() -> None:
    reserved, share = head_reserve(
        HEAD_LIMIT, {"manifest.json": HEAD_LIMIT - 60_000}, Limits(size=10**12)
    )
    assert reserved == HEAD_LIMIT
    assert 50_000 < share < 60_000
