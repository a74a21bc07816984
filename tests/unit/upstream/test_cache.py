from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from packaging.utils import NormalizedName

from bundler.archive.store import BlobStore
from bundler.errors import NetworkError
from bundler.events import Event, Noticed
from bundler.model.artifact import RemoteFile, Sha256
from bundler.upstream.cache import IndexCache
from bundler.upstream.index import SimpleIndex
from bundler.upstream.transport import Transport
from bundler.upstream.urls import Credentials
from tests.fakes.index import FakeIndex, Fault
from tests.fakes.sdists import build_sdist
from tests.fakes.wheels import build_wheel

DEMO = NormalizedName("demo")
PAGE = "/simple/demo/"
WHEEL = build_wheel("demo", "1.0")
NEWER = build_wheel("demo", "2.0")
START = datetime.now(UTC)  # noqa: TID251 - the fake index sends Date by the real clock
Names = list[str]


class Runs:
    """Runs one after the other, with one folder for what is kept."""

    def __init__(self, index: FakeIndex, transport: Transport, folder: Path) -> None:
        self.index = index
        self.transport = transport
        self.folder = folder
        self.heard: list[Event] = []

    @contextmanager
    def open(
        self, *, late: float = 0, refresh: bool = False, transport: Transport | None = None
    ) -> Iterator[SimpleIndex]:
        now = START + timedelta(seconds=late)
        cache = IndexCache(
            self.folder / "cache", b"secret", now, self.heard.append, refresh=refresh
        )
        store = BlobStore(self.folder / "store")
        used = transport or self.transport
        with SimpleIndex("main", self.index.url, used, store, cache=cache) as simple:
            yield simple

    def names(
        self, *, late: float = 0, refresh: bool = False, transport: Transport | None = None
    ) -> Names:
        """The files that the page lists in a run so many seconds after the first."""
        with self.open(late=late, refresh=refresh, transport=transport) as simple:
            return [file.filename for file in simple.page(DEMO).result().files]

    def asked(self) -> list[int]:
        """The statuses of the answers since the last call, for the page."""
        found = [status for path, status in self.index.statuses if path == PAGE]
        self.index.statuses.clear()
        return found

    def kept(self, kind: str) -> list[Path]:
        return [path for path in (self.folder / "cache" / kind).rglob("*") if path.is_file()]


@pytest.fixture
def runs(index: FakeIndex, transport: Transport, tmp_path: Path) -> Runs:
    index.add(*WHEEL, upload_time="2026-01-31T12:00:00Z", requires_python=">=3.11")
    return Runs(index, transport, tmp_path)


def test_a_page_with_an_etag_is_asked_about(runs: Runs) -> None:
    assert runs.names() == runs.names() == [WHEEL[0]]
    assert runs.asked() == [200, 304]
    runs.index.add(*NEWER)
    assert runs.names() == runs.names() == [WHEEL[0], NEWER[0]]
    assert runs.asked() == [200, 304]


