"""A request to the mirror and its answer, whatever carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TEXT = "text/plain; charset=utf-8"
"""The type of an answer of one line."""

REVALIDATE = "no-cache"
"""`Cache-Control` of what may change: it may be kept, and must be asked for again."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: As it was sent.
        path: Percent-decoded, once, and without the query.
        headers: By name in lower case; lines of the same name are joined by a comma.
        base_url: Where the mirror's root is for this client, with a slash at its end; the legacy
            JSON has no relative links.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    base_url: str = "/"


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of a file: from `offset`, `length` of them."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Response:
    """A status, headers, and bytes or a part of a file; HEAD has neither."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    file: FilePart | None = None


def text(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of one line."""
    sent = {"Cache-Control": REVALIDATE, **(headers or {})}
    return whole(f"{message}\n".encode(), TEXT, sent, status)


def whole(
    body: bytes, content_type: str, headers: Mapping[str, str], status: int = 200
) -> Response:
    """An answer from memory, with its type and length."""
    sent = {**headers, "Content-Type": content_type, "Content-Length": str(len(body))}
    return Response(status, sent, body)
