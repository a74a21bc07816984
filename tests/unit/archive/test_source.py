from __future__ import annotations

import errno
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from bundler.archive.head import read_head
from bundler.archive.keep import Keeper
from bundler.archive.medium import volumes_in
from bundler.archive.source import Source
from bundler.archive.store import BlobStore
from bundler.archive.unpack import unpack_volume
from bundler.archive.verify import verify_volume
from bundler.errors import DamagedError
from tests.fakes.volumes import Packed, noise, pack

BIG = noise(2_500_000)
SEGMENTS = [
    ("documents", [b"{}"]),
    *((f"p{number} 1.0", [BIG + bytes([number])]) for number in range(4)),
    *((f"small{number} 1.0", [noise(2000, number)]) for number in range(20)),
]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return pack(tmp_path_factory.mktemp("packed") / "web.tar.zst", SEGMENTS)


class Scratched(io.BytesIO):
    """A disc with bytes that cannot be read."""

    def __init__(self, data: bytes, bad: tuple[int, ...], *, seekable: bool = True) -> None:
        super().__init__(data)
        self._bad = bad
        self._seekable = seekable

    def seekable(self) -> bool:
        return self._seekable

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if not self._seekable:
            raise io.UnsupportedOperation("seek")
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        start = self.tell()
        if any(start <= place < start + size for place in self._bad):
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


def opened(packed: Packed, bad: tuple[int, ...], *, seekable: bool = True) -> Source:
    stream = Scratched(packed.path.read_bytes(), bad, seekable=seekable)
    return Source(stream, read_head(stream).size)


def unpack(packed: Packed, source: Source, store: BlobStore) -> None:
    unpack_volume(packed.index, source, Keeper(store), workers=2)


def verify(packed: Packed, source: Source, _store: BlobStore) -> None:
    verify_volume(packed.index, source, workers=2)


Reading = Callable[[Packed, Source, BlobStore], None]


@pytest.mark.parametrize("read", [unpack, verify])
def test_a_scratch_costs_the_frames_that_it_hits(
    packed: Packed, tmp_path: Path, read: Reading
) -> None:
    segments = packed.index.segments
    bad = (segments[2].offset + 300_000, segments[7].offset + 5)
    store = BlobStore(tmp_path)
    with pytest.raises(DamagedError) as caught:
        read(packed, opened(packed, bad), store)
    first, second = caught.value.message.splitlines()
    assert "(p1 1.0): it cannot be read at byte" in first
    assert first.endswith("Input/output error")
    assert "(small2 1.0): it cannot be read at byte" in second
    if read is unpack:
        lost = {blob for number in (2, 7) for blob in segments[number].blobs}
        assert {blob for blob in packed.contents if not store.has(blob)} == lost


@pytest.mark.parametrize("read", [unpack, verify])
def test_where_nothing_can_be_passed_over_it_ends(
    packed: Packed, tmp_path: Path, read: Reading
) -> None:
    segments = packed.index.segments
    source = opened(packed, (segments[2].offset + 300_000,), seekable=False)
    with pytest.raises(DamagedError) as caught:
        read(packed, source, BlobStore(tmp_path))
    _first, second = caught.value.message.splitlines()
    assert "(p2 1.0): nothing behind byte" in second


@pytest.mark.parametrize("seed", range(3))
def test_verify_names_every_damaged_frame(packed: Packed, tmp_path: Path, seed: int) -> None:
    segments = packed.index.segments
    data = bytearray(packed.path.read_bytes())
    wrong = [1 + seed, 4, *range(6, 20)]
    for number in wrong:
        data[segments[number].offset + 9] ^= 1
    stream = io.BytesIO(data)
    with pytest.raises(DamagedError) as caught:
        verify(packed, Source(stream, read_head(stream).size), BlobStore(tmp_path))
    lines = caught.value.message.splitlines()
    assert len(lines) == 11
    for line, number in zip(lines, sorted(set(wrong)), strict=False):
        assert f"({segments[number].label}): its bytes are not those" in line or line[:3] == "and"
    assert lines[-1] == f"and {len(set(wrong)) - 10} more frames"


def test_verify_notices_that_a_large_frame_is_cut_off(packed: Packed, tmp_path: Path) -> None:
    end = packed.index.segments[3].offset + 400_000
    stream = io.BytesIO(packed.path.read_bytes()[:end])
    with pytest.raises(DamagedError, match=rf"\(p2 1\.0\): the file ends at byte {end}$"):
        verify(packed, Source(stream, read_head(stream).size), BlobStore(tmp_path))


def test_verify_takes_what_is_right(packed: Packed, tmp_path: Path) -> None:
    verify(packed, opened(packed, ()), BlobStore(tmp_path))


def test_a_volume_that_was_not_read_ends_a_pipe(packed: Packed) -> None:
    data = packed.path.read_bytes()
    assert [source.name for source in volumes_in(io.BytesIO(data * 2))] == [
        "standard input, volume 1"
    ]
