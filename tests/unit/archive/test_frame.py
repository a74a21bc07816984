from __future__ import annotations

import struct

import pytest
import zstandard

from bundler.archive.frame import compressor, seek_table, size_bound
from tests.fakes.volumes import noise


def compressed(data: bytes, step: int) -> bytes:
    engine = compressor(len(data))
    parts = [engine.compress(data[at : at + step]) for at in range(0, len(data), step)]
    return b"".join(parts) + engine.flush()


@pytest.mark.parametrize("length", [1, 2, 512, 1024, 1025, 100_000, 3_000_000])
def test_a_frame_says_what_is_in_it(length: int) -> None:
    data = noise(length // 2) + bytes(length - length // 2)
    frame = compressed(data, 1 << 20)
    parameters = zstandard.get_frame_parameters(frame)
    assert parameters.content_size == length
    assert parameters.window_size <= max(1024, length)
    assert parameters.dict_id == 0
    assert parameters.has_checksum
    assert zstandard.ZstdDecompressor().decompress(frame) == data


def test_the_window_is_one_that_stock_decoders_grant() -> None:
    # A header is written when the first job is complete.
    engine, data = compressor(256_000_000), noise(1 << 20)
    front = next(filter(None, (engine.compress(data) for _ in range(64))))
    assert zstandard.get_frame_parameters(front).window_size == 1 << 26


def test_a_frame_does_not_depend_on_how_it_is_fed() -> None:
    data = noise(300_000) + bytes(300_000) + noise(300_000)
    frames = {compressed(data, step) for step in (1000, 131_072, 1 << 20)}
    assert len(frames) == 1


def test_what_stands_twice_is_found_far_away() -> None:
    # The filler compresses a little, so that its positions push others out of short tables.
    wheel, others = noise(200_000), noise(6_000_000, 1).hex().encode()
    once, twice = compressed(wheel + others, 1 << 20), compressed(wheel + others + wheel, 1 << 20)
    assert len(twice) < len(once) + 20_000


@pytest.mark.parametrize("length", [0, 1, 1000, 131_072, 131_073, 1_000_000])
def test_no_frame_is_larger_than_its_bound(length: int) -> None:
    assert len(compressed(noise(length), 1 << 20)) <= size_bound(length)


def test_the_seek_table_is_that_of_the_seekable_format() -> None:
    table = seek_table([(65536, 0), (100, 1000), (20, 1024)])
    assert struct.unpack_from("<II", table) == (0x184D2A5E, len(table) - 8)
    assert struct.unpack_from("<6I", table, 8) == (65536, 0, 100, 1000, 20, 1024)
    assert struct.unpack("<IBI", table[-9:]) == (3, 0, 0x8F92EAB1)
    assert zstandard.ZstdDecompressor().decompressobj().decompress(table) == b""
