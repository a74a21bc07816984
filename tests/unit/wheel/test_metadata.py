from __future__ import annotations

import bz2
import errno
import hashlib
import io
import lzma
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from bundler.model.artifact import Sha256
from bundler.wheel import metadata
from bundler.wheel.directory import MAX_DIRECTORY, MAX_ENTRIES
from bundler.wheel.fault import WheelError
from bundler.wheel.metadata import (
    MAX_METADATA,
    check_metadata,
    check_requires_python,
    read_metadata,
    read_requires_python,
)
from tests.fakes.wheels import build_wheel, zip_of

INFO = "a_b-1.0.dist-info/METADATA"
TEXT = b"Metadata-Version: 2.1\nName: A.b\nVersion: 1.0\n"
NAME = "a_b-1.0-py3-none-any.whl"


def test_the_exact_bytes_are_read() -> None:
    wheel = zip_of({"a_b/__init__.py": b"", INFO: TEXT})
    assert read_metadata(io.BytesIO(wheel), NAME) == TEXT


def test_a_wheel_with_the_planned_metadata_passes() -> None:
    filename, wheel = build_wheel("a", "1.0+x.1", requires=["b"])
    data = read_metadata(io.BytesIO(wheel), filename)
    digest = Sha256(hashlib.sha256(data).hexdigest())
    check_metadata(data, filename, digest)


def test_another_metadata_than_planned_is_refused() -> None:
    filename, wheel = build_wheel("a", "1.0")
    with pytest.raises(WheelError, match="not the one that dependencies were resolved from"):
        check_metadata(read_metadata(io.BytesIO(wheel), filename), filename, Sha256("0" * 64))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "has 0 METADATA files, not one"),
        ({INFO: TEXT, "b-1.dist-info/METADATA": TEXT}, "has 2 METADATA files, not one"),
        ({"c-1.0.dist-info/METADATA": TEXT}, "carries the metadata folder"),
        ({"a_b-2.0.dist-info/METADATA": TEXT}, "carries the metadata folder"),
        ({"a_b-x.dist-info/METADATA": TEXT}, "carries the metadata folder"),
        ({INFO: TEXT.replace(b"A.b", b"other")}, "its METADATA says 'other' '1.0'"),
        ({INFO: TEXT.replace(b"1.0", b"1.1")}, "its METADATA says 'A.b' '1.1'"),
        ({INFO: b""}, "its METADATA says '' ''"),
    ],
)
def test_wrong_identity(entries: dict[str, bytes], message: str) -> None:
    with pytest.raises(WheelError) as caught:
        read_metadata(io.BytesIO(zip_of(entries)), NAME)
    assert message in str(caught.value)
    assert str(caught.value).startswith(NAME)
    assert caught.value.exit_code == 4


def test_not_a_zip_file() -> None:
    with pytest.raises(WheelError, match="not a readable wheel"):
        read_metadata(io.BytesIO(b"<html>"), NAME)


def test_damaged_entry() -> None:
    wheel = bytearray(zip_of({INFO: TEXT * 50}))
    wheel[60] ^= 0xFF
    with pytest.raises(WheelError, match="not a readable wheel"):
        read_metadata(io.BytesIO(wheel), NAME)


