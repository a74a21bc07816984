from __future__ import annotations

import io
from typing import BinaryIO

import pytest

from bundler.archive.slices import check_whole, opener_of, part_of
from bundler.errors import DamagedError
from bundler.model.artifact import Blob
from tests.fakes.trust import blob as blob_of
from tests.fakes.volumes import noise

DATA = noise(600_000)
WHOLE = blob_of(DATA)


def whole(_blob: Blob) -> BinaryIO:
    return io.BytesIO(DATA)


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (1, 599_999), (300_000, 299_000)])
def test_a_part_is_a_blob_of_its_own(offset: int, size: int) -> None:
    part = part_of(whole, WHOLE, offset, size)
    assert part == blob_of(DATA[offset : offset + size])
    with opener_of(whole, WHOLE, offset)(part) as file:
        assert file.read() == DATA[offset : offset + size]
        assert file.read(1) == b""


def test_a_part_can_be_read_from_its_middle() -> None:
    part = part_of(whole, WHOLE, 1000, 500_000)
    with opener_of(whole, WHOLE, 1000)(part) as file:
        assert file.seek(400_000) == 400_000
        assert file.read(7) == DATA[401_000:401_007]
        assert file.seek(3) == 3
        assert file.read(7) == DATA[1003:1010]
        assert file.seek(499_999) == 499_999
        assert file.read(7) == DATA[500_999:501_000]


def test_there_are_no_other_ways_to_seek() -> None:
    part = part_of(whole, WHOLE, 1000, 500)
    with opener_of(whole, WHOLE, 1000)(part) as file, pytest.raises(io.UnsupportedOperation):
        file.seek(0, io.SEEK_END)


def test_closing_a_part_closes_the_whole() -> None:
    opened = io.BytesIO(DATA)
    with opener_of(lambda _blob: opened, WHOLE, 9)(part_of(whole, WHOLE, 9, 9)):
        assert not opened.closed
    assert opened.closed


@pytest.mark.parametrize(
    "data", [DATA[:-1], DATA + b"?", DATA[:-1] + b"?"], ids=["short", "long", "flipped"]
)
def test_what_is_cut_is_what_its_name_says(data: bytes) -> None:
    check_whole(whole, WHOLE)
    with pytest.raises(DamagedError, match=WHOLE.sha256):
        check_whole(lambda _blob: io.BytesIO(data), WHOLE)
