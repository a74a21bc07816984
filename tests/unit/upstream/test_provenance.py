from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.errors import NetworkError
from bundler.model.artifact import RemoteFile
from bundler.trust import provenance as inside
from bundler.upstream.provenance import ACCEPT, MAX_PROVENANCE, ProvenanceReader
from bundler.upstream.transport import Transport
from tests.fakes.index import FakeIndex, Fault
from tests.fakes.wheels import build_wheel

WEB = NormalizedName("web")
LOCAL = Version("1.0+cgr.1")
PATH = "/integrity/web/1.0%2Bcgr.1/web-1.0%2Bcgr.1-py3-none-any.whl"
OBJECT = b'{"version": 1}'
BUNDLE = json.dumps({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}).encode()


@pytest.fixture
def reader(index: FakeIndex, transport: Transport) -> ProvenanceReader:
    return ProvenanceReader(transport, index.url)


def add(index: FakeIndex, provenance: str | None = None) -> RemoteFile:
    return index.add(*build_wheel("web", "1.0+cgr.1"), provenance=provenance)


def read(reader: ProvenanceReader, file: RemoteFile) -> bytes | None:
    return reader.read(WEB, LOCAL, file, threading.Event())


def test_the_link_of_the_page_is_followed(index: FakeIndex, reader: ProvenanceReader) -> None:
    index.serve("/somewhere", OBJECT)
    assert read(reader, add(index, "/somewhere")) == OBJECT
    assert index.paths() == ["/somewhere"]
    assert index.requests[0].headers["accept"] == ACCEPT


def test_nothing_is_asked_when_the_page_says_that_there_is_none(
    index: FakeIndex, reader: ProvenanceReader
) -> None:
    assert read(reader, add(index, "")) is None
    assert index.paths() == []


def test_a_page_that_says_nothing_leaves_the_integrity_path(
    index: FakeIndex, reader: ProvenanceReader
) -> None:
    index.serve(f"{PATH}/provenance", OBJECT)
    file = add(index)
    assert read(reader, file) == OBJECT
    assert index.paths() == [f"{PATH}/bundle.json", f"{PATH}/provenance"]
    index.requests.clear()
    assert read(reader, file) == OBJECT
    assert index.paths() == [f"{PATH}/provenance"], "it has no bundles, and is not asked again"


def test_a_raw_bundle_is_preferred(index: FakeIndex, reader: ProvenanceReader) -> None:
    index.serve(f"{PATH}/provenance", OBJECT)
    index.serve(f"{PATH}/bundle.json", BUNDLE)
    file = add(index)
    assert [read(reader, file), read(reader, file)] == [BUNDLE, BUNDLE]
    assert index.paths() == [f"{PATH}/bundle.json"] * 2


def test_one_bundle_that_is_missing_is_no_rule(index: FakeIndex, reader: ProvenanceReader) -> None:
    index.serve(f"{PATH}/bundle.json", BUNDLE)
    file = add(index)
    assert read(reader, file) == BUNDLE
    index.misbehave(f"{PATH}/bundle.json", Fault(status=404))
    assert read(reader, file) is None
    assert read(reader, file) == BUNDLE


def test_a_page_of_apology_is_no_bundle(index: FakeIndex, reader: ProvenanceReader) -> None:
    index.serve(f"{PATH}/bundle.json", b"<html>not found, sorry</html>")
    index.serve(f"{PATH}/provenance", OBJECT)
    assert read(reader, add(index)) == OBJECT


@pytest.mark.parametrize("status", [400, 403, 404, 406, 410])
def test_there_may_be_none(index: FakeIndex, reader: ProvenanceReader, status: int) -> None:
    for name in ("bundle.json", "provenance"):
        index.misbehave(f"{PATH}/{name}", Fault(status=status))
    assert read(reader, add(index)) is None


@pytest.mark.parametrize("status", [401, 409, 500])
def test_another_answer_is_an_error(
    index: FakeIndex, reader: ProvenanceReader, status: int
) -> None:
    index.misbehave("/somewhere", Fault(status=status), times=3)
    with pytest.raises(NetworkError, match=f"/somewhere: {status}"):
        read(reader, add(index, "/somewhere"))


def test_too_much_is_not_read(index: FakeIndex, reader: ProvenanceReader) -> None:
    index.serve("/somewhere", b" " * (MAX_PROVENANCE + 1))
    with pytest.raises(NetworkError, match=f"more than {MAX_PROVENANCE}"):
        read(reader, add(index, "/somewhere"))
    assert MAX_PROVENANCE == inside.MAX_PROVENANCE


def test_an_index_of_another_shape_has_no_integrity_path(
    index: FakeIndex, transport: Transport
) -> None:
    reader = ProvenanceReader(transport, f"{index.origin}/wheels/")
    assert read(reader, replace(add(index), provenance=None)) is None
    assert index.paths() == []
