"""A staged file: what waits for officers' signatures, small enough to be carried to them.

A plain tar of documents, each under one strict name and in one strict order, so that the same
content always gives the same bytes. Nothing in it is compressed. Reading it trusts nothing: the
outcome is the documents by name, each blob hashed, or a `DamagedError` with one sentence.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bundler.archive import ustar
from bundler.errors import BundlerError, DamagedError

STAGED_SUFFIX: Final = ".staged"

STAGED_LIMIT: Final = 256 << 20
"""The largest staged file that is written or read, in bytes."""

_FORMAT_NAME, _FORMAT = "bundler-staged", b"1\n"
_NAME = re.compile(
    r"(?P<metadata>metadata/(?:[1-9]\d{0,8}\.root|targets)\.json)"
    r"|(?P<manifest>manifest\.json)"
    r"|(?P<previous>previous/(?:manifest|targets)\.json)"
    r"|(?P<blobs>blobs/sha256/[0-9a-f]{64})",
    re.ASCII,
)
_ORDER = ("metadata", "manifest", "previous", "blobs")
_METADATA_LIMIT = 5_000_000
_MANIFEST_LIMIT = 64 << 20
_LIMITS: Mapping[str, int] = {
    "metadata": _METADATA_LIMIT,
    "manifest": _MANIFEST_LIMIT,
    "previous": _MANIFEST_LIMIT,
    "blobs": _MANIFEST_LIMIT,
}


def staged_blob(sha256: str) -> str:
    """The name of a blob's entry."""
    return f"blobs/sha256/{sha256}"


def encode_staged(entries: Mapping[str, bytes]) -> bytes:
    """The staged file that holds `entries`.

    Raises:
        BundlerError: if it would be too large.
        ValueError: if a name is not one that a staged file may hold.
    """
    parts = [_entry(_FORMAT_NAME, _FORMAT)]
    parts += [_entry(name, entries[name]) for name in sorted(entries, key=_place)]
    data = b"".join(parts) + ustar.END
    if len(data) > STAGED_LIMIT:
        raise BundlerError(
            f"what waits for signatures has {len(data)} bytes; a staged file has"
            f" {STAGED_LIMIT} at most",
            hint="make two streams of this profile, each with a part of its requirements",
        )
    return data


def read_staged(path: Path) -> dict[str, bytes]:
    """The documents in a staged file, by name; of blobs the digest was checked, of others nothing.

    Raises:
        DamagedError: if it is not a staged file.
        BundlerError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BundlerError(f"{path} is not a file", hint=f"give NAME{STAGED_SUFFIX}")
            # The bound is on what is read; the size on disk is for the message.
            data = file.read(STAGED_LIMIT + 1)
    except OSError as error:
        raise BundlerError(f"{path}: {error.strerror or error}".lower()) from error
    if len(data) > STAGED_LIMIT:
        raise DamagedError(
            f"{path} has {status.st_size} bytes; a staged file has {STAGED_LIMIT} at most"
        )
    if not data.startswith(_FORMAT_NAME.encode() + b"\0"):
        raise DamagedError(
            f"{path} is not a staged file",
            hint="a staged file is what `bundle create` or `bundle trust rotate` wrote for officers"
            f" to sign: NAME{STAGED_SUFFIX}",
        )
    try:
        return dict(_parse(data))
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}", hint="have it sent again") from error


def _parse(data: bytes) -> Iterator[tuple[str, bytes]]:
    end = len(data) - len(ustar.END)
    position = 0
    last: tuple[int, str] = (-2, "")
    while position < end:
        name, size = ustar.parse_header(data[position : position + ustar.BLOCK])
        start = position + ustar.BLOCK
        position = start + size + ustar.padding(size)
        if position > end:
            raise ValueError(f"{name} does not end within it")
        content = data[start : start + size]
        if data[start + size : position].strip(b"\0"):
            raise ValueError(f"bytes other than zero behind {name}")
        place = (-1, "") if last == (-2, "") else _place(name)
        if place <= last:
            raise ValueError(f"{name} stands twice, or in the wrong place")
        last = place
        if place[0] >= 0:
            _check_content(name, content, _ORDER[place[0]])
            yield name, content
        elif content != _FORMAT:
            raise ValueError(f"its format is {content!r:.20}; this version reads {_FORMAT!r} only")
    if data[end:] != ustar.END:
        raise ValueError("it does not end as a tar does")


def _check_content(name: str, content: bytes, kind: str) -> None:
    if len(content) > _LIMITS[kind]:
        raise ValueError(f"{name} has {len(content)} bytes, {_LIMITS[kind]} at most")
    if kind == "blobs" and name != staged_blob(hashlib.sha256(content).hexdigest()):
        raise ValueError(f"{name} is not what its name says")


def _place(name: str) -> tuple[int, str]:
    match = _NAME.fullmatch(name)
    if match is None or match.lastgroup is None:
        raise ValueError(f"{name!r:.120} is not a name that a staged file may hold")
    return _ORDER.index(match.lastgroup), name


def _entry(name: str, content: bytes) -> bytes:
    return ustar.header(name, len(content)) + content + bytes(ustar.padding(len(content)))
