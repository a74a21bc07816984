from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bundler.errors import NetworkError
from bundler.upstream.names import RememberedNames
from bundler.upstream.retry import Retry
from bundler.upstream.transport import Transport
from tests.fakes.index import FakeIndex, Fault

PATH = "/files/demo.bin"
DEAD = "127.0.0.2"  # the index listens on 127.0.0.1 alone


class Resolver:
    """Answers questions, and counts them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.addresses: dict[str, list[str]] = {"index.example.org": ["127.0.0.1"]}

    def __call__(self, host: str, port: int, **_more: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        kind = socket.AF_INET, socket.SOCK_STREAM, 6, ""
        return [(*kind, (address, port)) for address in self.addresses[host]]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    found = Resolver()
    real = socket.getaddrinfo

    def answer(host: str, port: int, *more: Any, **named: Any) -> Any:
        return real(host, port, *more, **named) if host[0].isdigit() else found(host, port, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return found


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    with FakeIndex() as index:
        index.add("demo.bin", b"demo")
        yield index


def named(index: FakeIndex) -> str:
    return index.origin.replace("127.0.0.1", "index.example.org") + PATH


def test_a_name_is_looked_up_once(index: FakeIndex, resolver: Resolver) -> None:
    index.misbehave(PATH, Fault(cut=1, status=404), times=12)  # each closes its connection
    with Transport(retry=Retry(attempts=1)) as transport, transport.branch() as other:

        def ask(number: int) -> None:
            with pytest.raises(NetworkError):
                (transport, other)[number % 2].get(named(index), limit=9)

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(ask, range(12)))
        assert transport.get(named(index), limit=9).body == b"demo"
    assert len(index.requests) == 13
    assert resolver.asked == ["index.example.org"]


def test_the_next_address_is_tried(index: FakeIndex, resolver: Resolver) -> None:
    resolver.addresses["index.example.org"] = [DEAD, "127.0.0.1"]
    with Transport(retry=Retry(attempts=1)) as transport:
        assert transport.get(named(index), limit=9).body == b"demo"


def test_a_name_whose_addresses_are_dead_is_looked_up_again(
    index: FakeIndex, resolver: Resolver
) -> None:
    resolver.addresses["index.example.org"] = [DEAD]
    with Transport(retry=Retry(attempts=1)) as transport:
        with pytest.raises(NetworkError, match="refused"):
            transport.get(named(index), limit=9)
        resolver.addresses["index.example.org"] = ["127.0.0.1"]
        assert transport.get(named(index), limit=9).body == b"demo"
    assert len(resolver.asked) == 2


def test_an_old_answer_is_not_believed(
    index: FakeIndex, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundler.upstream.names._FRESH", 0.0)
    names = RememberedNames()
    for _ in range(2):
        with Transport(names=names) as transport:
            assert transport.get(named(index), limit=9).body == b"demo"
    assert len(resolver.asked) == 2


def test_a_name_that_is_none(index: FakeIndex, resolver: Resolver) -> None:
    resolver.addresses.clear()
    with (
        Transport(retry=Retry(attempts=1)) as transport,
        pytest.raises(NetworkError, match="Name or service not known"),
    ):
        transport.get(named(index), limit=9)


def test_a_proxy_is_looked_up_once_as_well(
    index: FakeIndex, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", named(index).removesuffix(PATH))
    index.serve(f"http://elsewhere.example.org{PATH}", b"demo")
    with Transport() as transport:
        for _ in range(2):
            assert transport.get(f"http://elsewhere.example.org{PATH}", limit=9).body == b"demo"
    assert resolver.asked == ["index.example.org"]
