"""Whatever goes into a volume comes out of it, and whatever else a file holds is refused."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundler.archive.head import encode_head, head_size, read_head
from bundler.archive.source import Source
from bundler.archive.store import BlobStore
from bundler.archive.verify import verify_volume
from bundler.errors import DamagedError
from bundler.model.volume import VolumeIndex
from tests.fakes.volumes import Packed, noise, pack, stored, unpack_from

BYTES = st.one_of(
    st.binary(max_size=2000),
    st.builds(noise, st.integers(0, 5000), st.integers(0, 9)),
    st.builds(bytes, st.sampled_from([0, 1, 511, 512, 513, 1024, 20_000])),
)
SEGMENTS = st.lists(
    st.tuples(st.text(max_size=20), st.lists(BYTES, min_size=1, max_size=6)), max_size=5
)
LIMITS = st.sampled_from([300, 512, 1024, 1537, 4000, 256_000_000])
TINY = [("documents", [b"{}", b""]), ("six 1.17.0", [noise(100)])]


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return pack(tmp_path_factory.mktemp("tiny") / "v", TINY, frame_limit=600)


def refused(packed: Packed, behind_the_head: bytes) -> None:
    """Both readers refuse these bytes, and no wrong or unfinished file is in the store."""
    with pytest.raises(DamagedError):
        verify_volume(packed.index, Source(io.BytesIO(behind_the_head), packed.start))
    with folder() as root:
        store = BlobStore(root)
        with pytest.raises(DamagedError):
            unpack_from(packed.index, io.BytesIO(behind_the_head), packed.start, store)
        for name, data in stored(store).items():
            assert name.endswith(hashlib.sha256(data).hexdigest())


@settings(max_examples=60, deadline=None)
@given(segments=SEGMENTS, limit=LIMITS, workers=st.integers(1, 4))
def test_unpacking_gives_back_what_was_packed(
    segments: list[tuple[str, list[bytes]]], limit: int, workers: int
) -> None:
    with folder() as root:
        packed = pack(root / "v", segments, frame_limit=limit)
        store = BlobStore(root / "store")
        packed.unpack(store, workers=workers)
        assert sorted(stored(store).values()) == sorted(packed.contents.values())
        for blob, data in packed.contents.items():
            assert store.read(blob, limit=blob.size) == data
        with packed.path.open("rb") as volume:
            verify_volume(packed.index, Source(volume, read_head(volume).size))
        assert VolumeIndex.from_bytes(packed.index.to_bytes()) == packed.index


@settings(max_examples=30, deadline=None)
@given(segments=SEGMENTS, limit=LIMITS)
def test_the_number_of_threads_never_shows(
    segments: list[tuple[str, list[bytes]]], limit: int
) -> None:
    with folder() as root:
        one = pack(root / "one", segments, frame_limit=limit, threads=1)
        three = pack(root / "three", segments, frame_limit=limit, threads=3)
        assert one.path.read_bytes() == three.path.read_bytes()


def test_every_flipped_byte_behind_the_head_is_refused(tiny: Packed) -> None:
    data = bytearray(tiny.path.read_bytes()[tiny.start :])
    for position in range(len(data)):
        data[position] ^= 1 << position % 8
        refused(tiny, bytes(data))
        data[position] ^= 1 << position % 8


def test_every_truncation_is_refused(tiny: Packed) -> None:
    data = tiny.path.read_bytes()[tiny.start :]
    for length in range(len(data)):
        refused(tiny, data[:length])


@settings(max_examples=40, deadline=None)
@given(
    segments=SEGMENTS,
    limit=LIMITS,
    where=st.floats(0, 1, exclude_max=True),
    mask=st.integers(1, 255),
)
def test_a_changed_byte_anywhere_is_refused(
    segments: list[tuple[str, list[bytes]]], limit: int, where: float, mask: int
) -> None:
    with folder() as root:
        packed = pack(root / "v", segments, frame_limit=limit)
        data = bytearray(packed.path.read_bytes()[packed.start :])
        data[int(where * len(data))] ^= mask
        refused(packed, bytes(data))


@settings(max_examples=30, deadline=None)
@given(where=st.floats(0, 1), added=st.binary(min_size=1, max_size=50))
def test_inserted_bytes_are_refused(tiny: Packed, where: float, added: bytes) -> None:
    data = tiny.path.read_bytes()[tiny.start :]
    position = int(where * len(data))
    refused(tiny, data[:position] + added + data[position:])


NAMES = st.one_of(
    st.just("manifest.json"),
    st.from_regex(r"(metadata|transport)/[a-z0-9.-]{1,40}\.json", fullmatch=True),
)


@settings(deadline=None)
@given(
    entries=st.dictionaries(NAMES, st.binary(max_size=1500), max_size=6),
    room=st.integers(0, 3000),
    behind=st.binary(max_size=20),
)
def test_a_head_comes_back(entries: dict[str, bytes], room: int, behind: bytes) -> None:
    size = head_size({name: len(content) for name, content in entries.items()}) + room
    stream = io.BytesIO(encode_head(entries, size) + behind)
    head = read_head(stream)
    assert (dict(head.entries), head.size) == (entries, size)
    assert stream.read() == behind


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=3000))
def test_other_bytes_are_never_a_head(data: bytes) -> None:
    with pytest.raises(DamagedError):
        read_head(io.BytesIO(data))


@settings(max_examples=300, deadline=None)
@given(
    payload=st.one_of(
        st.binary(max_size=3000), st.binary(max_size=2000).map(b"bundler-volume\0".__add__)
    ),
    lie=st.integers(-5, 5),
)
def test_other_skippable_frames_are_never_a_head(payload: bytes, lie: int) -> None:
    length = max(0, len(payload) + lie)
    with pytest.raises(DamagedError):
        read_head(io.BytesIO(b"\x50\x2a\x4d\x18" + length.to_bytes(4, "little") + payload))


def test_a_changed_head_is_refused_or_changes_a_document() -> None:
    """Only documents may differ, which are signed, and the size, which the index knows too."""
    entries = {"manifest.json": b"{}", "metadata/1.root.json": b"root"}
    data = bytearray(encode_head(entries, 4096))
    for position in range(len(data)):
        data[position] ^= 1
        try:
            changed = read_head(io.BytesIO(data))
        except DamagedError:
            pass
        else:
            assert set(changed.entries) == set(entries)
            assert (changed.entries, changed.size) != (entries, len(data))
        data[position] ^= 1
