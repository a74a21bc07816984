from __future__ import annotations

import errno
import hashlib
import io
import zipfile

import pytest

from bundler.model.artifact import Sha256
from bundler.wheel import metadata
from bundler.wheel.metadata import WheelError, check_wheel, read_metadata
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
    assert check_wheel(io.BytesIO(wheel), filename, digest) == data


def test_another_metadata_than_planned_is_refused() -> None:
    filename, wheel = build_wheel("a", "1.0")
    with pytest.raises(WheelError, match="not the one that dependencies were resolved from"):
        check_wheel(io.BytesIO(wheel), filename, Sha256("0" * 64))


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


def test_metadata_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "MAX_METADATA", 1000)
    with pytest.raises(WheelError, match="its METADATA has 1045 bytes"):
        read_metadata(io.BytesIO(zip_of({INFO: TEXT + b"x" * 1000})), NAME)


def compressed_by(method: int) -> bytes:
    """A wheel whose METADATA is compressed by another method, and damaged."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr(INFO, TEXT * 40)
    data = bytearray(target.getvalue())
    start = data.index(INFO.encode()) + len(INFO)
    data[start : start + 60] = bytes(60)
    return bytes(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_damage_under_any_compression(method: int) -> None:
    with pytest.raises(WheelError, match="not a readable wheel"):
        read_metadata(io.BytesIO(compressed_by(method)), NAME)


def test_an_error_of_the_disk_is_not_the_wheels_fault() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if size is not None and size > 100:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    with pytest.raises(OSError, match="Input/output error"):
        read_metadata(Failing(zip_of({"x": b"x" * 9, INFO: TEXT * 50})), NAME)
