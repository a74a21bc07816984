from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundler.archive import staged as module
from bundler.archive import ustar
from bundler.archive.staged import encode_staged, read_staged, staged_blob
from bundler.errors import BundlerError, DamagedError

BLOB = b"a document"
ENTRIES = {
    "metadata/1.root.json": b"{}",
    "metadata/targets.json": b"[]",
    "manifest.json": b"{1}",
    "previous/manifest.json": b"",
    "previous/targets.json": b"x" * 513,
    staged_blob(hashlib.sha256(BLOB).hexdigest()): BLOB,
}


def write(folder: Path, data: bytes) -> Path:
    path = folder / "x.staged"
    path.write_bytes(data)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    data = encode_staged(ENTRIES)
    assert read_staged(write(tmp_path, data)) == ENTRIES
    assert encode_staged(dict(reversed(ENTRIES.items()))) == data


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data = encode_staged(ENTRIES)
    for size in range(0, len(data), 37):
        with pytest.raises(DamagedError, match=r"is damaged|is not a staged file"):
            read_staged(write(tmp_path, data[:size]))


def test_every_flipped_byte_is_refused_or_in_a_document(tmp_path: Path) -> None:
    """What is not under a digest here is checked by `open_proposal`; no other byte is free."""
    data = encode_staged(ENTRIES)
    inside = set()
    position = 0
    while position < len(data) - 1024:
        name, size = ustar.parse_header(data[position : position + 512])
        if name.startswith(("metadata", "manifest", "previous")):
            inside |= set(range(position + 512, position + 512 + size))
        position += 512 + size + ustar.padding(size)
    for at in range(0, len(data), 5):
        flipped = bytearray(data)
        flipped[at] ^= 0x01
        path = write(tmp_path, bytes(flipped))
        if at in inside:
            assert set(read_staged(path)) == set(ENTRIES)
        else:
            with pytest.raises(DamagedError):
                read_staged(path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rest: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for data in (rest, encode_staged({})[:1024] + rest):
        with pytest.raises(DamagedError):
            read_staged(write(folder, data + b"\1"))


def test_names_that_it_may_not_hold() -> None:
    for name in (
        "x",
        "metadata/snapshot.json",
        "blobs/sha256/ab",
        "../manifest.json",
        "metadata/0.root.json",
    ):
        with pytest.raises(ValueError, match="is not a name that a staged file may hold"):
            encode_staged({name: b""})


def _raw(*entries: tuple[str, bytes]) -> bytes:
    parts = [("bundler-staged", b"1\n"), *entries]
    return (
        b"".join(
            ustar.header(name, len(data)) + data + bytes(ustar.padding(len(data)))
            for name, data in parts
        )
        + ustar.END
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_raw(("manifest.json", b""), ("manifest.json", b"")), "manifest.json stands twice"),
        (_raw(("manifest.json", b""), ("metadata/targets.json", b"")), "in the wrong place"),
        (_raw(("evil/../x", b"")), "is not a name that a staged file may hold"),
        (_raw((staged_blob("0" * 64), b"x")), "is not what its name says"),
        (_raw(("metadata/targets.json", b" " * 5_000_001)), "has 5000001 bytes, 5000000 at most"),
        (_raw().replace(b"1\n", b"2\n"), "its format is b'2"),
        (_raw() + b"\1", "is damaged"),
    ],
)  # fmt: skip
def test_odd_files_are_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(DamagedError, match=reason):
        read_staged(write(tmp_path, data))


def test_no_more_is_read_than_a_staged_file_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STAGED_LIMIT", 2000)
    with pytest.raises(DamagedError, match="has 4000 bytes; a staged file has 2000 at most"):
        read_staged(write(tmp_path, bytes(4000)))
    with pytest.raises(BundlerError, match="a staged file has 2000 at most"):
        encode_staged({"manifest.json": bytes(2000)})


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="is a directory"):
        read_staged(tmp_path)
    with pytest.raises(BundlerError, match="no such file"):
        read_staged(tmp_path / "absent")
    with pytest.raises(BundlerError, match="/dev/zero is not a file"):
        read_staged(Path("/dev/zero"))
