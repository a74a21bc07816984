"""Which part of a resource an answer brings, and how large the whole is (RFC 9110 §14.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bundler.errors import NetworkError

OK: Final = 200
PARTIAL: Final = 206
NOT_MODIFIED: Final = 304
RANGE_NOT_SATISFIABLE: Final = 416

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", re.ASCII)


def length_of(headers: Mapping[str, str]) -> int | None:
    """How many bytes the body shall have as it is sent, where the headers say it."""
    text = headers.get("Content-Length", "")
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def extent(status: int, headers: Mapping[str, str], place: str) -> tuple[int, int | None]:
    """Where the body begins in the whole resource, and the size of the latter.

    Raises:
        NetworkError: naming `place`, if a partial answer does not say which part it is.
    """
    if status == NOT_MODIFIED:
        return 0, None
    if status == OK:
        plain = headers.get("Content-Encoding", "identity") == "identity"
        return 0, length_of(headers) if plain else None
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is None or (status == PARTIAL and found[1] is None):
        if status == RANGE_NOT_SATISFIABLE:
            return 0, None
        raise NetworkError(f"{place}: a 206 without a usable Content-Range")
    return int(found[1] or 0), None if found[3] == "*" else int(found[3])
