from __future__ import annotations

import io
import os
import struct
import subprocess
from pathlib import Path

import pytest

from bundler.archive import ustar
from bundler.archive.head import HEAD_LIMIT, Head, encode_head, head_size, read_head
from bundler.errors import BundlerError, DamagedError

ENTRIES = {
    "transport/web-000007.v01.json": b"{}",
    "manifest.json": b'{"format":1}',
    "metadata/timestamp.json": b"t",
    "metadata/1.root.json": b"",
}


def entry(name: str, content: bytes) -> bytes:
    return ustar.header(name, len(content)) + content + bytes(ustar.padding(len(content)))


FORMAT = entry("bundler-volume", b"1\n")


def framed(payload: bytes, magic: int = 0x184D2A50) -> bytes:
    return struct.pack("<II", magic, len(payload)) + payload


def read(data: bytes) -> Head:
    return read_head(io.BytesIO(data))


def test_a_head_comes_back_in_its_order() -> None:
    data = encode_head(ENTRIES, 65536)
    assert len(data) == 65536
    head = read(data + b"frames")
    assert head == Head(ENTRIES, 65536)
    assert list(head.entries) == [
        "metadata/1.root.json",
        "metadata/timestamp.json",
        "manifest.json",
        "transport/web-000007.v01.json",
    ]


def test_a_head_may_be_full_to_the_last_byte() -> None:
    needed = head_size({name: len(content) for name, content in ENTRIES.items()})
    assert read(encode_head(ENTRIES, needed)) == Head(ENTRIES, needed)
    with pytest.raises(BundlerError, match=f"needs {needed} bytes; {needed - 1} are there for it"):
        encode_head(ENTRIES, needed - 1)


def test_a_head_is_never_larger_than_its_limit() -> None:
    with pytest.raises(BundlerError, match=f"needs .* bytes; {HEAD_LIMIT} are there for it"):
        encode_head({"manifest.json": bytes(HEAD_LIMIT)}, HEAD_LIMIT + 2048)


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json ",
        "../manifest.json",
        "/manifest.json",
        "metadata/a/b.json",
        "metadata/Root.json",
        "metadata/.json.exe",
        "metadata/a\nb.json",
        "bundler-volume",
        "other.json",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a name that a head may hold"):
        encode_head({name: b""}, 65536)
    with pytest.raises(DamagedError, match="is not a name that a head may hold"):
        read(framed(FORMAT + entry(name, b"")))


def test_reading_works_on_a_pipe_and_takes_no_byte_too_many() -> None:
    data = encode_head(ENTRIES, 8192) + b"frames"
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        assert read_head(pipe).size == 8192
        assert pipe.read() == b"frames"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "it is empty"),
        (b"abc", "it is a text file"),
        (b"Dear operator,\r\n", "it is a text file"),
        (b"PK\x03\x04\x14\0\0\0rest", "it is a zip archive, perhaps a wheel"),
        (b"\x28\xb5\x2f\xfd\x20\x05\x29\0", "it is a zstd file without a bundle's head"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "it is a gzip file"),
        (b"\x7fELF\2\1\1\0", "it is a program"),
        (b"\xff\0\xff\0\xff\0\xff\0", "it begins with the bytes ff 00 ff 00 ff 00 ff 00"),
        (framed(FORMAT, 0x184D2A51), "it begins with the bytes 51 2a 4d 18 00 04 00 00"),
        (framed(b"seek table"), "it begins with a zstd frame of another program"),
        (framed(b""), "it begins with a zstd frame of another program"),
        (framed(entry("manifest.json", b"")), "it begins with a zstd frame of another program"),
        (struct.pack("<II", 0x184D2A50, HEAD_LIMIT), f"its head would have {HEAD_LIMIT} bytes"),
    ],
)
def test_what_is_no_volume_is_named(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "web.tar.zst"
    path.write_bytes(data)
    with path.open("rb") as stream, pytest.raises(DamagedError) as info:
        read_head(stream)
    assert info.value.message == f"{path} is not a bundle volume: {what}"
    assert info.value.hint is not None


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (b"bundler-volume\0", "not a plain tar header"),
        (FORMAT + b"x" * 512, "not a plain tar header"),
        (FORMAT + ustar.header("manifest.json", 9), "manifest.json does not end within it"),
        (
            FORMAT + ustar.header("manifest.json", 1) + b"x" * 512,
            "bytes other than zero behind manifest.json",
        ),
        (FORMAT + bytes(600) + b"x" + bytes(10), "bytes other than zero behind the last entry"),
        (FORMAT + entry("manifest.json", b"") * 2, "manifest.json stands twice"),
        (
            FORMAT + entry("manifest.json", b"") + entry("metadata/a.json", b""),
            "metadata/a.json stands twice, or in the wrong place",
        ),
        (FORMAT * 2, "'bundler-volume' is not a name that a head may hold"),
    ],
)
def test_a_damaged_head_is_refused(payload: bytes, what: str) -> None:
    with pytest.raises(DamagedError) as info:
        read(framed(payload))
    assert info.value.message.startswith("the head of the volume is damaged: ")
    assert what in info.value.message


def test_another_format_is_not_called_damage() -> None:
    later = entry("bundler-volume", b"2\n") + entry("something.new", b"")
    with pytest.raises(DamagedError) as info:
        read(framed(later))
    assert info.value.message == (
        "the volume is a volume of format b'2\\n'; this version of bundle reads b'1\\n' only"
    )
    assert info.value.hint == "use the version of bundle that wrote it, or a newer one"


@pytest.mark.parametrize("length", [8, 9, 100, 600, 4095])
def test_a_head_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(DamagedError, match=f"the file ends after {length - 8} of its 4088 bytes"):
        read(encode_head({}, 4096)[:length])


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)

    class Folder(io.RawIOBase):
        name = str(tmp_path)

        def read(self, size: int = -1, /) -> bytes:
            return os.read(descriptor, size)

    try:
        with pytest.raises(BundlerError, match="cannot be read at byte 0: Is a directory"):
            read_head(Folder())  # type: ignore[arg-type] # a raw stream is enough here
    finally:
        os.close(descriptor)


def test_stock_tar_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "head"
    path.write_bytes(encode_head(ENTRIES, 8192)[8:])
    listed = subprocess.run(["tar", "-tf", path], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["bundler-volume", *sorted(ENTRIES, key=ORDER.index)]


ORDER = list(read(encode_head(ENTRIES, 8192)).entries)
