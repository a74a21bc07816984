from __future__ import annotations

import hashlib
import resource
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.archive.store import BlobStore
from bundler.disk import locked
from bundler.errors import BundlerError, DigestMismatchError, NotFoundError
from bundler.events import Advanced, Event, Finished, Noticed, Started
from bundler.model.artifact import Blob, RemoteFile, Sha256
from bundler.model.plan import PlannedFile
from bundler.upstream.download import Downloader
from bundler.upstream.fetch import StoppedError, is_sound
from bundler.upstream.retry import Retry, TransientError
from bundler.upstream.transport import Transport
from bundler.wheel.fault import WheelError
from tests.fakes.index import FakeIndex, Fault

NAME = "demo-1.0-py3-none-any.whl"
PATH = f"/files/{NAME}"
CHUNK = 256 * 1024
CONTENT = Random(1).randbytes(CHUNK * 2 + 77)  # noqa: S311 - the same each time
BLOB = Blob(Sha256(hashlib.sha256(CONTENT).hexdigest()), len(CONTENT))


def planned(remote: RemoteFile, content: bytes = CONTENT) -> PlannedFile:
    return PlannedFile(
        project=NormalizedName("demo"),
        version=Version("1.0"),
        remote=remote,
        blob=Blob(Sha256(hashlib.sha256(content).hexdigest()), len(content)),
        metadata=Sha256("0" * 64),
        requires_python=SpecifierSet(),
        index="main",
        targets=("one",),
        required_by=("profile",),
    )


def several(index: FakeIndex, count: int) -> list[PlannedFile]:
    found = []
    for number in range(count):
        content = f"content of {number}".encode() * 100
        found.append(planned(index.add(f"p{number}-1.0-py3-none-any.whl", content), content))
    return found


@pytest.fixture
def file(index: FakeIndex) -> PlannedFile:
    return planned(index.add(NAME, CONTENT))


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def downloader(transport: Transport, store: BlobStore, events: list[Event]) -> Iterator[Downloader]:
    with Downloader(transport, store, observer=events.append) as downloader:
        yield downloader
    assert not [t for t in threading.enumerate() if t.name.startswith("download")]


def fetch(downloader: Downloader, file: PlannedFile) -> bytes:
    downloader.start([file])
    with downloader.open(file.blob) as content:
        return content.read()


def advanced(events: list[Event]) -> int:
    return sum(event.amount for event in events if isinstance(event, Advanced))


def leftovers(store: BlobStore) -> list[str]:
    return sorted(path.name for path in store.scratch.iterdir())


def test_a_file_comes_whole_and_is_told(
    downloader: Downloader, store: BlobStore, file: PlannedFile, events: list[Event]
) -> None:
    assert fetch(downloader, file) == CONTENT
    assert downloader.path(BLOB) == store.path(BLOB.sha256)
    assert store.has(BLOB)
    assert leftovers(store) == []
    downloader.close()
    assert events[0] == Started("fetch", len(CONTENT))
    assert events[-1] == Finished("fetch", "1 wheel, 0.5 MB, 0 from the cache")
    assert advanced(events) == len(CONTENT)


def test_what_the_store_has_is_not_asked_for_but_checked(
    index: FakeIndex,
    transport: Transport,
    store: BlobStore,
    file: PlannedFile,
    events: list[Event],
) -> None:
    store.put(CONTENT)
    seen: list[tuple[PlannedFile, Path]] = []
    with Downloader(
        transport, store, check=lambda *found: seen.append(found), observer=events.append
    ) as downloader:
        assert fetch(downloader, file) == CONTENT
    assert seen == [(file, store.path(BLOB.sha256))]
    assert index.requests == []
    assert events[-1] == Finished("fetch", "1 wheel, 0.5 MB, 1 from the cache")
    assert advanced(events) == len(CONTENT)


