"""The members of a zip file: read in one go, front to back, each inflated once and bounded."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import IO, Final

from zlib_ng import zlib_ng

from bundler.wheel.directory import DEFLATED, DESCRIBED, Directory, Entry, zip64
from bundler.wheel.fault import BrokenError
from bundler.wheel.inflate import ERRORS, Inflate, Inflater, strict

CHUNK: Final = 1 << 17
"""Bytes that are read at once."""

_INFLATED: Final = 1 << 17
"""Bytes that are inflated at once; so few are still in the processor's cache when hashed."""

_SMALL: Final = 1 << 20
"""Bytes; a member of no more, and of no more than a chunk packed, is read and inflated at once."""

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_LONG: Final = struct.Struct("<2Q")
_FULL32: Final = 0xFFFFFFFF
_DESCRIPTORS: Final = {
    12: struct.Struct("<3L"),
    16: struct.Struct("<4s3L"),
    20: struct.Struct("<L2Q"),
    24: struct.Struct("<4sL2Q"),
}
"""By length: what stands behind the data of a member (APPNOTE 4.3.9)."""


def members(wheel: IO[bytes], directory: Directory) -> Iterator[tuple[Entry, bytes | None]]:
    """Each member in the order of the file, and its packed bytes if it is small.

    If it is not, `wheel` stands in front of them, and the caller takes `content` to its end.

    Raises:
        BrokenError: if a header does not say what the directory says, a byte in front of the
            directory belongs to no member or to two, or content is not as long as it should be
            or has another checksum.
    """
    wheel.seek(0)
    at = 0
    ends = [*(entry.offset for entry in directory.entries), directory.offset][1:]
    for entry, end in zip(directory.entries, ends, strict=True):
        if entry.offset != at:
            raise BrokenError("zip-gap", f"{entry.offset - at} bytes in front of it", entry.name)
        left = end - at - _read_local(wheel, entry) - entry.packed
        if left < 0:
            raise BrokenError("zip-overlap", f"{-left} bytes of it are also another's", entry.name)
        yield entry, _packed(wheel, entry)
        _read_descriptor(wheel, entry, left)
        at = end
    if at != directory.offset:  # there is no member at all
        raise BrokenError("zip-gap", f"{directory.offset} bytes belong to no member")


def content(
    wheel: IO[bytes], entry: Entry, packed: bytes | None = None, inflate: Inflate = strict
) -> Iterator[bytes]:
    """What a member holds, piece by piece; `wheel` stands at `packed`, or behind it.

    Raises:
        BrokenError: as `members`.
    """
    crc = size = 0
    for piece in _pieces(wheel, entry, packed, inflate):
        size += len(piece)
        if size > entry.size:
            break
        crc = zlib_ng.crc32(piece, crc)
        yield piece
    if size != entry.size:
        raise BrokenError("zip-size", f"has not the {entry.size} bytes it should have", entry.name)
    if crc != entry.crc:
        raise BrokenError("zip-crc", "its checksum is another", entry.name)


def read_one(wheel: IO[bytes], entry: Entry, inflate: Inflate = strict) -> bytes:
    """All of a small member, wherever `wheel` stands.

    Raises:
        BrokenError: as `members`.
    """
    wheel.seek(entry.offset)
    _read_local(wheel, entry)
    return b"".join(content(wheel, entry, _packed(wheel, entry), inflate))


def _packed(wheel: IO[bytes], entry: Entry) -> bytes | None:
    """All of a small member; None for another."""
    if entry.packed > CHUNK or entry.size > _SMALL:
        return None
    data = wheel.read(entry.packed)
    if len(data) < entry.packed:
        raise BrokenError("zip-size", "the file ends within it", entry.name)
    return data


def _pieces(
    wheel: IO[bytes], entry: Entry, packed: bytes | None, inflate: Inflate
) -> Iterable[bytes]:
    if packed is None:
        chunks, most = _chunks(wheel, entry), _INFLATED
    else:
        chunks, most = iter((packed,)), _SMALL
    return _inflated(chunks, most, entry, inflate()) if entry.method == DEFLATED else chunks


