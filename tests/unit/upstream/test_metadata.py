from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from random import Random

import pytest

from bundler.archive.store import BlobStore
from bundler.errors import DigestMismatchError, NetworkError
from bundler.model.artifact import Blob, RemoteFile, Sha256
from bundler.upstream.faults import AnswerError
from bundler.upstream.metadata import read_remote_facts
from bundler.upstream.transport import Transport
from bundler.wheel.fault import WheelError
from bundler.wheel.sdist import MAX_SDIST, SdistError
from tests.fakes.index import FakeIndex, Fault
from tests.fakes.sdists import build_sdist
from tests.fakes.wheels import build_wheel, zip_of

SMALL = build_wheel("demo", "1.0", requires=["other>=2"])
NOISE = Random(7).randbytes(300_000)  # noqa: S311 - incompressible, the same each time
LARGE = build_wheel("demo", "1.0", files={"demo/noise.bin": NOISE})
METADATA = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


class Reader:
    """Asks for facts, and knows what was asked of the index."""

    def __init__(self, index: FakeIndex, transport: Transport, store: BlobStore) -> None:
        self.index = index
        self.transport = transport
        self.store = store

    def read(self, file: RemoteFile) -> tuple[bytes, Blob]:
        facts = read_remote_facts(self.transport, self.store, file, threading.Event())
        return facts.metadata, facts.blob

    def ranges(self) -> list[str | None]:
        return [request.headers.get("range") for request in self.index.requests]


@pytest.fixture
def reader(index: FakeIndex, transport: Transport, store: BlobStore) -> Reader:
    return Reader(index, transport, store)


def blob_of(content: bytes) -> Blob:
    return Blob(Sha256(hashlib.sha256(content).hexdigest()), len(content))


def test_the_sibling_is_enough_when_the_page_tells_the_rest(reader: Reader) -> None:
    file = reader.index.add(*SMALL)
    metadata, blob = reader.read(file)
    assert metadata == METADATA + b"Requires-Dist: other>=2\n"
    assert blob == blob_of(SMALL[1])
    assert reader.index.paths() == [f"/files/{SMALL[0]}.metadata"]


def test_the_query_of_a_link_is_kept_for_the_sibling(reader: Reader) -> None:
    file = reader.index.add(*SMALL)
    reader.read(replace(file, url=file.url + "?token=1"))
    assert reader.index.paths() == [f"/files/{SMALL[0]}.metadata?token=1"]


def test_a_sibling_without_a_digest_is_taken(reader: Reader) -> None:
    file = reader.index.add(*SMALL, metadata="without-digest")
    assert file.has_metadata
    assert file.metadata_sha256 is None
    assert reader.read(file)[0].startswith(METADATA)


def test_a_sibling_that_lies_is_refused(reader: Reader) -> None:
    file = reader.index.add(*SMALL)
    reader.index.misbehave(f"/files/{SMALL[0]}.metadata", Fault(body=b"Name: other\n"))
    with pytest.raises(DigestMismatchError, match=r"demo-1.0-py3-none-any.whl.metadata: expected"):
        reader.read(file)


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_sibling_that_is_not_there_is_replaced(reader: Reader, status: int) -> None:
    file = reader.index.add(*SMALL)
    reader.index.misbehave(f"/files/{SMALL[0]}.metadata", Fault(status=status))
    assert reader.read(file)[1] == blob_of(SMALL[1])
    assert reader.index.paths() == [f"/files/{SMALL[0]}.metadata", f"/files/{SMALL[0]}"]


def test_a_sibling_that_is_forbidden_is_an_error(reader: Reader) -> None:
    file = reader.index.add(*SMALL)
    reader.index.misbehave(f"/files/{SMALL[0]}.metadata", Fault(status=403))
    with pytest.raises(AnswerError, match="403 Forbidden"):
        reader.read(file)


@pytest.mark.parametrize("suffix_ranges", [True, False])
@pytest.mark.parametrize("size", [True, False])
@pytest.mark.parametrize(("filename", "content"), [SMALL, LARGE])
def test_ranges_reach_the_metadata(
    reader: Reader, filename: str, content: bytes, *, size: bool, suffix_ranges: bool
) -> None:
    reader.index.suffix_ranges = suffix_ranges
    file = reader.index.add(filename, content, metadata=False, size=size)
    metadata, blob = reader.read(file)
    assert metadata.startswith(METADATA)
    assert blob == blob_of(content)
    total = len(content)
    explicit = f"bytes={max(total - 65536, 0)}-{total - 1}"
    if size:
        assert reader.ranges() == [explicit]
    else:
        assert reader.ranges() == ["bytes=-65536", *([] if suffix_ranges else [explicit])]
    assert not reader.store.has(blob)