def test_an_empty_plan_is_finished_at_once(downloader: Downloader, events: list[Event]) -> None:
    downloader.start([])
    assert events == [Started("fetch", 0), Finished("fetch", "0 wheels, 0.0 MB, 0 from the cache")]


def test_an_empty_file(downloader: Downloader, store: BlobStore, index: FakeIndex) -> None:
    empty = planned(index.add(NAME, b""), b"")
    assert fetch(downloader, empty) == b""
    assert leftovers(store) == []


def test_one_blob_under_two_names_comes_once_and_is_checked_twice(
    index: FakeIndex, transport: Transport, store: BlobStore, file: PlannedFile
) -> None:
    twin = planned(index.add("twin-1.0-py3-none-any.whl", CONTENT))
    seen: list[str] = []

    def check(found: PlannedFile, path: Path) -> None:
        assert path.read_bytes() == CONTENT
        seen.append(found.remote.filename)

    with Downloader(transport, store, check=check) as downloader:
        downloader.start([file, twin])
        downloader.path(BLOB)
    assert seen == [file.remote.filename, twin.remote.filename]
    assert index.paths() == [PATH]


def test_a_cut_is_continued_where_it_was(
    downloader: Downloader,
    index: FakeIndex,
    file: PlannedFile,
    events: list[Event],
    pauses: list[float],
) -> None:
    index.misbehave(PATH, Fault(cut=CHUNK + 10))
    assert fetch(downloader, file) == CONTENT
    assert [request.headers.get("range") for request in index.requests] == [
        None,
        f"bytes={CHUNK + 10}-",
    ]
    assert advanced(events) == len(CONTENT)
    assert len(pauses) == 1


def test_progress_earns_new_attempts(
    transport: Transport, store: BlobStore, index: FakeIndex, pauses: list[float]
) -> None:
    content = bytes(CHUNK * 6)
    large = planned(index.add(NAME, content), content)
    index.misbehave(PATH, Fault(cut=CHUNK), times=5)
    with Downloader(transport, store) as downloader:
        assert fetch(downloader, large) == content
    assert len(pauses) == 5


def test_attempts_without_progress_are_bounded(
    downloader: Downloader, index: FakeIndex, store: BlobStore, file: PlannedFile
) -> None:
    index.misbehave(PATH, Fault(status=503), times=9)
    with pytest.raises(TransientError, match=r"demo-1.0-py3-none-any.whl: 503") as caught:
        fetch(downloader, file)
    assert len(index.requests) == 3
    assert downloader.failures == [caught.value]
    assert leftovers(store) == []


def test_a_later_process_goes_on(
    downloader: Downloader,
    index: FakeIndex,
    store: BlobStore,
    file: PlannedFile,
    events: list[Event],
) -> None:
    (store.scratch / BLOB.sha256).write_bytes(CONTENT[:1000])
    assert fetch(downloader, file) == CONTENT
    assert index.requests[0].headers["range"] == "bytes=1000-"
    assert advanced(events) == len(CONTENT)


def test_a_complete_partial_file_needs_no_request(
    downloader: Downloader, index: FakeIndex, store: BlobStore, file: PlannedFile
) -> None:
    (store.scratch / BLOB.sha256).write_bytes(CONTENT)
    assert fetch(downloader, file) == CONTENT
    assert index.requests == []


@pytest.mark.parametrize(
    "partial", [b"x" * 1000, b"x" * len(CONTENT), CONTENT + b"more"], ids=["short", "whole", "long"]
)
def test_a_wrong_partial_file_is_started_over(
    downloader: Downloader,
    index: FakeIndex,
    store: BlobStore,
    file: PlannedFile,
    events: list[Event],
    partial: bytes,
) -> None:
    (store.scratch / BLOB.sha256).write_bytes(partial)
    assert fetch(downloader, file) == CONTENT
    assert "range" not in index.requests[-1].headers
    assert advanced(events) == len(CONTENT)


