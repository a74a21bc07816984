"""Dates: clocks that are wrong on either side, and metadata from the future or for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata, MetaFile

from bundler.errors import TrustError
from bundler.model.canonical import canonical
from bundler.trust.gate import admit, anchor_from_root
from tests.fakes.clock import set_clock
from tests.fakes.trust import FakeStream, make_manifest, make_stream, the_time


@pytest.fixture
def stream(tmp_path: Path) -> FakeStream:
    return make_stream(tmp_path)


def made_on(stream: FakeStream, created: datetime) -> dict[str, bytes]:
    return stream.head(replace(make_manifest(), created=f"{created:%Y-%m-%dT%H:%M:%SZ}"))


def refused(head: dict[str, bytes], stream: FakeStream) -> TrustError:
    with pytest.raises(TrustError) as caught:
        admit(head, anchor_from_root(stream.root))
    return caught.value


def test_a_clock_in_the_year_2000_is_named(
    stream: FakeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = made_on(stream, the_time())
    set_clock(monkeypatch, datetime(2000, 1, 1, 0, 7, tzinfo=UTC))
    error = refused(head, stream)
    assert error.message == (
        "this host's clock says 2000-01-01 00:07 UTC, which is before this program was written"
    )
    assert "set the clock; a flat battery" in str(error.hint)


def test_a_slow_clock_is_named(stream: FakeStream, monkeypatch: pytest.MonkeyPatch) -> None:
    created = the_time()
    head = made_on(stream, created)
    slow = created - timedelta(days=30)
    set_clock(monkeypatch, slow)
    error = refused(head, stream)
    assert error.message == (
        f"sequence 1 was made on {created:%Y-%m-%d at %H:%M} UTC;"
        f" this host's clock says {slow:%Y-%m-%d %H:%M} UTC"
    )
    assert "if it is right, the sender's was fast" in str(error.hint)


def test_future_dated_metadata(stream: FakeStream) -> None:
    """The sender's clock was wrong, or somebody wants to be the newest for a long time."""
    error = refused(made_on(stream, the_time() + timedelta(days=2)), stream)
    assert "sequence 1 was made on " in error.message


def test_clocks_may_differ_by_hours(stream: FakeStream) -> None:
    admit(made_on(stream, the_time() + timedelta(hours=23)), anchor_from_root(stream.root))


def test_a_clock_in_the_far_future_is_named(
    stream: FakeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = made_on(stream, the_time())
    set_clock(monkeypatch, datetime(2030, 6, 1, tzinfo=UTC))
    error = refused(head, stream)
    assert "the timestamp metadata expired on " in error.message
    assert "this host's clock says 2030-06-01 00:00 UTC, 3 years later" in error.message
    assert "such a clock is likely wrong: set it" in str(error.hint)


def test_an_expired_bundle_says_both_dates(
    stream: FakeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = made_on(stream, the_time())
    set_clock(monkeypatch, the_time() + timedelta(days=190))
    error = refused(head, stream)
    assert "the timestamp metadata expired on " in error.message
    assert "years later" not in error.message
    assert "bundle refresh" in str(error.hint)


def test_metadata_that_is_good_for_ever(stream: FakeStream) -> None:
    """A thief of the packing key could keep a site from noticing that it gets nothing new."""
    head = made_on(stream, the_time())
    timestamp: Metadata[Any] = Metadata.from_bytes(head["metadata/timestamp.json"])
    timestamp.signed.expires = datetime(2999, 1, 1, tzinfo=UTC)
    timestamp.sign(stream.signers[0])
    head["metadata/timestamp.json"] = canonical(timestamp.to_dict())
    error = refused(head, stream)
    assert error.message == (
        "the timestamp metadata says that it is good until 2999-01-01;"
        " no role lasts longer than 10 years"
    )


def test_metadata_of_a_sequence_that_expired_under_a_new_timestamp(stream: FakeStream) -> None:
    """Each role has a date of its own: a new timestamp does not revive old targets."""
    head = made_on(stream, the_time())
    targets: Metadata[Any] = Metadata.from_bytes(head["metadata/targets.json"])
    targets.signed.expires = the_time().replace(microsecond=0) - timedelta(days=1)
    targets.sign(stream.signers[0])
    head["metadata/targets.json"] = canonical(targets.to_dict())
    for above, below in (("snapshot", "targets"), ("timestamp", "snapshot")):
        document: Metadata[Any] = Metadata.from_bytes(head[f"metadata/{above}.json"])
        data = head[f"metadata/{below}.json"]
        meta = MetaFile.from_data(1, data, ["sha256"])
        if above == "snapshot":
            document.signed.meta["targets.json"] = meta
        else:
            document.signed.snapshot_meta = meta
        document.sign(stream.signers[0])
        head[f"metadata/{above}.json"] = canonical(document.to_dict())
    assert "the targets metadata expired on " in refused(head, stream).message
