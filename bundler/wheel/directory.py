"""The directory of a zip file (APPNOTE 6.3.10), read so that no two readers can differ on it.

A zip file says everything twice: in the directory at its end, and in a header before each member.
Readers differ in which they believe, in how they find the directory, and in what they do with bytes
that belong to nothing. So here all of it must agree, and every byte must have one meaning.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

from bundler.wheel.fault import BrokenError

MAX_DIRECTORY: Final = 16 * 1024 * 1024
"""Bytes of a wheel's zip directory."""

MAX_ENTRIES: Final = 100_000
"""Entries of a wheel's zip directory; each costs some 400 bytes of memory."""

STORED: Final = 0
DEFLATED: Final = 8
DESCRIBED: Final = 1 << 3
"""Flag bit: sizes and checksum stand behind the data, as whoever wrote it could not go back."""

_UTF8: Final = 1 << 11
_LEVEL: Final = 1 << 1 | 1 << 2  # how hard the deflater tried; means nothing to a reader
_FLAGS: Final = _UTF8 | _LEVEL | DESCRIBED

_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_EXTRA: Final = struct.Struct("<2H")
_LONG: Final = struct.Struct("<Q")
_ZIP64: Final = 0x0001
_UNICODE_PATH: Final = 0x7075
_NEWEST: Final = 63  # version of the format, times ten (APPNOTE 4.4.3); readers refuse later ones
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as the directory describes it.

    Attributes:
        raw: The name's bytes; `name` is what they mean.
        packed, size: Bytes in the file, and when inflated.
        offset: Of its local header in the file.
        mode: The Unix mode in the upper half of the external attributes.
    """

    name: str
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder (APPNOTE 4.4.17: its name ends with a slash)."""
        return self.raw.endswith(b"/")


@dataclass(frozen=True, slots=True)
class Directory:
    """Every member in the order of the file; `offset` is where the directory begins."""

    entries: tuple[Entry, ...]
    offset: int


def read_directory(wheel: IO[bytes]) -> Directory:
    """Find and read the directory of a seekable file.

    Raises:
        BrokenError: if it is not the only thing between the last member and the end of the file.
    """
    count, size, offset = _find(wheel)
    if size > MAX_DIRECTORY:
        raise BrokenError("zip-directory", f"its directory has {size} bytes")
    if count > MAX_ENTRIES:
        raise BrokenError("zip-directory", f"its directory has {count} entries")
    wheel.seek(offset)
    data = wheel.read(size)
    entries = list(_entries(data, count))
    entries.sort(key=lambda entry: entry.offset)
    return Directory(tuple(entries), offset)


def _find(wheel: IO[bytes]) -> tuple[int, int, int]:
    """Count of entries, size and offset of the directory."""
    end = wheel.seek(0, io.SEEK_END) - _END.size
    wheel.seek(max(0, end - _LOCATOR.size))
    tail = wheel.read(_LOCATOR.size + _END.size)
    last = tail[-_END.size :]
    if not last.startswith(b"PK\x05\x06") or len(last) < _END.size:
        raise BrokenError(
            "zip-end", "does not end with the end of a zip directory, or has a comment behind it"
        )
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack(last)
    if comment or disk or first_disk or here != count:
        raise BrokenError("zip-end", "the end of its directory says what cannot be")
    if tail.startswith(b"PK\x06\x07") and end >= _LOCATOR.size + _END64.size:
        locator = tail[: _LOCATOR.size]
        end -= _LOCATOR.size + _END64.size
        claimed = (count, size, offset)
        count, size, offset = _find64(wheel, locator, end)
        for short, full, long in zip(
            claimed, (_FULL16, _FULL32, _FULL32), (count, size, offset), strict=True
        ):
            if short not in {full, long}:
                raise BrokenError("zip-end", "has two ends of its directory that disagree")
    if offset + size != end:
        raise BrokenError(
            "zip-gap", f"its directory is said to end at byte {offset + size}, not at {end}"
        )
    return count, size, offset


