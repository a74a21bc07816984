from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from bundler.errors import BundlerError, DamagedError, TrustError
from bundler.model.canonical import canonical
from bundler.trust.gate import admit, anchor_from_root, commit, load_anchor, pin
from bundler.trust.holders import KeyHolder
from bundler.trust.keys import fingerprint
from bundler.trust.rotation import Change, adopt, propose
from tests.fakes.trust import digest, make_stream, the_time


def test_pinning_says_what_was_pinned(tmp_path: Path) -> None:
    officers = [CryptoSigner.generate_ed25519() for _ in range(2)]
    root = make_stream(tmp_path, signers=officers, threshold=2).root
    pinned = pin(root, tmp_path / "trust")
    assert (pinned.stream, pinned.version, pinned.threshold) == ("web", 1, 2)
    assert pinned.changed
    assert pinned.fingerprint.replace(" ", "") == digest(root)
    assert pinned.keys == tuple(fingerprint(officer.public_key) for officer in officers)
    kept = tmp_path / "trust/web/1.root.json"
    assert kept.read_bytes() == root
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert load_anchor(tmp_path / "trust", "web") == anchor_from_root(root)


def test_pinning_again_changes_nothing(tmp_path: Path) -> None:
    root = make_stream(tmp_path).root
    first = pin(root, tmp_path / "trust")
    before = (tmp_path / "trust/web/1.root.json").stat()
    again = pin(root, tmp_path / "trust")
    assert (again.changed, again.fingerprint) == (False, first.fingerprint)
    assert (tmp_path / "trust/web/1.root.json").stat() == before


def test_another_root_for_a_pinned_stream_is_refused(tmp_path: Path) -> None:
    first = pin(make_stream(tmp_path / "a").root, tmp_path / "trust")
    other = make_stream(tmp_path / "b").root
    with pytest.raises(TrustError, match="another root is pinned for the stream web") as caught:
        pin(other, tmp_path / "trust")
    assert first.fingerprint in caught.value.message
    assert anchor_from_root(other).stream == "web"
    assert digest(other)[:8] in caught.value.message
    assert len(list((tmp_path / "trust/web").iterdir())) == 1


def test_the_next_root_takes_the_place_of_the_pinned_one(tmp_path: Path) -> None:
    key, new = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    stream = make_stream(tmp_path, signers=[key])
    pin(stream.root, tmp_path / "trust")
    old = stream.head()
    holder = KeyHolder.of("new", new)
    change = Change(add=[holder], remove=[key.public_key.keyid], packing=holder)
    for _ in range(2):
        data, _ = propose(stream.authority, change, [key, new], the_time())
        adopt(stream.authority, data)
        change = Change()
    second, third = list(stream.authority.root_chain().values())[1:]
    with pytest.raises(TrustError, match="another root is pinned") as caught:
        pin(third, tmp_path / "trust")
    assert "version by version" in str(caught.value.hint)
    pinned = pin(second, tmp_path / "trust")
    assert (pinned.version, pinned.changed, pinned.succeeds) == (2, True, True)
    with pytest.raises(TrustError, match=r"timestamp\.json is not signed by"):
        admit(old, load_anchor(tmp_path / "trust", "web"))
    again = pin(second, tmp_path / "trust")
    assert (again.changed, again.succeeds) == (False, False)
    assert pin(third, tmp_path / "trust").succeeds
    assert sorted(path.name for path in (tmp_path / "trust/web").iterdir()) == [
        "1.root.json",
        "2.root.json",
        "3.root.json",
    ]


def test_a_next_root_that_the_pinned_officers_did_not_sign(tmp_path: Path) -> None:
    pin(make_stream(tmp_path / "a").root, tmp_path / "trust")
    thief = CryptoSigner.generate_ed25519()
    evil = make_stream(tmp_path / "b", signers=[thief])
    data, _ = propose(evil.authority, Change(), [thief], the_time())
    with pytest.raises(TrustError, match="another root is pinned for the stream web"):
        pin(data, tmp_path / "trust")
    assert len(list((tmp_path / "trust/web").iterdir())) == 1


def test_streams_are_pinned_side_by_side(tmp_path: Path) -> None:
    for name in ("web", "data"):
        pin(make_stream(tmp_path, name).root, tmp_path / "trust")
    assert load_anchor(tmp_path / "trust", "data").stream == "data"
    assert load_anchor(tmp_path / "trust", "web").stream == "web"