@pytest.mark.parametrize(
    ("fault", "ranges"),
    [
        (Fault(headers={"Content-Range": f"bytes 9-{BLOB.size - 1}/{BLOB.size}"}), 2),
        (Fault(status=416, headers={"Content-Range": "bytes */5"}), 2),
        (Fault(status=200, body=CONTENT), 1),
    ],
    ids=["another start", "not satisfiable", "everything"],
)
def test_another_answer_than_the_rest_starts_over(
    downloader: Downloader,
    index: FakeIndex,
    store: BlobStore,
    file: PlannedFile,
    events: list[Event],
    fault: Fault,
    ranges: int,
) -> None:
    (store.scratch / BLOB.sha256).write_bytes(CONTENT[:1000])
    index.misbehave(PATH, fault)
    assert fetch(downloader, file) == CONTENT
    assert len(index.requests) == ranges
    assert advanced(events) == len(CONTENT)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"x" * len(CONTENT), f"{NAME}: expected sha256 {BLOB.sha256}, got [0-9a-f]{{64}}$"),
        (CONTENT[:-1], f"{NAME}: expected {BLOB.size} bytes, got {BLOB.size - 1}"),
        (CONTENT + b"x", f"{NAME}: the server sends more than the {BLOB.size} bytes expected"),
    ],
    ids=["other", "short", "long"],
)
def test_a_file_that_is_not_as_planned(
    downloader: Downloader,
    index: FakeIndex,
    store: BlobStore,
    file: PlannedFile,
    body: bytes,
    message: str,
) -> None:
    index.misbehave(PATH, Fault(body=body))
    with pytest.raises(DigestMismatchError, match=message):
        fetch(downloader, file)
    assert not store.has(BLOB)
    assert leftovers(store) == []


def test_an_endless_body_ends_at_the_planned_size(
    downloader: Downloader, index: FakeIndex, store: BlobStore, file: PlannedFile
) -> None:
    index.misbehave(PATH, Fault(endless=True))
    with pytest.raises(DigestMismatchError, match="sends more than"):
        fetch(downloader, file)
    assert leftovers(store) == []


def test_a_failed_check_keeps_nothing(
    transport: Transport, store: BlobStore, file: PlannedFile, events: list[Event]
) -> None:
    def check(found: PlannedFile, _path: Path) -> None:
        raise WheelError(f"{found.remote.filename}: no wheel")

    with Downloader(transport, store, check=check, observer=events.append) as downloader:
        with pytest.raises(WheelError, match="no wheel"):
            fetch(downloader, file)
        assert not store.has(BLOB)
        assert leftovers(store) == []
        assert advanced(events) == 0


def test_the_first_failure_stops_the_others(
    transport: Transport, store: BlobStore, index: FakeIndex, events: list[Event]
) -> None:
    files = several(index, 30)
    missing = replace(files[0], remote=replace(files[0].remote, url=index.origin + "/gone"))
    with Downloader(transport, store, threads=1, observer=events.append) as downloader:
        downloader.start([missing, *files[1:]])
        with pytest.raises(NotFoundError, match="/gone: 404 Not Found"):
            downloader.open(files[-1].blob)
        with pytest.raises(NotFoundError, match="/gone: 404 Not Found"):
            downloader.open(files[0].blob)
    assert index.paths() == ["/gone"]
    assert [failure.message for failure in downloader.failures] == [
        f"{index.origin}/gone: 404 Not Found"
    ]
    assert not [event for event in events if isinstance(event, Finished)]


def test_failures_at_the_same_time_are_all_listed(
    transport: Transport, store: BlobStore, index: FakeIndex
) -> None:
    files = several(index, 3)
    together = threading.Barrier(3, timeout=10)

    def check(found: PlannedFile, _path: Path) -> None:
        together.wait()
        raise WheelError(found.remote.filename)

    with Downloader(transport, store, check=check) as downloader:
        downloader.start(files)
        with pytest.raises(WheelError):
            downloader.path(files[0].blob)
    names = sorted(failure.message for failure in downloader.failures)
    assert names == [file.remote.filename for file in files]


