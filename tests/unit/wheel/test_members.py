from __future__ import annotations

import hashlib
import io
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundler.wheel.directory import DEFLATED, STORED, Directory, Entry
from bundler.wheel.fault import BrokenError
from bundler.wheel.inflate import Inflate, quick, strict
from bundler.wheel.members import CHUNK, content, members
from tests.fakes.wheels import UNTAKEN

TEXT = b"from a import b  # a sentence that stands here more than once\n" * 40
NOISE = hashlib.shake_128(b"noise").digest(3 * CHUNK + 7)
GIB = 1 << 30


def entry(
    packed: bytes, size: int, crc: int, *, method: int = DEFLATED, stated: int | None = None
) -> Entry:
    length = len(packed) if stated is None else stated
    return Entry("a/x", b"a/x", 0, method, crc, length, size, 0, 0)


def deflated(data: bytes, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return packer.compress(data) + packer.flush()


def inflated(packed: bytes, of: Entry, *engines: Inflate) -> bytes:
    """As a large member is read, piece by piece, and as a small one, at once."""
    found = set()
    for inflate in engines or (strict, quick):
        found.add(b"".join(content(io.BytesIO(packed), of, None, inflate)))
        found.add(b"".join(content(io.BytesIO(), of, packed, inflate)))
    (same,) = found
    return same


def rule(packed: bytes, of: Entry, *engines: Inflate) -> str:
    rules = set()
    for inflate in engines or (strict, quick):
        for small in (None, packed) if of.packed == len(packed) else (None,):
            with pytest.raises(BrokenError) as refused:
                list(content(io.BytesIO(packed), of, small, inflate))
            assert refused.value.fault.member == "a/x"
            rules.add(refused.value.fault.rule)
    (same,) = rules
    return same


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize(
    "data",
    [b"", b"x", TEXT, bytes(5 * CHUNK), NOISE, NOISE[:CHUNK] * 5, TEXT * 900, bytes(CHUNK + 300)],
    ids=["empty", "a byte", "text", "zeros", "noise", "far", "long", "more than a piece"],
)
def test_what_was_deflated_comes_back(data: bytes, level: int) -> None:
    packed = deflated(data, level)
    assert inflated(packed, entry(packed, len(data), zlib.crc32(data))) == data


def test_what_is_left_when_all_was_taken_in() -> None:
    # The last bytes of a stream stand for more than one piece may have.
    for more in range(1, 1200, 7):
        data = bytes(CHUNK + more)
        packed = deflated(data)
        assert inflated(packed, entry(packed, len(data), zlib.crc32(data))) == data


def test_each_piece_is_bounded() -> None:
    packed = deflated(bytes(9 << 20))
    of = entry(packed, 9 << 20, zlib.crc32(bytes(9 << 20)))
    for inflate in (strict, quick):
        pieces = content(io.BytesIO(packed), of, None, inflate)
        assert max(len(piece) for piece in pieces) <= CHUNK


@pytest.mark.parametrize(
    ("packed", "size", "crc", "expected"),
    [
        (b"", 0, 0, "zip-data"),
        (b"", 5, 0, "zip-data"),
        (b"\xff" * 9, 5, 0, "zip-data"),
        (deflated(TEXT)[:-1], len(TEXT), zlib.crc32(TEXT), "zip-data"),
        (deflated(TEXT)[:1], len(TEXT), zlib.crc32(TEXT), "zip-data"),
        (deflated(TEXT) + b"\0", len(TEXT), zlib.crc32(TEXT), "zip-data"),
        (deflated(TEXT) + deflated(TEXT), 2 * len(TEXT), zlib.crc32(TEXT * 2), "zip-data"),
        (zlib.compress(TEXT), len(TEXT), zlib.crc32(TEXT), "zip-data"),
        (b"\x00\x01\x00\xff\xffx", 1, zlib.crc32(b"x"), "zip-data"),
        (deflated(TEXT), len(TEXT) - 1, zlib.crc32(TEXT[:-1]), "zip-size"),
        (deflated(TEXT), len(TEXT) + 1, zlib.crc32(TEXT), "zip-size"),
        (deflated(TEXT), 0, 0, "zip-size"),
        (deflated(TEXT), 4 * GIB - 1, zlib.crc32(TEXT), "zip-size"),
        (deflated(TEXT), 4 * GIB + len(TEXT), zlib.crc32(TEXT), "zip-size"),
        (deflated(TEXT), len(TEXT), zlib.crc32(TEXT) ^ 1, "zip-crc"),
        (deflated(b""), 0, 1, "zip-crc"),
    ],
    ids=[
        "nothing, for nothing",
        "nothing, for something",
        "no block",
        "no end",
        "one byte",
        "a byte behind it",
        "a stream behind it",
        "with a header",
        "a stored block that goes on",
        "too long",
        "too short",
        "something, for nothing",
        "4 GiB less one",
        "4 GiB more",
        "another checksum",
        "another checksum of nothing",
    ],
)
def test_attack_streams_that_are_not_what_is_said(
    packed: bytes, size: int, crc: int, expected: str
) -> None:
    assert rule(packed, entry(packed, size, crc)) == expected


def test_a_distance_to_before_the_beginning() -> None:
    # A block of fixed codes (RFC 1951, 3.2.6): length 3, distance 1, with nothing in front of it.
    assert rule(b"\x03\x02\x00", entry(b"\x03\x02\x00", 3, 0)) == "zip-data"


def test_bytes_without_any_member() -> None:
    with pytest.raises(BrokenError, match="9 bytes belong to no member"):
        list(members(io.BytesIO(b"123456789"), Directory((), 9)))


def test_a_file_that_is_shorter_than_its_members() -> None:
    packed = deflated(NOISE)
    for method, size in ((DEFLATED, len(NOISE)), (STORED, 4 * GIB)):
        of = entry(packed, size, 0, method=method, stated=4 * GIB)
        assert rule(packed[:-9], of) == "zip-size"


@pytest.mark.parametrize("inflate", [strict, quick])
@pytest.mark.parametrize("size", [10, 4 * GIB])
def test_attack_bomb_takes_no_memory(size: int, inflate: Inflate) -> None:
    packed = deflated(bytes(64 << 20), 9)
    of = entry(packed, size, 0)
    tracemalloc.start()
    try:
        with pytest.raises(BrokenError):
            for _piece in content(io.BytesIO(packed), of, None, inflate):
                pass
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from([b"a", b"bc", b"def", b"ghij" * 9, b"\0" * 300]), max_size=120),
    st.integers(0, 9),
    st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE]),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 7)), max_size=4),
)
def test_a_stream_means_what_it_means_to_installers(
    words: list[bytes], level: int, strategy: int, flips: list[tuple[int, int]]
) -> None:
    packed = bytearray(deflated(b"".join(words), level, strategy))
    for at, bit in flips:
        packed[at % len(packed)] ^= 1 << bit
    assert_same(bytes(packed))


def test_changed_streams_mean_what_they_mean_to_installers() -> None:
    dice = random.Random(20261121)  # noqa: S311 - the same each time
    good = deflated(b" ".join(dice.choice([b"one", b"three", b"fifteen"]) for _ in range(900)))
    for _ in range(3000):
        packed = bytearray(good)
        packed[dice.randrange(min(len(good), dice.choice([9, 90, 9000])))] ^= 1 << dice.randrange(8)
        assert_same(bytes(packed))


def test_what_no_installer_takes() -> None:
    of = entry(UNTAKEN, 5, zlib.crc32(b"hello"))
    assert inflated(UNTAKEN, of, quick) == b"hello"
    assert rule(UNTAKEN, of, strict) == "zip-data"


def assert_same(packed: bytes) -> None:
    """What zlib makes of a stream, the decoder that pip and zipfile use, is what is seen here.

    What is quick and not strict may take more, but never anything for something else.
    """
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = engine.decompress(packed)
        whole = engine.eof and not engine.unused_data
    except zlib.error:
        data, whole = b"", False
    of = entry(packed, len(data), zlib.crc32(data))
    if whole:
        assert inflated(packed, of) == data
    else:
        assert rule(packed, of, strict) in {"zip-data", "zip-size"}
