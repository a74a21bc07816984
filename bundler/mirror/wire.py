"""A request and the way to answer it, as the server hands them over (RSGI 1.6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Headers(Protocol):
    """Of a request, as the server has them."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Names in lower case, and values; a name may come more than once."""
        ...


class Scope(Protocol):
    """What the server knows of a request."""

    proto: str
    client: str
    scheme: str
    method: str
    path: str
    authority: str | None

    @property
    def headers(self) -> Headers:
        """The request's."""
        ...


class Wire(Protocol):
    """How the server wants an answer."""

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """No body."""
        ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """A body from memory."""
        ...

    def response_file_range(
        self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int
    ) -> None:
        """A body from a file, without the byte at `end`."""
        ...