def test_further_ranges_are_aligned_and_kept(reader: Reader) -> None:
    # METADATA first and the bulk behind it: the opposite of what tools write.
    content = zip_of({"demo-1.0.dist-info/METADATA": METADATA, "demo/noise.bin": NOISE})
    file = reader.index.add(SMALL[0], content, metadata=False)
    assert reader.read(file) == (METADATA, blob_of(content))
    total = len(content)
    assert reader.ranges() == [f"bytes={total - 65536}-{total - 1}", "bytes=0-65535"]


def test_a_long_directory_takes_more_than_the_tail(reader: Reader) -> None:
    entries = {f"demo/{number:05}/{'x' * 80}": b"" for number in range(2000)}
    content = zip_of({**entries, "demo-1.0.dist-info/METADATA": METADATA})
    file = reader.index.add(SMALL[0], content, metadata=False)
    assert reader.read(file) == (METADATA, blob_of(content))
    assert len(reader.ranges()) <= 3


def test_without_ranges_the_whole_wheel_is_kept(reader: Reader) -> None:
    reader.index.ranges = False
    file = reader.index.add(*LARGE, metadata=False)
    metadata, blob = reader.read(file)
    assert metadata == METADATA
    assert blob == blob_of(LARGE[1])
    assert reader.store.has(blob)
    assert list(reader.store.scratch.iterdir()) == []
    asked = len(reader.index.requests)
    assert reader.read(file) == (metadata, blob)
    assert len(reader.index.requests) == asked + 1


def test_without_ranges_the_sibling_will_do_if_the_answer_tells_the_size(reader: Reader) -> None:
    reader.index.ranges = False
    file = reader.index.add(*LARGE, size=False)
    assert reader.read(file) == (METADATA, blob_of(LARGE[1]))
    assert reader.index.paths() == [f"/files/{LARGE[0]}", f"/files/{LARGE[0]}.metadata"]


def test_a_damaged_whole_wheel_in_the_store_is_replaced(reader: Reader) -> None:
    reader.index.ranges = False
    file = reader.index.add(*SMALL, metadata=False)
    blob = reader.store.put(SMALL[1])
    reader.store.path(blob.sha256).write_bytes(bytes(blob.size))
    assert reader.read(file)[1] == blob
    assert reader.store.path(blob.sha256).read_bytes() == SMALL[1]


def test_a_page_without_digest_costs_the_whole_wheel(reader: Reader) -> None:
    file = reader.index.add(*SMALL, sha256=False)
    metadata, blob = reader.read(file)
    assert metadata.startswith(METADATA)
    assert reader.store.has(blob)
    assert reader.index.paths() == [f"/files/{SMALL[0]}"]


@pytest.mark.parametrize("size", [True, False])
def test_a_whole_wheel_must_be_what_the_page_says(reader: Reader, *, size: bool) -> None:
    reader.index.ranges = False
    file = reader.index.add(*SMALL, metadata=False, size=size)
    other = bytes(len(SMALL[1]))
    reader.index.misbehave(f"/files/{SMALL[0]}", Fault(body=other), times=2)
    with pytest.raises(DigestMismatchError, match=f"expected sha256 {file.sha256}, got"):
        reader.read(file)
    assert list(reader.store.scratch.iterdir()) == []


def test_another_size_than_the_pages_is_refused(reader: Reader) -> None:
    file = reader.index.add(*SMALL, metadata=False)
    with pytest.raises(DigestMismatchError, match=f"expected 99 bytes, .* has {len(SMALL[1])}"):
        reader.read(replace(file, size=99))


def test_another_size_without_ranges_is_refused(reader: Reader) -> None:
    reader.index.ranges = False
    file = reader.index.add(*SMALL, metadata=False)
    with pytest.raises(DigestMismatchError, match=f"99999 bytes, the server has {len(SMALL[1])}"):
        reader.read(replace(file, size=99999))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(headers={"Content-Range": f"bytes 5-9/{len(SMALL[1])}"}, body=b"12345"),
        Fault(headers={"Content-Range": f"bytes 0-4/{len(SMALL[1])}"}, body=b"12345"),
        Fault(headers={"Content-Range": "bytes 0-4/*"}, body=b"12345"),
    ],
)
def test_another_range_than_asked_for_is_not_believed(reader: Reader, fault: Fault) -> None:
    file = reader.index.add(*SMALL, metadata=False)
    reader.index.misbehave(f"/files/{SMALL[0]}", fault)
    assert reader.read(file)[1] == blob_of(SMALL[1])
    assert reader.ranges() == [f"bytes=0-{len(SMALL[1]) - 1}", None]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(headers={"Content-Range": "bytes 0-4/*"}, body=b"12345"),
        Fault(status=416, headers={"Content-Range": ""}),
    ],
)
def test_a_suffix_without_a_size_is_of_no_use(reader: Reader, fault: Fault) -> None:
    file = reader.index.add(*SMALL, metadata=False, size=False)
    reader.index.misbehave(f"/files/{SMALL[0]}", fault)
    assert reader.read(file)[1] == blob_of(SMALL[1])
    assert reader.ranges() == ["bytes=-65536", None]