def test_an_attempt_that_a_stop_ended_is_no_failure(
    store: BlobStore, index: FakeIndex, file: PlannedFile
) -> None:
    waiting = threading.Event()

    def pause(_seconds: float, stop: threading.Event) -> None:
        waiting.set()
        assert stop.wait(10)

    index.misbehave(PATH, Fault(status=503), times=9)
    (bad,) = several(index, 1)

    def check(_found: PlannedFile, _path: Path) -> None:
        assert waiting.wait(10)
        raise WheelError("bad")

    with (
        Transport(retry=Retry(pause=pause)) as transport,
        Downloader(transport, store, check=check) as downloader,
    ):
        downloader.start([file, bad])
        with pytest.raises(WheelError, match="bad"):
            downloader.path(bad.blob)
        downloader.close()
        assert [failure.message for failure in downloader.failures] == ["bad"]


def test_a_fault_of_ours_stops_the_others_too(
    transport: Transport, store: BlobStore, index: FakeIndex
) -> None:
    def check(_found: PlannedFile, _path: Path) -> None:
        raise LookupError("a fault in the program")

    files = several(index, 5)
    with Downloader(transport, store, check=check, threads=1) as downloader:
        downloader.start(files)
        with pytest.raises(LookupError, match="a fault in the program"):
            downloader.path(files[0].blob)
        with pytest.raises(StoppedError, match="the downloads were stopped"):
            downloader.path(files[-1].blob)


def slow(index: FakeIndex, path: str) -> threading.Event:
    stall = threading.Event()
    index.misbehave(path, Fault(stall=stall))
    return stall


