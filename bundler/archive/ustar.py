"""The one tar header that volumes use: a regular file in the USTAR format of POSIX.1-1988.

There is exactly one header for a name and a size, so reading needs no parser to trust: what is read
must be byte for byte what would have been written. Links, devices, PAX and GNU extensions cannot be
expressed, and two programs cannot read the same bytes in two ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bundler.errors import BundlerError
from bundler.model.artifact import Blob

BLOCK = 512
END = bytes(2 * BLOCK)
"""Two zero blocks end a tar stream."""

LARGEST = 0o77777777777
"""The most bytes that a file may have: 8 GiB less one."""

_NAME_LIMIT = 100
_SIZE_FIELD = slice(124, 136)
_OCTAL = re.compile(rb"[0-7]{11}\0")


def header(name: str, size: int) -> bytes:
    """The 512 bytes before a file: mode 0644, owner and time 0; `size` in bytes.

    Raises:
        BundlerError: if the file is larger than USTAR can say, 8 GiB less one byte.
        ValueError: if the name is not ASCII, is empty or is longer than 100 characters.
    """
    if size > LARGEST:
        raise BundlerError(f"{name} has {size} bytes; a volume takes files of up to {LARGEST}")
    encoded = name.encode("ascii")
    if not 0 < len(encoded) <= _NAME_LIMIT:
        raise ValueError(f"not a name for a tar entry: {name!r:.120}")
    front = b"%b0000644\x000000000\x000000000\x00%011o\x0000000000000\x00" % (
        encoded.ljust(_NAME_LIMIT, b"\0"),
        size,
    )
    # Type "0", no link name, magic and version, no user and group names, device numbers 0, no
    # prefix. The checksum is the sum of all bytes with the checksum itself taken as blanks.
    back = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x00" * 2 + bytes(167)
    checksum = sum(front) + sum(back) + 8 * ord(" ")
    return front + b"%06o\x00 " % checksum + back


def padding(size: int) -> int:
    """How many zero bytes follow a file of `size` bytes."""
    return -size % BLOCK


def parse_header(block: bytes) -> tuple[str, int]:
    """Name and size, from a block that must be exactly what `header` makes of them.

    Raises:
        ValueError: if it is anything else.
    """
    name, octal = block[:_NAME_LIMIT].split(b"\0", 1)[0], block[_SIZE_FIELD]
    if name and name.isascii() and _OCTAL.fullmatch(octal):
        found = name.decode("ascii"), int(octal[:-1], 8)
        if block == header(*found):
            return found
    raise ValueError(f"not a plain tar header: {bytes(block[:40])!r}")


def blob_name(blob: Blob) -> str:
    """The name of a blob's entry."""
    return f"blobs/sha256/{blob.sha256}"


def entries(blobs: Iterable[Blob]) -> Iterator[bytes | Blob]:
    """The tar stream of `blobs`: literal bytes, and a `Blob` where its content belongs."""
    for blob in blobs:
        yield header(blob_name(blob), blob.size)
        yield blob
        yield bytes(padding(blob.size))


def stream_length(blobs: Iterable[Blob]) -> int:
    """The length in bytes of the tar stream of `blobs`, without its end."""
    return sum(stream_length_of(blob.size) for blob in blobs)


def stream_length_of(size: int) -> int:
    """What a file of `size` bytes takes of a tar stream."""
    return BLOCK + size + padding(size)