@pytest.mark.parametrize("content", [b"", b"no zip file at all" * 10_000])
def test_what_is_no_wheel(reader: Reader, content: bytes) -> None:
    file = reader.index.add(SMALL[0], content, metadata=False)
    with pytest.raises(WheelError, match=r"demo-1.0-py3-none-any.whl: not a readable wheel"):
        reader.read(file)


def test_a_wheel_of_another_project(reader: Reader) -> None:
    file = reader.index.add("other-1.0-py3-none-any.whl", SMALL[1], metadata=False)
    with pytest.raises(WheelError, match=r"carries the metadata folder 'demo-1.0"):
        reader.read(file)


def test_a_directory_without_end_is_not_followed(reader: Reader) -> None:
    # The end record of the zip file claims a directory of 200 MB, in a file of 300 MB.
    end = bytearray(zip_of({"x": b""})[-22:])
    end[12:16] = (200_000_000).to_bytes(4, "little")
    end[16:20] = (100_000_000 - 22 - 65514).to_bytes(4, "little")
    file = reader.index.add(SMALL[0], bytes(65514) + end, metadata=False, size=False)
    total = {"Content-Range": "bytes 299934464-299999999/300000000"}
    reader.index.misbehave(f"/files/{SMALL[0]}", Fault(headers=total))
    with pytest.raises(WheelError, match="its zip directory has 200000000 bytes"):
        reader.read(file)
    assert len(reader.index.requests) == 1


def test_the_bytes_for_metadata_are_bounded(reader: Reader) -> None:
    from bundler.upstream.metadata import _RangeReader, _Source  # noqa: PLC0415 - used once

    file = reader.index.add("demo.bin", NOISE, metadata=False)
    with (
        _RangeReader(_Source(reader.transport, file, threading.Event()), 300_000_000) as remote,
        pytest.raises(NetworkError, match="more than 67108864 bytes to find its METADATA"),
    ):
        remote.read(100_000_000)
    assert reader.index.requests == []


def test_positions(reader: Reader) -> None:
    from bundler.upstream.metadata import _open_ranges, _Source  # noqa: PLC0415 - used once

    file = reader.index.add("demo.bin", NOISE, metadata=False)
    with _open_ranges(_Source(reader.transport, file, threading.Event())) as remote:
        assert remote.readable()
        assert remote.seekable()
        assert remote.seek(-10, 2) == len(NOISE) - 10
        assert remote.read() == NOISE[-10:]
        assert remote.read(5) == b""
        assert remote.seek(100) == 100
        assert remote.seek(5, 1) == 105
        assert remote.read(3) == NOISE[105:108]
        assert remote.tell() == 108
        with pytest.raises(OSError, match="before the beginning"):
            remote.seek(-1)
        remote.seek(0)
        assert remote.read(None) == NOISE


SOURCE = build_sdist("demo", "1.0", requires=["other>=2"], build=["backend"])


@pytest.mark.parametrize("size", [True, False])
def test_a_source_distribution_is_taken_whole_and_once(reader: Reader, *, size: bool) -> None:
    file = reader.index.add(*SOURCE, size=size)
    for _ in range(2):
        facts = read_remote_facts(reader.transport, reader.store, file, threading.Event())
        assert facts.metadata.endswith(b"Requires-Dist: other>=2\n")
        assert facts.build_requires == ("backend",)
        assert facts.blob == blob_of(SOURCE[1])
    assert reader.index.paths() == [f"/files/{SOURCE[0]}"]


def test_a_source_distribution_without_digest_is_taken_again(reader: Reader) -> None:
    file = reader.index.add(*SOURCE, sha256=False)
    assert reader.read(file)[1] == blob_of(SOURCE[1])
    assert reader.read(file)[1] == blob_of(SOURCE[1])
    assert reader.index.paths() == [f"/files/{SOURCE[0]}"] * 2


def test_a_source_distribution_must_be_what_the_page_says(reader: Reader) -> None:
    file = replace(reader.index.add(*SOURCE), sha256=Sha256("0" * 64))
    with pytest.raises(DigestMismatchError, match="expected sha256 0000"):
        reader.read(file)


def test_a_huge_source_distribution_is_not_asked_for(reader: Reader) -> None:
    file = replace(reader.index.add(*SOURCE), size=MAX_SDIST + 1)
    with pytest.raises(SdistError, match="has 1073741825 bytes; at most 1073741824 are read"):
        reader.read(file)
    assert reader.index.paths() == []


def test_a_source_distribution_of_unknown_size_is_bounded(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundler.upstream.metadata.MAX_SDIST", 100)
    file = reader.index.add(*SOURCE, size=False)
    with pytest.raises(DigestMismatchError, match="sends more than the 100 bytes expected"):
        reader.read(file)