def test_a_page_with_a_date_only_is_asked_about(runs: Runs) -> None:
    runs.index.page_headers = {"ETag": None, "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    assert runs.names() == runs.names() == [WHEEL[0]]
    assert runs.asked() == [200, 304]


def test_a_fresh_page_is_not_asked_for(runs: Runs) -> None:
    runs.index.page_headers = {"Cache-Control": "max-age=300"}
    assert runs.names() == runs.names(late=280) == [WHEEL[0]]
    assert runs.asked() == [200]
    runs.index.add(*NEWER)
    assert runs.names(late=280) == [WHEEL[0]]
    assert runs.asked() == []
    assert runs.names(late=301) == [WHEEL[0], NEWER[0]]
    assert runs.asked() == [200]


def test_a_304_makes_fresh_again(runs: Runs) -> None:
    runs.index.page_headers = {"Cache-Control": "max-age=300"}
    runs.names()
    later = format_datetime(START + timedelta(seconds=400), usegmt=True)
    runs.index.page_headers["Date"] = later
    assert runs.names(late=400) == runs.names(late=600) == [WHEEL[0]]
    assert runs.asked() == [200, 304]


def test_refresh_asks_about_a_fresh_page_all_the_way(runs: Runs) -> None:
    runs.index.page_headers = {"Cache-Control": "max-age=300"}
    assert runs.names(refresh=True) == runs.names(refresh=True) == [WHEEL[0]]
    assert runs.asked() == [200, 304]
    assert [item.headers["cache-control"] for item in runs.index.requests] == ["max-age=0"] * 2


def test_the_same_bytes_are_parsed_once(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.index.page_headers = {"ETag": None}
    runs.names()
    with monkeypatch.context() as patch:
        patch.delattr("bundler.upstream.cache.parse_page")
        assert runs.names() == [WHEEL[0]]
    assert runs.asked() == [200, 200]


@pytest.mark.parametrize("header", [("Cache-Control", "no-store"), ("Vary", "*")])
def test_what_must_not_be_kept_is_not(runs: Runs, header: tuple[str, str]) -> None:
    runs.names()
    assert len(runs.kept("pages")) == len(runs.kept("answers")) == 1
    runs.index.page_headers = {header[0]: header[1], "ETag": '"changed"'}
    assert runs.names() == runs.names() == [WHEEL[0]]
    assert runs.asked() == [200, 200, 200]
    assert runs.kept("pages") == runs.kept("answers") == []


def test_a_304_about_another_page_is_asked_again(runs: Runs) -> None:
    runs.names()
    runs.index.misbehave(PAGE, Fault(headers={"ETag": '"other"'}))
    assert runs.names() == [WHEEL[0]]
    assert runs.asked() == [200, 304, 200]


def test_what_a_redirect_led_to_is_asked_for_each_time(runs: Runs, other: FakeIndex) -> None:
    other.add(*WHEEL)
    other.page_headers = {"Cache-Control": "max-age=300"}
    runs.index.misbehave(PAGE, Fault(redirect=other.origin + PAGE), times=2)
    assert runs.names() == runs.names() == [WHEEL[0]]
    assert runs.asked() == [302, 302]
    assert other.statuses == [(PAGE, 200), (PAGE, 200)]


def test_a_304_after_a_redirect_is_not_about_the_page(runs: Runs, other: FakeIndex) -> None:
    other.add(*NEWER)
    runs.index.page_headers = other.page_headers = {"ETag": '"same"'}
    runs.names()
    runs.index.misbehave(PAGE, Fault(redirect=other.origin + PAGE), times=2)
    assert runs.names() == [NEWER[0]]
    assert other.statuses == [(PAGE, 304), (PAGE, 200)]


def test_an_index_that_answers_304_unasked(runs: Runs) -> None:
    runs.index.misbehave(PAGE, Fault(status=304))
    with pytest.raises(NetworkError, match=r"/simple/demo/: 304 Not Modified"):
        runs.names()


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("kind", ["answers", "pages"])
@pytest.mark.parametrize("harm", [flip, lambda data: data[:-1], lambda _data: b"{}"])
def test_a_damaged_page_is_fetched_again(
    runs: Runs, kind: str, harm: Callable[[bytes], bytes]
) -> None:
    runs.index.page_headers = {"Cache-Control": "max-age=300"}
    runs.names()
    (path,) = runs.kept(kind)
    path.write_bytes(harm(path.read_bytes()))
    assert runs.names() == runs.names() == [WHEEL[0]]
    assert runs.asked() == [200, 200]
    assert runs.heard == []


def metadata(runs: Runs, file: RemoteFile) -> bytes:
    with runs.open() as simple:
        facts = simple.facts(file).result()
    assert facts.blob.size == len(WHEEL[1])
    assert facts.blob.sha256 == file.sha256
    return facts.metadata


def listed(runs: Runs) -> RemoteFile:
    with runs.open() as simple:
        return simple.page(DEMO).result().files[0]


def test_metadata_is_asked_for_once_in_all_runs(runs: Runs) -> None:
    file = listed(runs)
    found = metadata(runs, file)
    asked = len(runs.index.requests)
    assert metadata(runs, file) == metadata(runs, replace(file, size=None)) == found
    assert len(runs.index.requests) == asked


@pytest.mark.parametrize("harm", [flip, lambda data: data[:-1], lambda _data: b""])
def test_damaged_metadata_is_fetched_again(runs: Runs, harm: Callable[[bytes], bytes]) -> None:
    file = listed(runs)
    found = metadata(runs, file)
    (path,) = runs.kept("metadata")
    path.write_bytes(harm(path.read_bytes()))
    assert metadata(runs, file) == found
    path_again = runs.kept("metadata")
    assert path_again == [path]
    asked = len(runs.index.requests)
    assert metadata(runs, file) == found
    assert len(runs.index.requests) == asked


def test_metadata_of_another_wheel_is_never_served(runs: Runs) -> None:
    wheel = listed(runs)
    newer = runs.index.add(*NEWER)
    with runs.open() as simple:
        simple.facts(newer).result()
    (foreign,) = runs.kept("metadata")
    found = metadata(runs, wheel)
    (own,) = (path for path in runs.kept("metadata") if path != foreign)
    own.write_bytes(foreign.read_bytes())
    assert metadata(runs, wheel) == found
    assert b"Version: 1.0" in found


def test_metadata_that_no_longer_fits_the_page_is_fetched_again(runs: Runs) -> None:
    file = listed(runs)
    metadata(runs, file)
    path = f"/files/{WHEEL[0]}"
    for changed in (replace(file, size=7), replace(file, metadata_sha256=Sha256("0" * 64))):
        before = runs.index.paths().count(path + ".metadata")
        with runs.open() as simple:
            simple.facts(changed).exception()
        assert runs.index.paths().count(path + ".metadata") == before + 1


def test_no_index_tells_the_metadata_of_another(runs: Runs, other: FakeIndex) -> None:
    file = listed(runs)
    metadata(runs, file)
    elsewhere = other.add(*WHEEL)
    assert elsewhere.sha256 == file.sha256
    with Transport() as transport:
        there = Runs(other, transport, runs.folder)
        metadata(there, elsewhere)
    assert other.paths() == [f"/files/{WHEEL[0]}.metadata"]


def test_a_wheel_without_a_digest_is_looked_into_each_time(runs: Runs) -> None:
    file = replace(listed(runs), sha256=None)
    with runs.open() as simple:
        simple.facts(file).result()
    assert runs.kept("metadata") == []


def test_pages_of_other_credentials_are_not_served(
    index: FakeIndex, runs: Runs, tmp_path: Path
) -> None:
    index.page_headers = {"Cache-Control": "max-age=300"}
    index.credentials = ("ann", "secret-a")
    given = {name: Credentials("ann", name) for name in ("secret-a", "secret-b")}
    with Transport(credentials={index.url: given["secret-a"]}) as ann:
        assert runs.names(transport=ann) == runs.names(transport=ann) == [WHEEL[0]]
    assert runs.asked() == [200]
    with Transport(credentials={index.url: given["secret-b"]}) as wrong:
        with pytest.raises(NetworkError, match="401"):
            runs.names(transport=wrong)
        assert wrong.identity(index.url) != ann.identity(index.url)
    with pytest.raises(NetworkError, match="401"):
        runs.names()
    token = ann._passwords.header(index.url)
    assert token is not None
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"secret-" not in everything
    assert token.encode() not in everything
    assert ann.identity(index.url).encode() not in everything


def test_identities(index: FakeIndex, other: FakeIndex, transport: Transport) -> None:
    assert transport.identity(index.url) == ""
    both = {index.url: Credentials("ann", "x"), other.url: Credentials("ann", "x")}
    with Transport(credentials=both) as known:
        assert known.identity(index.url) == known.identity(index.url + "demo/")
        assert known.identity(index.url) != known.identity(other.url)
        assert len(known.identity(index.url)) == 32


def test_a_folder_that_cannot_be_used_costs_time_only(runs: Runs) -> None:
    (runs.folder / "cache").write_text("in the way")
    assert runs.names() == runs.names() == [WHEEL[0]]
    assert runs.asked() == [200, 200]
    assert [type(event) for event in runs.heard] == [Noticed, Noticed]
    assert str(runs.heard[0]).count("cannot be written (Not a directory); going on without") == 1


def test_memory_for_pages_and_metadata_is_bounded(
    index: FakeIndex, transport: Transport, tmp_path: Path
) -> None:
    file = index.add(*WHEEL)
    store = BlobStore(tmp_path / "store")
    with SimpleIndex("main", index.url, transport, store, held_limit=600) as simple:
        simple.page(DEMO).result()
        with pytest.raises(NetworkError, match="'main' sent more pages and metadata than memory"):
            [simple.facts(replace(file, yanked=str(n))).result() for n in range(9)]


def test_a_source_distribution_is_kept_in_the_store(runs: Runs) -> None:
    filename, content = build_sdist("demo", "1.0", build=["backend"])
    file = runs.index.add(filename, content)
    for _ in range(2):
        with runs.open() as simple:
            assert simple.facts(file).result().build_requires == ("backend",)
    assert runs.index.paths() == [runs.index.file_path(filename)]