def test_leaving_early_stops_everything_and_keeps_what_came(
    transport: Transport, store: BlobStore, index: FakeIndex, events: list[Event]
) -> None:
    content = bytes(CHUNK * 40)
    large = planned(index.add(NAME, content), content)
    others = several(index, 20)
    came = threading.Event()
    left = threading.Event()

    def observe(event: Event) -> None:
        events.append(event)
        if isinstance(event, Advanced):
            came.set()
            assert left.wait(10)

    def interrupted(downloader: Downloader) -> None:
        with downloader:
            downloader.start([large, *others])
            assert came.wait(10)
            threading.Timer(0.05, left.set).start()
            raise KeyboardInterrupt

    downloader = Downloader(transport, store, observer=observe, threads=1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(downloader)
    assert not [t for t in threading.enumerate() if t.name.startswith("download")]
    assert index.paths() == [PATH]
    assert leftovers(store) == [large.blob.sha256]
    assert 0 < (store.scratch / large.blob.sha256).stat().st_size < len(content)
    assert downloader.failures == []
    for blob in (large.blob, others[-1].blob):
        with pytest.raises(StoppedError, match="the downloads were stopped"):
            downloader.path(blob)


def test_downloads_run_side_by_side_and_within_bounds(
    transport: Transport, store: BlobStore, index: FakeIndex
) -> None:
    files = several(index, 6)
    stalls = [slow(index, f"/files/{file.remote.filename}") for file in files]
    with Downloader(transport, store, threads=3) as downloader:
        downloader.start(files)
        deadline = time.monotonic() + 10
        while len(index.requests) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert sorted(index.paths()) == [f"/files/{file.remote.filename}" for file in files[:3]]
        for stall in stalls:
            stall.set()
        for file in files:
            downloader.path(file.blob)


@pytest.mark.parametrize("done", [True, False], ids=["well", "given up"])
def test_a_file_that_another_process_downloads_is_waited_for(
    downloader: Downloader,
    index: FakeIndex,
    store: BlobStore,
    file: PlannedFile,
    events: list[Event],
    *,
    done: bool,
) -> None:
    notice = Noticed(f"{NAME}: waiting for another command that downloads it")
    with locked(store.scratch / BLOB.sha256, "it"):
        downloader.start([file])
        while notice not in events:
            time.sleep(0.01)
        time.sleep(0.15)
        assert index.requests == []
        if done:
            store.put(CONTENT)
    assert downloader.path(BLOB).read_bytes() == CONTENT
    assert index.paths() == ([] if done else [PATH])
    assert events.count(notice) == 1
    assert advanced(events) == len(CONTENT)
    assert leftovers(store) == []


def test_waiting_for_another_process_ends_with_the_command(
    downloader: Downloader, store: BlobStore, file: PlannedFile, events: list[Event]
) -> None:
    with locked(store.scratch / BLOB.sha256, "it"):
        downloader.start([file])
        while not [event for event in events if isinstance(event, Noticed)]:
            time.sleep(0.01)
        began = time.monotonic()
        downloader.close()
        assert time.monotonic() - began < 2
    with pytest.raises(StoppedError, match="the downloads were stopped"):
        downloader.path(BLOB)
    assert downloader.failures == []


def test_a_damaged_file_in_the_store_is_fetched_again(
    downloader: Downloader, index: FakeIndex, store: BlobStore, file: PlannedFile
) -> None:
    store.put(CONTENT)
    store.path(BLOB.sha256).write_bytes(b"x" * len(CONTENT))
    assert fetch(downloader, file) == CONTENT
    assert index.paths() == [PATH]
    assert leftovers(store) == []


def test_a_file_in_the_store_that_is_refused_is_fetched_once(
    index: FakeIndex, transport: Transport, store: BlobStore, file: PlannedFile
) -> None:
    store.put(CONTENT)

    def check(found: PlannedFile, _path: Path) -> None:
        raise WheelError(f"{found.remote.filename}: no wheel")

    with (
        Downloader(transport, store, check=check) as downloader,
        pytest.raises(WheelError, match=f"{NAME}: no wheel"),
    ):
        fetch(downloader, file)
    assert index.paths() == [PATH]
    assert not store.has(BLOB)
    assert leftovers(store) == []


def test_a_file_in_the_store_that_cannot_be_read_is_no_file(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(CONTENT)
    assert is_sound(store, BLOB)
    # As if another command removed it between the two looks.
    monkeypatch.setattr(BlobStore, "has", lambda *_: True)
    store.path(BLOB.sha256).unlink()
    assert not is_sound(store, BLOB)


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    """Lowers the size that files of this process may have, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_is_explained(
    downloader: Downloader,
    store: BlobStore,
    file: PlannedFile,
    file_size_limit: Callable[[int], None],
) -> None:
    file_size_limit(CHUNK)
    with pytest.raises(BundlerError, match=f"{store.scratch} .*{BLOB.size} bytes"):
        fetch(downloader, file)
    assert not store.has(BLOB)


def test_a_folder_that_cannot_be_written(
    downloader: Downloader, store: BlobStore, file: PlannedFile
) -> None:
    (store.scratch / BLOB.sha256).mkdir()
    with pytest.raises(BundlerError, match=f"{NAME}: cannot be kept: .*Is a directory"):
        fetch(downloader, file)
    assert len(downloader.failures) == 1


def test_a_link_in_the_scratch_folder_is_not_followed(
    downloader: Downloader, store: BlobStore, file: PlannedFile, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (store.scratch / BLOB.sha256).symlink_to(victim)
    with pytest.raises(BundlerError, match="cannot be kept"):
        fetch(downloader, file)
    assert victim.read_bytes() == b"mine"


def test_what_is_begun_early_is_not_fetched_twice(
    downloader: Downloader, index: FakeIndex, file: PlannedFile, events: list[Event]
) -> None:
    other = planned(index.add("b-1-py3-none-any.whl", b"other"), b"other")
    downloader.begin(file)
    downloader.begin(file)
    downloader.path(file.blob)
    assert events[0] == Started("fetch", None)
    assert not [event for event in events if isinstance(event, Finished)]
    downloader.start([file, other])
    downloader.path(other.blob)
    downloader.close()
    assert Started("fetch", len(CONTENT) + 5) in events
    assert events[-1] == Finished("fetch", "2 wheels, 0.5 MB, 0 from the cache")
    assert advanced(events) == len(CONTENT) + 5
    assert index.paths("GET").count(index.file_path(NAME)) == 1


def test_a_wheel_that_nobody_wants_may_fail(
    downloader: Downloader, index: FakeIndex, file: PlannedFile
) -> None:
    unwanted = planned(index.add("b-1-py3-none-any.whl", b"other"), b"other")
    index.misbehave(index.file_path("b-1-py3-none-any.whl"), Fault(status=404), times=1)
    downloader.begin(unwanted)
    assert fetch(downloader, file) == CONTENT
    assert downloader.failures == []


def test_a_wheel_that_turns_out_unwanted_may_fail(
    downloader: Downloader, index: FakeIndex, file: PlannedFile
) -> None:
    name = "b-1-py3-none-any.whl"
    unwanted = planned(index.add(name, b"other"), b"other")
    stall = threading.Event()
    index.misbehave(index.file_path(name), Fault(status=404, stall=stall))
    downloader.begin(unwanted)
    while not index.requests:
        time.sleep(0.01)
    downloader.start([file])
    stall.set()
    while downloader._active:
        time.sleep(0.01)
    assert downloader.path(BLOB).read_bytes() == CONTENT
    assert downloader.failures == []


def test_a_wheel_that_failed_early_is_tried_again(
    downloader: Downloader, index: FakeIndex, file: PlannedFile
) -> None:
    index.misbehave(index.file_path(NAME), Fault(status=404), times=1)
    downloader.begin(file)
    while index.file_path(NAME) not in index.paths("GET") or downloader._active:
        time.sleep(0.01)
    assert fetch(downloader, file) == CONTENT


def test_the_plan_decides_on_the_order_and_on_what_is_dropped(
    transport: Transport, store: BlobStore, index: FakeIndex, file: PlannedFile
) -> None:
    names = ["b-1-py3-none-any.whl", "c-1-py3-none-any.whl", "d-1-py3-none-any.whl"]
    first, second, dropped = (planned(index.add(n, n.encode()), n.encode()) for n in names)
    silent = threading.Event()
    index.misbehave(index.file_path(NAME), Fault(stall=silent), times=1)
    with Downloader(transport, store, threads=1) as downloader:
        downloader.begin(file)
        for early in (dropped, second):
            downloader.begin(early)
        downloader.start([file, first, second])
        silent.set()
        downloader.path(second.blob)
    asked = [path.rpartition("/")[2] for path in index.paths("GET")]
    assert asked == [NAME, names[0], names[1]]


def test_faults_are_waited_for_but_not_what_was_dropped(
    transport: Transport, store: BlobStore, index: FakeIndex
) -> None:
    """What nobody wants any more never comes, and must not be waited for."""
    first, dropped, *wanted = several(index, 5)
    go = slow(index, index.file_path(first.remote.filename))

    def check(file: PlannedFile, _path: Path) -> None:
        if file in wanted[:2]:
            raise WheelError(f"{file.remote.filename}: breaks a rule")

    with Downloader(transport, store, check=check, threads=1) as downloader:
        downloader.begin(first)
        downloader.begin(dropped)
        downloader.start(wanted)
        go.set()
        with pytest.raises(WheelError) as caught:
            downloader.path(wanted[0].blob)
        assert caught.value.message.splitlines() == [
            f"{file.remote.filename}: breaks a rule" for file in wanted[:2]
        ]
        assert downloader.path(wanted[2].blob).exists()
    assert index.file_path(dropped.remote.filename) not in index.paths()