def peak_of(work: Callable[[], object]) -> int:
    """The most memory that `work` holds at once, in bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refusal(wheel: IO[bytes], memory: int) -> str:
    """What `read_metadata` says of a wheel, having used no more than so many bytes."""

    def work() -> None:
        with pytest.raises(WheelError) as caught:
            read_metadata(wheel, NAME)
        said.append(caught.value.message)

    said: list[str] = []
    assert peak_of(work) < memory
    return said[0]


def end_record(entries: int, size: int, offset: int, *, zip64: bool = False) -> bytes:
    """The end of a zip file whose directory is said to be there."""
    if not zip64:
        return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, entries, entries, size, offset, 0)
    return (
        struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, offset)
        + struct.pack("<4sLQL", b"PK\6\7", 0, offset + size, 1)
        + end_record(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    )


def forged(compressed: bytes, method: int, claimed: bytes) -> bytes:
    """A wheel whose METADATA is said to be `claimed`, whatever its stream holds."""
    name = INFO.encode()
    facts = (20, 0, method, 0, 33, zlib.crc32(claimed), len(compressed), len(claimed), len(name))
    local = struct.pack("<4s5H3L2H", b"PK\3\4", *facts, 0) + name + compressed
    directory = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *facts, 0, 0, 0, 0, 0, 0) + name
    return local + directory + end_record(1, len(directory), len(local))


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_the_forger_makes_is_a_wheel_if_it_does_not_lie(method: int) -> None:
    data = TEXT if method == zipfile.ZIP_STORED else deflated(TEXT)
    assert read_metadata(io.BytesIO(forged(data, method, TEXT)), NAME) == TEXT


def test_metadata_bomb_by_its_own_account() -> None:
    wheel = zip_of({INFO: TEXT + bytes(MAX_METADATA)})
    assert refusal(io.BytesIO(wheel), 1 << 20) == f"{NAME}: its METADATA has 4194349 bytes"


def test_metadata_bomb_that_is_long_before_decompression() -> None:
    # Deflate has blocks that hold nothing.
    wheel = forged(b"\0\0\0\xff\xff" * 900_000, zipfile.ZIP_DEFLATED, TEXT)
    assert refusal(io.BytesIO(wheel), 1 << 20) == f"{NAME}: its METADATA has 4500000 bytes"


def test_metadata_bomb_that_claims_to_be_small() -> None:
    wheel = forged(deflated(TEXT + bytes(64 << 20)), zipfile.ZIP_DEFLATED, TEXT)
    assert "not a readable wheel: Bad CRC-32" in refusal(io.BytesIO(wheel), 20 << 20)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("more", [b"X", b"Requires-Dist: hidden\n" * 9])
def test_a_stream_longer_than_claimed_is_refused(method: int, more: bytes) -> None:
    data = TEXT + more
    wheel = forged(data if method == zipfile.ZIP_STORED else deflated(data), method, TEXT)
    # The checksum of what comes first is right, so zipfile alone would be content.
    wheel = wheel.replace(crc(TEXT), crc(data))
    with pytest.raises(WheelError, match="its METADATA has not the 45 bytes that it should have"):
        read_metadata(io.BytesIO(wheel), NAME)
    with pytest.raises(WheelError, match="not a readable wheel: Bad CRC-32"):
        read_metadata(io.BytesIO(wheel.replace(crc(data), crc(TEXT))), NAME)


def crc(data: bytes) -> bytes:
    return struct.pack("<L", zlib.crc32(data))


@pytest.mark.parametrize(
    ("method", "compress"), [(12, bz2.compress), (14, lzma.compress), (93, bytes), (8888, bytes)]
)
def test_metadata_bomb_under_another_compression(
    method: int, compress: Callable[[bytes], bytes]
) -> None:
    wheel = forged(compress(TEXT + bytes(1 << 20)), method, TEXT)
    said = refusal(io.BytesIO(wheel), 1 << 20)
    expected = f"its METADATA has compression method {method}, neither stored nor deflated"
    assert said == f"{NAME}: {expected}"


@pytest.mark.parametrize("flag", [1 << 0, 1 << 6, 1 << 13])
def test_encrypted_metadata_is_refused(flag: int) -> None:
    wheel = bytearray(forged(TEXT, zipfile.ZIP_STORED, TEXT))
    for at in (6, wheel.index(b"PK\1\2") + 8):
        wheel[at : at + 2] = flag.to_bytes(2, "little")
    with pytest.raises(WheelError, match=r"whl: its METADATA is encrypted$"):
        read_metadata(io.BytesIO(wheel), NAME)


@pytest.mark.parametrize("zip64", [False, True])
def test_metadata_bomb_in_the_directory_by_its_size(tmp_path: Path, *, zip64: bool) -> None:
    offset, size = 5 << 20, MAX_DIRECTORY + 1
    path = tmp_path / NAME
    with path.open("wb") as made:
        made.truncate(offset + size)
        made.seek(0, io.SEEK_END)
        made.write(end_record(1, size, offset, zip64=zip64))
    with path.open("rb") as wheel:
        assert refusal(wheel, 1 << 20) == f"{NAME}: its zip directory has 16777217 bytes"


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("claimed", [1, MAX_ENTRIES + 1])
def test_metadata_bomb_in_the_directory_by_its_entries(claimed: int, *, zip64: bool) -> None:
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, *[0] * 7, 1, *[0] * 6) + b"x"
    directory = entry * (MAX_ENTRIES + 1)
    end = end_record(min(claimed, 0xFFFF), len(directory), 0, zip64=zip64)
    said = refusal(io.BytesIO(directory + end), 3 * len(directory))
    assert said == f"{NAME}: its zip directory has over 100000 entries"


def test_as_many_entries_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = zip_of({"a": b"", "b": b"", INFO: TEXT})
    monkeypatch.setattr(metadata, "MAX_ENTRIES", 3)
    assert read_metadata(io.BytesIO(wheel), NAME) == TEXT
    monkeypatch.setattr(metadata, "MAX_ENTRIES", 2)
    with pytest.raises(WheelError, match="over 2 entries"):
        read_metadata(io.BytesIO(wheel), NAME)


@pytest.mark.parametrize("line", [b"A:\n", b"A:\r", b"A:\r\n", b" \n", b"\t\r", b":\n"])
def test_metadata_bomb_of_headers(line: bytes) -> None:
    text = TEXT + line * ((MAX_METADATA - len(TEXT)) // len(line))
    wheel = forged(deflated(text), zipfile.ZIP_DEFLATED, text)
    said = refusal(io.BytesIO(wheel), 20 << 20)
    assert said == f"{NAME}: its METADATA has 20000 lines of headers or more"


@pytest.mark.parametrize(
    "body",
    [
        b"\n" + b"ab\n" * 1_300_000,
        b"no header\n" + b"ab\n" * 1_300_000,
        b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\n" * 600_000,
    ],
)
def test_metadata_bomb_of_text_costs_no_more_than_its_size(body: bytes) -> None:
    text = TEXT + body
    wheel = io.BytesIO(forged(deflated(text), zipfile.ZIP_DEFLATED, text))
    assert peak_of(lambda: read_metadata(wheel, NAME)) < 20 << 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT + b"name: A.b\n", "its METADATA has the field Name 2 times"),
        (TEXT + b"VERSION: 2\nVersion: 3\n", "its METADATA has the field Version 3 times"),
        (TEXT.replace(b"1.0", b"1" * 5000), "its METADATA says 'A.b' '1111"),
        (TEXT.replace(b"\nVersion", b"\nno header\nVersion"), "its METADATA says 'A.b' ''"),
    ],
)
def test_another_identity_for_another_reader(text: bytes, message: str) -> None:
    with pytest.raises(WheelError) as caught:
        read_metadata(io.BytesIO(zip_of({INFO: text})), NAME)
    assert caught.value.message.startswith(f"{NAME}: {message}")


@pytest.mark.parametrize(
    "text",
    [
        b"NAME: A.b\r\nvErSiOn:\t1.0\r\nLicense: a\r\n        b\r\n\r\nName: other\r\n",
        b"From me\nname:A.b\nSummary: a\n\tVersion: 2\nversion: 1.0\nno header\nVersion: 2\n",
        b"Author: \xff\xfe\nName: A.b\nVersion:\n 1.0",
    ],
)
def test_spellings_of_headers(text: bytes) -> None:
    assert read_metadata(io.BytesIO(zip_of({INFO: text})), NAME) == text


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damage_under_any_compression(method: int) -> None:
    wheel = forged(b"\xff" * 60, method, TEXT)
    with pytest.raises(WheelError, match="not a readable wheel"):
        read_metadata(io.BytesIO(wheel), NAME)


@pytest.mark.parametrize("shift", [-1, 1, 5000])
def test_an_entry_outside_of_the_file(tmp_path: Path, shift: int) -> None:
    wheel = bytearray(zip_of({INFO: TEXT}))
    if shift < 0:  # the directory claims to begin later than it does, so entries begin earlier
        start = int.from_bytes(wheel[-6:-2], "little")
        wheel[-6:-2] = (start - shift).to_bytes(4, "little")
    else:
        at = wheel.index(b"PK\1\2") + 42
        wheel[at : at + 4] = shift.to_bytes(4, "little")
    (tmp_path / NAME).write_bytes(wheel)
    with (
        (tmp_path / NAME).open("rb") as opened,
        pytest.raises(WheelError, match=r"not a readable wheel: (an entry outside|Bad magic)"),
    ):
        read_metadata(opened, NAME)


def test_an_error_of_the_disk_is_not_the_wheels_fault() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if size is not None and size > 100:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    with pytest.raises(OSError, match="Input/output error"):
        read_metadata(Failing(zip_of({"x": b"x" * 9, INFO: TEXT * 50})), NAME)


def with_python(value: str | None) -> bytes:
    return TEXT + ("" if value is None else f"requires-python: {value}\n").encode() + b"\ntext\n"


@pytest.mark.parametrize("value", [">=3.8", ">=3.8, <4", "nonsense"])
def test_requires_python_is_read_as_it_is_written(value: str) -> None:
    assert read_requires_python(with_python(value), NAME) == value


@pytest.mark.parametrize("value", [None, ""])
def test_no_requires_python(value: str | None) -> None:
    assert read_requires_python(with_python(value), NAME) is None


def test_requires_python_in_the_description_is_none() -> None:
    assert read_requires_python(TEXT + b"\nRequires-Python: <3\n", NAME) is None


def test_requires_python_twice_is_refused() -> None:
    twice = b"Requires-Python: <3\n" + with_python(">=3.8")
    with pytest.raises(WheelError, match="has the field Requires-Python 2 times"):
        read_requires_python(twice, NAME)


@pytest.mark.parametrize(
    ("stated", "own"),
    [
        (None, ">=3.8"),
        ("", ">=3.8"),
        (None, None),
        (">=3.8", ">=3.8"),
        ("<4,>=3.8", ">=3.8, <4"),
        (">=3.8.0", ">=3.8"),
        ("nonsense ", "nonsense"),
    ],
)
def test_what_is_stated_of_python_agrees(stated: str | None, own: str | None) -> None:
    check_requires_python(with_python(own), NAME, stated)


@pytest.mark.parametrize(
    ("stated", "own", "shown"),
    [
        ("<3", ">=3.8", "'>=3.8'"),
        ("<3", None, "''"),
        (">=3.8", ">=3.8,<4", "'>=3.8,<4'"),
        ("nonsense", ">=3.8", "'>=3.8'"),
    ],
)
def test_another_requires_python_than_listed_is_refused(
    stated: str, own: str | None, shown: str
) -> None:
    data = with_python(own)
    digest = Sha256(hashlib.sha256(data).hexdigest())
    check_metadata(data, NAME, digest)
    with pytest.raises(WheelError) as caught:
        check_metadata(data, NAME, digest, stated)
    assert caught.value.message == (
        f"{NAME}: is listed with Requires-Python {stated!r}, its METADATA says {shown}"
    )