def _chunks(wheel: IO[bytes], entry: Entry) -> Iterator[bytes]:
    left = entry.packed
    while left:
        chunk = wheel.read(min(left, CHUNK))
        if not chunk:
            raise BrokenError("zip-size", "the file ends within it", entry.name)
        left -= len(chunk)
        yield chunk


def _inflated(
    chunks: Iterator[bytes], most: int, entry: Entry, engine: Inflater
) -> Iterator[bytes]:
    """Pieces of no more than `most` bytes."""
    # One byte more than there should be, so that one too many is seen.
    most = min(most, entry.size + 1)
    try:
        for chunk in chunks:
            rest = chunk
            while not engine.eof and (piece := engine.decompress(rest, most)):
                yield piece
                rest = b""  # it keeps what it has not inflated
            if engine.eof:
                break
    except ERRORS as error:
        raise BrokenError("zip-data", f"cannot be inflated: {error}", entry.name) from error
    if not engine.eof:
        raise BrokenError("zip-data", "its data have no end", entry.name)
    if engine.unused_data or any(chunks):
        raise BrokenError("zip-data", "more follows behind its end", entry.name)


def _read_local(wheel: IO[bytes], entry: Entry) -> int:
    """Hold the local header against the entry; its length in bytes."""
    data = wheel.read(_LOCAL.size + len(entry.raw))
    if len(data) < _LOCAL.size or not data.startswith(b"PK\x03\x04"):
        raise BrokenError("zip-local", "there is no member where it should be", entry.name)
    fields = _LOCAL.unpack_from(data)
    flags, method, (crc, packed, size, named, extended) = fields[2], fields[3], fields[6:]
    if named > len(entry.raw):
        data += wheel.read(named - len(entry.raw))
    raw = data[_LOCAL.size : _LOCAL.size + named]
    extra = wheel.read(extended) if extended else b""
    if extra:
        long = zip64(extra, entry.name)
        if _FULL32 in {packed, size} and len(long) >= _LONG.size:
            size, packed = _LONG.unpack_from(long)
    stated = (raw, flags, method, crc, packed, size)
    if stated != (entry.raw, entry.flags, entry.method, entry.crc, entry.packed, entry.size):
        _compare_local(stated, entry)
    return _LOCAL.size + len(raw) + len(extra)


def _compare_local(stated: tuple[bytes, int, int, int, int, int], entry: Entry) -> None:
    """A local header that differs may only leave to a descriptor what is known later."""
    raw, flags, method, *later = stated
    certain = (("name", raw, entry.raw), ("flags", flags, entry.flags))
    known = zip(
        ("checksum", "packed size", "size"),
        later,
        (entry.crc, entry.packed, entry.size),
        strict=True,
    )
    for what, local, central in (*certain, ("method", method, entry.method), *known):
        described = what in {"checksum", "packed size", "size"} and entry.flags & DESCRIBED
        if local != central and not (described and local == 0):
            raise BrokenError(
                "zip-local",
                f"its {what} is {local!r:.80}, the directory says otherwise",
                entry.name,
            )


def _read_descriptor(wheel: IO[bytes], entry: Entry, length: int) -> None:
    """Pass over what stands between the data and the next member."""
    if not length and not entry.flags & DESCRIBED:
        return
    layout = _DESCRIPTORS.get(length) if entry.flags & DESCRIBED else None
    if layout is None:
        raise BrokenError("zip-gap", f"{length} bytes behind it belong to nothing", entry.name)
    *magic, crc, packed, size = layout.unpack(wheel.read(length).ljust(length, b"\0"))
    if (crc, packed, size) != (entry.crc, entry.packed, entry.size) or magic not in (
        [],
        [b"PK\x07\x08"],
    ):
        raise BrokenError(
            "zip-local", "what stands behind it is not what the directory says", entry.name
        )