def test_an_expired_root_can_be_pinned_and_says_so(tmp_path: Path) -> None:
    now = the_time()
    root = make_stream(tmp_path, now=now - timedelta(days=6 * 365)).root
    assert pin(root, tmp_path / "trust").expires < now


def _doctored(root: bytes, **signed: object) -> bytes:
    document = json.loads(root)
    document["signed"].update(signed)
    return canonical(document)


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        ({"version": 2}, "is not signed by its own keys: root was signed by 0/1 keys"),
        ({"x-bundler-stream": "../web"}, "does not say which stream it is for"),
        ({"x-bundler-stream": None}, "does not say which stream it is for"),
        ({"version": 0}, "is not root metadata: version must be > 0"),
        ({"_type": "targets"}, "is not root metadata: 'targets'"),
        ({"expires": "2026-1-1T00:00:00Z"}, "is not root metadata: it is not in canonical form"),
        ({"spec_version": "2.0.0"}, "Unsupported spec_version"),
        ({"keys": {}}, "is not root metadata: the role 'root' names a key that is not there"),
    ],
)
def test_what_is_no_root_cannot_be_pinned(
    tmp_path: Path, signed: dict[str, object], reason: str
) -> None:
    root = _doctored(make_stream(tmp_path).root, **signed)
    with pytest.raises(DamagedError, match=reason):
        pin(root, tmp_path / "trust")
    assert not (tmp_path / "trust").exists()


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"signed":1}'])
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedError, match="the root is not root metadata"):
        anchor_from_root(data)


def test_a_root_with_other_metadatas_type_is_refused(tmp_path: Path) -> None:
    head = make_stream(tmp_path).head()
    with pytest.raises(DamagedError, match="its type is timestamp"):
        anchor_from_root(head["metadata/timestamp.json"])


def test_a_stream_that_is_not_pinned(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="no root is pinned for the stream web") as caught:
        load_anchor(tmp_path, "web")
    assert "bundle trust pin" in str(caught.value.hint)
    with pytest.raises(TrustError, match="is not a stream name"):
        load_anchor(tmp_path, "../../etc")


@pytest.mark.parametrize(
    "name", ["1.root.json", "timestamp.json", "snapshot.json", "targets.json", "packing.json"]
)
def test_a_damaged_state_is_not_taken_for_an_empty_one(tmp_path: Path, name: str) -> None:
    stream = make_stream(tmp_path)
    trust = tmp_path / "trust"
    pin(stream.root, trust)
    commit(admit(stream.head(), load_anchor(trust, "web")), trust)
    (trust / "web" / name).write_bytes(b"{}")
    with pytest.raises(DamagedError, match=rf"web: (root|{name})"):
        load_anchor(trust, "web")


def test_a_state_without_a_manifest_is_damaged(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    trust = tmp_path / "trust"
    pin(stream.root, trust)
    (trust / "web/targets.json").write_bytes(stream.head()["metadata/packing.json"])
    with pytest.raises(DamagedError, match=r"targets\.json names no manifest\.json"):
        load_anchor(trust, "web")


def test_a_state_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "web/1.root.json").mkdir(parents=True)
    with pytest.raises(BundlerError, match=r"1\.root\.json cannot be read: Is a directory"):
        load_anchor(tmp_path, "web")


def test_a_state_that_cannot_be_written(tmp_path: Path) -> None:
    root = make_stream(tmp_path).root
    (tmp_path / "trust").write_bytes(b"")
    with pytest.raises(BundlerError, match=r"1\.root\.json cannot be written: Not a directory"):
        pin(root, tmp_path / "trust")


def test_files_of_others_in_the_state_are_left_alone(tmp_path: Path) -> None:
    trust = tmp_path / "trust"
    root = make_stream(tmp_path).root
    pin(root, trust)
    (trust / "web/README").write_text("note")
    assert load_anchor(trust, "web") == anchor_from_root(root)


def test_an_interrupted_write_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_stream(tmp_path).root

    def interrupted(_self: Path, _target: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pin(root, tmp_path / "trust")
    assert list((tmp_path / "trust/web").iterdir()) == []


def test_pinning_over_a_state_that_lost_its_roots_forgets_nothing(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    trust = tmp_path / "trust"
    pin(stream.root, trust)
    first = stream.head()
    commit(admit(stream.head(), load_anchor(trust, "web")), trust)
    (trust / "web/1.root.json").unlink()
    assert pin(stream.root, trust).changed
    with pytest.raises(TrustError, match="sequence 1 is older than 2"):
        admit(first, load_anchor(trust, "web"))
