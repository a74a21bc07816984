"""A request and its answer as the server hands them over, without the server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class FakeHeaders:
    """Lines of headers, names in lower case."""

    lines: list[tuple[str, str]]

    def items(self) -> Iterable[tuple[str, str]]:
        return self.lines


@dataclass
class FakeScope:
    """A request."""

    path: str = "/simple/"
    method: str = "GET"
    client: str = "192.0.2.1:5000"
    headers: FakeHeaders = field(default_factory=lambda: FakeHeaders([]))
    scheme: str = "http"
    proto: str = "http"
    authority: str | None = None


@dataclass
class FakeWire:
    """What was answered."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    file: tuple[str, int, int] | None = None

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, dict(headers)

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = status, dict(headers), body

    def response_file_range(
        self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int
    ) -> None:
        self.status, self.headers, self.file = status, dict(headers), (file, start, end)
