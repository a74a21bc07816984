from __future__ import annotations

import io
import tarfile

import pytest

from bundler.archive import ustar
from bundler.errors import BundlerError
from bundler.model.artifact import Blob, Sha256
from tests.fakes.volumes import Contents

LARGEST = 8 * 2**30 - 1


def edited(block: bytes, start: int, data: bytes) -> bytes:
    """`block` with other bytes and a checksum that fits them again."""
    changed = block[:start] + data + block[start + len(data) :]
    total = sum(changed[:148]) + sum(changed[156:]) + 8 * 32
    return changed[:148] + b"%06o\0 " % total + changed[156:]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, LARGEST])
def test_the_standard_library_reads_a_header(size: int) -> None:
    info = tarfile.TarInfo.frombuf(ustar.header("blobs/sha256/ab", size), "ascii", "strict")
    assert (info.name, info.size, info.type) == ("blobs/sha256/ab", size, tarfile.REGTYPE)
    assert (info.mode, info.mtime, info.uid, info.gid, info.uname, info.gname) == (
        0o644,
        0,
        0,
        0,
        "",
        "",
    )


@pytest.mark.parametrize(("name", "size"), [("a", 0), ("n" * 100, LARGEST), ("x/y.json", 77)])
def test_a_header_comes_back(name: str, size: int) -> None:
    block = ustar.header(name, size)
    assert len(block) == 512
    assert ustar.parse_header(block) == (name, size)


def test_a_file_beyond_8_gib_is_refused() -> None:
    with pytest.raises(BundlerError, match="has 8589934592 bytes; a volume takes files of up to"):
        ustar.header("a", LARGEST + 1)


@pytest.mark.parametrize("name", ["", "n" * 101, "ü"])
def test_other_names_are_a_mistake_of_the_caller(name: str) -> None:
    with pytest.raises(ValueError, match=r"not a name for a tar entry|ascii"):
        ustar.header(name, 0)


@pytest.mark.parametrize(
    ("start", "data"),
    [
        (156, b"1"),  # hard link
        (156, b"2"),  # symbolic link
        (156, b"5"),  # folder
        (156, b"x"),  # PAX
        (156, b"L"),  # GNU long name
        (156, b"\0"),  # V7 regular file
        (100, b"0000755"),
        (108, b"0000001"),
        (136, b"00000000001"),
        (157, b"target"),
        (257, b"ustar  \0"),  # GNU
        (265, b"root"),
        (345, b"prefix"),
        (511, b"x"),
        (0, b"\0"),
        (0, b"\xff"),
        (2, b"c"),  # behind the end of the name
        (124, b"\x80"),  # base-256 size
        (124, b" 0000000001"),
        (124, b"0000000001 "),
        (124, b"8"),
    ],
)
def test_every_other_header_is_refused(start: int, data: bytes) -> None:
    block = edited(ustar.header("a", 1), start, data)
    with pytest.raises(ValueError, match="not a plain tar header"):
        ustar.parse_header(block)


def test_a_wrong_checksum_is_refused() -> None:
    block = ustar.header("a", 1)
    with pytest.raises(ValueError, match="not a plain tar header"):
        ustar.parse_header(block[:148] + b"7" + block[149:])


@pytest.mark.parametrize("block", [b"", b"a", ustar.header("a", 1)[:-1], bytes(512)])
def test_short_and_empty_blocks_are_refused(block: bytes) -> None:
    with pytest.raises(ValueError, match="not a plain tar header"):
        ustar.parse_header(block)


def test_the_stream_of_blobs_is_a_tar() -> None:
    contents = Contents()
    blobs = [contents.add(data) for data in (b"", b"x" * 512, b"y" * 513)]
    stream = b"".join(
        contents.by_blob[entry] if isinstance(entry, Blob) else entry
        for entry in ustar.entries(blobs)
    )
    assert len(stream) == ustar.stream_length(blobs)
    with tarfile.open(fileobj=io.BytesIO(stream + ustar.END), mode="r:") as tar:
        assert tar.getnames() == [ustar.blob_name(blob) for blob in blobs]
        assert tar.getnames()[0] == f"blobs/sha256/{Sha256(blobs[0].sha256)}"
