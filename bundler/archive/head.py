"""The head of a volume: what must be read before anything may be decompressed.

Its payload is a tar of small documents and zero bytes up to a length that was reserved before the
frames behind it were known. It stands in a zstd skippable frame (RFC 8878, section 3.1.2), which
stock zstd passes over; in a plain tar as the first entry, `head.tar`; in a folder as a file of that
name. Reading it trusts nothing: whatever a file holds, the outcome is a `Head` or a `DamagedError`
with one sentence that says what is wrong.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from bundler.archive import ustar
from bundler.archive.source import Source
from bundler.errors import BundlerError, DamagedError
from bundler.model.volume import Form

HEAD_LIMIT = 32 << 20
"""The largest head that is written or read, in bytes."""

PREFIX = struct.Struct("<II")
"""Magic number and payload length of a skippable frame."""

HEAD_FILE = "head.tar"
"""What the head is called in a plain tar, and in a folder."""

_MAGIC = 0x184D2A50
_FRONTS: Mapping[Form, int] = {"zst": PREFIX.size, "tar": ustar.BLOCK, "files": 0}
_FORMAT_NAME, _FORMAT = "bundler-volume", b"1\n"
_NAME = re.compile(
    r"(?P<metadata>metadata/[a-z0-9.-]+\.json)"
    r"|(?P<manifest>manifest\.json)"
    r"|(?P<transport>transport/[a-z0-9.-]+\.json)",
    re.ASCII,
)
_ORDER = ("metadata", "manifest", "transport")
_KNOWN_FILES = (
    (b"PK\x03\x04", "a zip archive, perhaps a wheel"),
    (b"\x28\xb5\x2f\xfd", "a zstd file without a bundle's head"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x7fELF", "a program"),
    (b"bundler-", "the head of a volume that is a folder: give the folder"),
)


@dataclass(frozen=True, slots=True)
class Head:
    """What a head holds.

    Attributes:
        entries: The documents by name, such as `metadata/1.root.json`; none of them is verified.
        size: The offset of the first byte behind the head.
        form: What the file looks like; the index says what it must be.
    """

    entries: Mapping[str, bytes]
    size: int
    form: Form = "zst"


def encode_head(entries: Mapping[str, bytes], reserved: int, form: Form = "zst") -> bytes:
    """The head of exactly `reserved` bytes that holds `entries`, for a volume of this form.

    In a plain tar it is the content of the first entry, in a folder a file of its own.

    Raises:
        BundlerError: if they do not fit.
        ValueError: if a name is not one that a head may hold.
    """
    parts = [_entry(_FORMAT_NAME, _FORMAT)]
    parts += [_entry(name, entries[name]) for name in sorted(entries, key=_place)]
    payload = b"".join(parts)
    room = reserved - _FRONTS[form]
    if len(payload) > room or reserved > HEAD_LIMIT:
        raise BundlerError(
            f"the head of the volume needs {len(payload) + _FRONTS[form]} bytes;"
            f" {min(reserved, HEAD_LIMIT)} are there for it",
            hint="make two streams of this profile, each with a part of its requirements",
        )
    front = {
        "zst": PREFIX.pack(_MAGIC, room),
        "tar": ustar.header(HEAD_FILE, room),
        "files": b"",
    }
    return front[form] + payload.ljust(room, b"\0")


def head_size(sizes: Mapping[str, int], form: Form = "zst") -> int:
    """How many bytes a head needs for entries of these names and sizes."""
    wanted = [len(_FORMAT), *sizes.values()]
    return _FRONTS[form] + sum(ustar.BLOCK + size + ustar.padding(size) for size in wanted)


def read_head(stream: BinaryIO | Source) -> Head:
    """Read the head from the beginning of a volume; the stream then stands right behind it.

    Raises:
        DamagedError: if it is not a bundle volume, or its head is not as it was written.
        BundlerError: if it cannot be read.
    """
    source = stream if isinstance(stream, Source) else Source(stream)
    prefix = source.read(PREFIX.size)
    if prefix == HEAD_FILE.encode():
        return _read_plain(source, prefix)
    if len(prefix) < PREFIX.size:
        raise _not_a_volume(source, _describe(prefix))
    magic, length = PREFIX.unpack(prefix)
    if magic != _MAGIC:
        raise _not_a_volume(source, _describe(prefix))
    return Head(_payload(source, length), source.position)


def read_head_file(source: Source, size: int) -> Head:
    """Read the head from a file of its own, of `size` bytes.

    Raises:
        DamagedError, BundlerError: as `read_head`.
    """
    return Head(_payload(source, size), source.position, "files")


def _read_plain(source: Source, start: bytes) -> Head:
    """The head is the first entry of a tar."""
    block = start + source.read(ustar.BLOCK - len(start))
    try:
        name, length = ustar.parse_header(block)
    except ValueError as error:
        raise _not_a_volume(source, str(error)) from error
    if name != HEAD_FILE:
        raise _not_a_volume(source, f"its first entry is {name}")
    entries = _payload(source, length)
    padding = ustar.padding(length)
    if source.read(padding) != bytes(padding):
        raise _damaged(source, "bytes other than zero behind it")
    return Head(entries, source.position, "tar")


def _payload(source: Source, length: int) -> dict[str, bytes]:
    if length > HEAD_LIMIT - PREFIX.size:
        raise _not_a_volume(source, f"its head would have {length} bytes")
    payload = source.read(length)
    if len(payload) < length:
        raise _damaged(source, f"the file ends after {len(payload)} of its {length} bytes")
    if not payload.startswith(_FORMAT_NAME.encode() + b"\0"):
        raise _not_a_volume(source, "it begins with a zstd frame of another program")
    try:
        return _parse(payload, source.name)
    except ValueError as error:
        raise _damaged(source, str(error)) from error


def _parse(payload: bytes, file: str) -> dict[str, bytes]:
    found = _tar_entries(payload)
    _, version = next(found)
    if version != _FORMAT:
        raise DamagedError(
            f"{file} is a volume of format {version!r:.20}; this version of bundle reads"
            f" {_FORMAT!r} only",
            hint="use the version of bundle that wrote it, or a newer one",
        )
    entries: dict[str, bytes] = {}
    last = (-1, "")
    for name, content in found:
        if (place := _place(name)) <= last:
            raise ValueError(f"{name} stands twice, or in the wrong place")
        last = place
        entries[name] = content
    return entries


def _tar_entries(payload: bytes) -> Iterator[tuple[str, bytes]]:
    """Every entry of a tar that fills `payload`, but for zero bytes behind the last one."""
    position = 0
    # No header begins with a zero byte: where one stands, the unused room begins.
    while payload[position : position + 1].strip(b"\0"):
        name, size = ustar.parse_header(payload[position : position + ustar.BLOCK])
        start = position + ustar.BLOCK
        end = start + size
        position = end + ustar.padding(size)
        if position > len(payload):
            raise ValueError(f"{name} does not end within it")
        if payload[end:position].strip(b"\0"):
            raise ValueError(f"bytes other than zero behind {name}")
        yield name, payload[start:end]
    if payload[position:].strip(b"\0"):
        raise ValueError("bytes other than zero behind the last entry")


def _place(name: str) -> tuple[int, str]:
    match = _NAME.fullmatch(name)
    if match is None or match.lastgroup is None:
        raise ValueError(f"{name!r:.120} is not a name that a head may hold")
    return _ORDER.index(match.lastgroup), name


def _entry(name: str, content: bytes) -> bytes:
    return ustar.header(name, len(content)) + content + bytes(ustar.padding(len(content)))


def _describe(start: bytes) -> str:
    if not start:
        return "it is empty"
    for magic, what in _KNOWN_FILES:
        if start.startswith(magic):
            return f"it is {what}"
    if start.isascii() and start.decode().replace("\n", " ").replace("\r", " ").isprintable():
        return "it is a text file"
    return f"it begins with the bytes {start.hex(' ')}"


def _damaged(source: Source, what: str) -> DamagedError:
    return DamagedError(
        f"the head of {source.name} is damaged: {what}", hint="have the volume sent again"
    )


def _not_a_volume(source: Source, what: str) -> DamagedError:
    return DamagedError(
        f"{source.name} is not a bundle volume: {what}",
        hint="a volume is a file that `bundle create` wrote, such as web-000001.v01.tar.zst",
    )
