"""A fake index, and a transport that does not sleep."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundler.archive.store import BlobStore
from bundler.upstream.retry import Retry
from bundler.upstream.transport import Transport
from tests.fakes.index import FakeIndex


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy and no netrc file of whoever runs the tests."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    with FakeIndex() as index:
        yield index


@pytest.fixture
def other() -> Iterator[FakeIndex]:
    """A second host, by its port."""
    with FakeIndex() as other:
        yield other


@pytest.fixture
def pauses() -> list[float]:
    """The seconds that the transport would have slept."""
    return []


@pytest.fixture
def retry(pauses: list[float]) -> Retry:
    def pause(seconds: float, _stop: threading.Event) -> None:
        pauses.append(seconds)

    return Retry(attempts=3, pause=pause)


@pytest.fixture
def transport(retry: Retry) -> Iterator[Transport]:
    with Transport(retry=retry, timeout=5) as transport:
        yield transport


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")
