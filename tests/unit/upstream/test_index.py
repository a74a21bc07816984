from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.archive.store import BlobStore
from bundler.errors import NetworkError, NotFoundError
from bundler.model.artifact import Blob, Sha256
from bundler.model.plan import PlannedFile
from bundler.resolve.index import Index
from bundler.upstream.download import Downloader
from bundler.upstream.index import SimpleIndex
from bundler.upstream.pip_config import pip_index_url
from bundler.upstream.retry import TransientError
from bundler.upstream.transport import Transport
from tests.fakes.index import HTML, JSON, FakeIndex, Fault, Form
from tests.fakes.wheels import build_wheel

DEMO = NormalizedName("demo")
WHEEL = build_wheel("demo", "1.0")


@pytest.fixture
def simple(index: FakeIndex, transport: Transport, store: BlobStore) -> Iterator[SimpleIndex]:
    with SimpleIndex("main", index.url.rstrip("/"), transport, store) as simple:
        yield simple


def test_it_is_an_index(simple: SimpleIndex) -> None:
    seam: Index = simple
    assert seam.name == "main"


@pytest.mark.parametrize(("form", "kind"), [("both", JSON), ("html", HTML), ("json", JSON)])
def test_a_page_in_every_form(index: FakeIndex, simple: SimpleIndex, form: Form, kind: str) -> None:
    index.form = form
    file = index.add(*WHEEL, upload_time="2026-01-31T12:00:00Z", requires_python=">=3.11")
    page = simple.page(DEMO).result()
    assert tuple(page.files) == (file,)
    assert index.paths() == ["/simple/demo/"]
    assert kind in index.requests[0].headers["accept"]


def test_everything_is_asked_for_once(index: FakeIndex, simple: SimpleIndex) -> None:
    file = index.add(*WHEEL)
    first = simple.page(DEMO)
    assert simple.page(DEMO) is first
    assert simple.facts(file) is simple.facts(replace(file))
    assert simple.facts(file).result().blob.size == len(WHEEL[1])
    first.result()
    assert sorted(index.paths()) == [f"/files/{WHEEL[0]}.metadata", "/simple/demo/"]


def test_an_unknown_project_is_named(index: FakeIndex, simple: SimpleIndex) -> None:
    with pytest.raises(NotFoundError) as caught:
        simple.page(NormalizedName("none")).result()
    assert caught.value.message == (
        f"the index 'main' has no project none: {index.url}none/: 404 Not Found"
    )


def test_links_are_relative_to_where_the_page_really_is(
    index: FakeIndex, other: FakeIndex, simple: SimpleIndex
) -> None:
    file = other.add(*WHEEL)
    index.misbehave("/simple/demo/", Fault(redirect=other.url + "demo/"))
    assert tuple(simple.page(DEMO).result().files) == (file,)


def test_a_page_has_a_limit(index: FakeIndex, transport: Transport, store: BlobStore) -> None:
    index.add(*WHEEL)
    with (
        SimpleIndex("main", index.url, transport, store, page_limit=10) as simple,
        pytest.raises(NetworkError, match="more than 10"),
    ):
        simple.page(DEMO).result()


def test_something_else_than_a_page(index: FakeIndex, simple: SimpleIndex) -> None:
    index.add(*WHEEL)
    index.misbehave("/simple/demo/", Fault(headers={"Content-Type": "text/plain"}))
    with pytest.raises(NetworkError, match="not an index page"):
        simple.page(DEMO).result()


def test_more_tasks_than_threads_come_to_an_end(
    index: FakeIndex, transport: Transport, store: BlobStore
) -> None:
    index.ranges = False
    files = [
        index.add(*build_wheel(f"p{number}", "1.0"), metadata=False, sha256=number % 2 == 0)
        for number in range(20)
    ]
    with SimpleIndex("main", index.url, transport, store, threads=2) as simple:
        facts = [simple.facts(file) for file in files]
        pages = [simple.page(NormalizedName(f"p{number}")) for number in range(20)]
        assert len({future.result(timeout=20).blob for future in facts}) == 20
        assert [page.result(timeout=20).files[0] for page in pages] == files


def test_close_cancels_what_is_queued_and_does_not_wait_for_a_silent_index(
    index: FakeIndex, store: BlobStore
) -> None:
    stall = threading.Event()
    index.misbehave("/simple/demo/", Fault(stall=stall))
    with Transport() as transport:
        simple = SimpleIndex("main", index.url, transport, store, threads=1)
        first, second = simple.page(DEMO), simple.page(NormalizedName("other"))
        while not index.requests:
            time.sleep(0.01)
        began = time.monotonic()
        simple.close()
        simple.close()
        assert time.monotonic() - began < 2
        names = [thread.name for thread in threading.enumerate()]
    stall.set()
    assert not [name for name in names if name.startswith("index-main")]
    with pytest.raises(TransientError, match="/simple/demo/: "):
        first.result()
    with pytest.raises(CancelledError):
        second.result()


def test_close_leaves_downloads_alone(
    index: FakeIndex, transport: Transport, store: BlobStore
) -> None:
    remote = index.add(*WHEEL)
    page, silent = threading.Event(), threading.Event()
    index.misbehave("/simple/demo/", Fault(stall=page))
    index.misbehave(f"/files/{WHEEL[0]}", Fault(stall=silent))
    blob = Blob(Sha256(hashlib.sha256(WHEEL[1]).hexdigest()), len(WHEEL[1]))
    file = PlannedFile(
        project=DEMO,
        version=Version("1.0"),
        remote=remote,
        blob=blob,
        metadata=Sha256("0" * 64),
        requires_python=SpecifierSet(),
        index="main",
        targets=("one",),
        required_by=("profile",),
    )
    with (
        SimpleIndex("main", index.url, transport, store) as simple,
        Downloader(transport, store) as downloads,
    ):
        downloads.begin(file)
        simple.page(DEMO)
        while len(index.requests) < 2:
            time.sleep(0.01)
        simple.close()
        downloads.start([file])
        silent.set()
        assert downloads.path(blob).read_bytes() == WHEEL[1]
    page.set()
    assert sorted(index.paths()) == [f"/files/{WHEEL[0]}", "/simple/demo/"]


@pytest.mark.real_index
def test_a_page_and_metadata_of_the_real_index(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    found = pip_index_url()
    credentials = {found.url: found.credentials} if found.credentials else {}
    with (
        Transport(credentials=credentials) as transport,
        SimpleIndex("real", found.url, transport, store) as simple,
    ):
        try:
            page = simple.page(NormalizedName("numpy")).result()
        except NetworkError as error:
            pytest.skip(f"no index answers here: {error}")
        wheels = [f for f in page.files if f.filename.endswith("x86_64.whl") and f.sha256]
        assert len(wheels) > 100
        # Without what the page says of a sibling, only ranges are left.
        facts = simple.facts(replace(wheels[-1], has_metadata=False, size=None)).result()
    assert b"Name: numpy\n" in facts.metadata
    assert facts.blob.sha256 == wheels[-1].sha256
    assert facts.blob.size > 1_000_000
    assert not store.has(facts.blob)
