from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.archive.store import BlobStore
from bundler.errors import NetworkError
from bundler.events import Event, Finished, ignore
from bundler.model.artifact import Blob, RemoteFile
from bundler.model.plan import Plan, PlannedFile
from bundler.model.verdict import ABSENT, Outcome
from bundler.trust.attest import Attestor, public_root
from bundler.trust.policy import FileFacts, Mode, Rules
from bundler.upstream.provenance import ProvenanceReader
from bundler.upstream.transport import Transport
from bundler.upstream.vouching import Vouching
from tests.fakes.index import FakeIndex, Fault
from tests.fakes.trust import digest

WEB = NormalizedName("web")
ATTESTOR = Attestor(public_root())


def planned(remote: RemoteFile, index: str = "main") -> PlannedFile:
    return PlannedFile(
        project=WEB,
        version=Version("1.0"),
        remote=remote,
        blob=Blob(digest(b"web"), 3),
        metadata=digest(b"metadata"),
        requires_python=SpecifierSet(),
        index=index,
        targets=("t",),
        required_by=("profile",),
    )


def plan(*files: PlannedFile, status: str | None = None) -> Plan:
    statuses: dict[NormalizedName, tuple[str, str | None]] = {}
    if status is not None:
        statuses[WEB] = status, None
    return Plan(targets=(), files=files, locks={}, metadata={}, statuses=statuses)


def vouching(
    index: FakeIndex, transport: Transport, rules: Rules | None = None, *passed: str
) -> Vouching:
    return Vouching(
        root=b"",
        readers={"main": ProvenanceReader(transport, index.url)},
        passed_through={"main": passed},
        attestor=ATTESTOR,
        rules=rules or Rules(),
    )


def remote(index: FakeIndex, name: str = "web-1.0-py3-none-any.whl", **says: Any) -> RemoteFile:
    return RemoteFile(filename=name, url=f"{index.origin}/upstream/{name}", **says)


def test_the_facts_of_a_file(index: FakeIndex, transport: Transport, store: BlobStore) -> None:
    file = remote(index, yanked="", upload_time="2026-01-31T12:00:00.5Z", provenance="")
    asked = vouching(index, transport, None, f"{index.origin}/upstream/")
    found = asked.vouch(plan(planned(file), status="archived"), store, ignore)
    (vouched,) = found.values()
    assert vouched.facts == FileFacts(
        project=WEB,
        version=Version("1.0"),
        filename=file.filename,
        sha256=digest(b"web"),
        index="main",
        status="archived",
        yanked="",
        uploaded=datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC),
        passed_through=True,
    )
    assert vouched.verdict == ABSENT
    assert vouched.provenance is None


@pytest.mark.parametrize("text", [None, "yesterday", "2026-01-31T12:00:00"])
def test_a_time_that_is_none(
    index: FakeIndex, transport: Transport, store: BlobStore, text: str | None
) -> None:
    file = RemoteFile(filename="a", url="https://example.org/a", upload_time=text, provenance="")
    (vouched,) = vouching(index, transport).vouch(plan(planned(file)), store, ignore).values()
    assert vouched.facts.uploaded is None
    assert vouched.facts.passed_through is False
    assert vouched.facts.status == "active"


def test_documents_are_kept_raw_also_when_they_do_not_hold(
    index: FakeIndex, transport: Transport, store: BlobStore
) -> None:
    index.serve("/p", b'{"version": 7}')
    events: list[Event] = []
    files = [remote(index, "a", provenance=f"{index.origin}/p"), remote(index, "b", provenance="")]
    found = vouching(index, transport).vouch(plan(*map(planned, files)), store, events.append)
    assert found["a"].verdict.outcome is Outcome.FAILED
    blob = found["a"].provenance
    assert blob is not None
    assert store.read(blob, 100) == b'{"version": 7}'
    assert found["b"].verdict == ABSENT
    assert events[-1] == Finished("attestations", "1 absent, 1 failed")


def test_nothing_is_asked_where_nothing_counts(
    index: FakeIndex, transport: Transport, store: BlobStore
) -> None:
    rules = Rules(modes={"main": Mode.NONE})
    vouching(index, transport, rules).vouch(plan(planned(remote(index))), store, ignore)
    vouching(index, transport).vouch(plan(planned(remote(index), "other")), store, ignore)
    assert index.paths() == []
    events: list[Event] = []
    assert vouching(index, transport).vouch(plan(), store, events.append) == {}
    assert events[-1] == Finished("attestations", "no files")


def test_the_first_failure_ends_it(
    index: FakeIndex, transport: Transport, store: BlobStore
) -> None:
    index.misbehave("/p", Fault(status=409), times=50)
    files = [planned(remote(index, str(n), provenance=f"{index.origin}/p")) for n in range(50)]
    with pytest.raises(NetworkError, match="/p: 409"):
        vouching(index, transport).vouch(plan(*files), store, ignore)
    assert len(index.paths()) < 50