def _find64(wheel: IO[bytes], locator: bytes, place: int) -> tuple[int, int, int]:
    """The same from the Zip64 record (APPNOTE 4.3.14), which must stand at `place`."""
    _, disk, offset64, disks = _LOCATOR.unpack(locator)
    wheel.seek(place)
    record = wheel.read(_END64.size)
    magic, length, _, _, one, two, here, count, size, offset = _END64.unpack(record)
    if (
        (magic, length) != (b"PK\x06\x06", _END64.size - 12)
        or offset64 != place
        or (disk, one, two) != (0, 0, 0)
        or disks > 1
        or here != count
    ):
        raise BrokenError("zip-end", "the Zip64 end of its directory says what cannot be")
    return int(count), int(size), int(offset)


def _entries(data: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        if len(data) < at + _ENTRY.size:
            raise BrokenError("zip-directory", f"its directory has fewer than {count} entries")
        fields = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        magic, needed, flags, method = fields[0], *fields[2:5]
        crc, packed, size = fields[7:10]
        named, extended, commented, disk, attributes, offset = (*fields[10:14], *fields[15:17])
        raw = data[at : at + named]
        name = _decoded(raw, flags)
        extra = data[at + named : at + named + extended]
        at += named + extended + commented
        if magic != b"PK\x01\x02" or at > len(data):
            raise BrokenError("zip-directory", "its directory has something that is no entry")
        if commented:
            raise BrokenError("zip-comment", "has a comment", name)
        if disk:
            raise BrokenError("zip-directory", "is on another disk", name)
        if needed & 0xFF > _NEWEST:
            raise BrokenError("zip-method", f"needs readers of zip {(needed & 0xFF) / 10}", name)
        _check_reading(flags, method, packed, size, name)
        if extra or _FULL32 in {size, packed, offset}:
            packed, size, offset = _long((size, packed, offset), extra, name)
        yield Entry(name, raw, flags, method, crc, packed, size, offset, attributes >> 16)
    if at != len(data):
        raise BrokenError("zip-directory", f"its directory has more than {count} entries")


def _check_reading(flags: int, method: int, packed: int, size: int, name: str) -> None:
    if flags & ~_FLAGS:
        raise BrokenError("zip-flags", f"is encrypted or has odd flags ({flags:#06x})", name)
    if method not in {STORED, DEFLATED}:
        raise BrokenError("zip-method", f"compression method {method}", name)
    if method == STORED and packed != size:
        raise BrokenError("zip-size", "is stored, and its two sizes differ", name)


def _long(fields: tuple[int, int, int], extra: bytes, name: str) -> tuple[int, int, int]:
    """Size, packed size and offset, from the Zip64 field where the short one says so."""
    long = zip64(extra, name)
    values = []
    for short in fields:
        if short != _FULL32:
            values.append(short)
        elif len(long) < _LONG.size:
            raise BrokenError("zip-zip64", "is said to be large, but not how large", name)
        else:
            values.append(_LONG.unpack_from(long)[0])
            long = long[_LONG.size :]
    size, packed, offset = values
    return packed, size, offset


def zip64(extra: bytes, name: str) -> bytes:
    """What the Zip64 extra field holds (APPNOTE 4.5.3); empty when there is none.

    Raises:
        BrokenError: if the extra fields cannot be read, or one would give it another name.
    """
    found, at = b"", 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if kind == _UNICODE_PATH:
            raise BrokenError("zip-name", "has a second name", name)
        if kind == _ZIP64:
            if found:
                raise BrokenError("zip-zip64", "has its large sizes twice", name)
            found = extra[at : at + length]
        at += length
    if at != len(extra):
        raise BrokenError("zip-extra", "its extra fields do not end where they should", name)
    return found


def _decoded(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        what = "UTF-8" if flags & _UTF8 else "ASCII, and not marked as UTF-8"
        raise BrokenError("zip-name", f"{raw!r:.120} is not {what}") from error
