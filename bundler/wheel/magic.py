"""Which files are native code, by their first bytes; a name says nothing."""

from __future__ import annotations

import struct
from typing import Final

from bundler.model.contents import NativeFormat

_THIN: Final = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
_FAT: Final = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
_MOST_SLICES: Final = 30
"""A Java class begins as a fat Mach-O does. Where that counts its machines, the class has its
version, which is 45 or more."""

_PE_OFFSET: Final = 0x3C


def native_format(start: bytes) -> NativeFormat | None:
    """The format of a file that begins with `start`, or None when it is no native code.

    `start` has some thousand bytes, or all there are: a PE file begins with a small DOS program.
    """
    if start.startswith(b"\x7fELF"):
        return "elf"
    if start.startswith(_THIN):
        return "mach-o"
    if start.startswith(_FAT):
        slices = int.from_bytes(start[4:8], "big")
        return "mach-o" if 0 < slices <= _MOST_SLICES else None
    if start.startswith(b"MZ") and len(start) >= _PE_OFFSET + 4:
        (place,) = struct.unpack_from("<L", start, _PE_OFFSET)
        if start[place : place + 4] == b"PE\0\0":
            return "pe"
    return None
