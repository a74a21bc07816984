from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from securesystemslib.signer import (
    ECDSA_SHA2_NISTP384,
    MLDSA_87_1,
    CryptoSigner,
    Key,
    SecretsHandler,
    Signature,
    Signer,
)
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from bundler.errors import BundlerError, DamagedError, TrustError
from bundler.model.canonical import canonical
from bundler.trust.authority import Authority
from bundler.trust.drafts import is_draft, remember_draft
from bundler.trust.holders import KeyHolder
from bundler.trust.keys import fingerprint
from bundler.trust.pending import add
from bundler.trust.signing import LIFETIMES
from tests.fakes.trust import (
    FakeStream,
    digest,
    make_index,
    make_manifest,
    make_set,
    make_stream,
    the_time,
)


def test_the_first_root_names_the_stream_and_who_signs_what(tmp_path: Path) -> None:
    officers = [CryptoSigner.generate_ed25519() for _ in range(3)]
    packer = CryptoSigner.generate_ecdsa()
    stream = make_stream(tmp_path, signers=officers, threshold=2, packing=packer)
    root = Metadata[Root].from_bytes(stream.root).signed
    assert root.unrecognized_fields == {"x-bundler-stream": "web"}
    assert root.consistent_snapshot is False
    assert root.spec_version == "1.0.31"
    ids = [officer.public_key.keyid for officer in officers]
    for role in ("root", "targets"):
        assert (root.roles[role].keyids, root.roles[role].threshold) == (ids, 2)
    for role in ("snapshot", "timestamp"):
        assert root.roles[role].keyids == [packer.public_key.keyid]
    assert stream.authority.references == ("key0", "key1", "key2", "packing")


def test_opening_gives_what_was_created(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    assert Authority.open(tmp_path / "web") == stream.authority
    assert stream.authority.references == ("key0",)
    assert b"PRIVATE" not in b"".join(p.read_bytes() for p in (tmp_path / "web").iterdir())


def test_the_metadata_names_each_file_by_digest(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    manifest = make_manifest()
    indexes = [make_index(manifest, stream.authority.root_chain(), volume, 2) for volume in (1, 2)]
    head, _ = stream.heads(manifest, indexes)
    targets = Metadata[Targets].from_bytes(head["metadata/targets.json"]).signed
    packing = Metadata[Targets].from_bytes(head["metadata/packing.json"]).signed
    snapshot = Metadata[Snapshot].from_bytes(head["metadata/snapshot.json"]).signed
    timestamp = Metadata[Timestamp].from_bytes(head["metadata/timestamp.json"]).signed
    assert {name: file.hashes for name, file in targets.targets.items()} == {
        "manifest.json": {"sha256": digest(manifest.to_bytes())}
    }
    assert targets.version == 1
    volumes = make_set(manifest, indexes)
    assert {name: file.length for name, file in packing.targets.items()} == {
        **{index.name: len(index.to_bytes()) for index in indexes},
        volumes.name: len(volumes.to_bytes()),
    }
    for name, meta in (*snapshot.meta.items(), ("snapshot.json", timestamp.snapshot_meta)):
        data = head[f"metadata/{name}"]
        assert (meta.length, meta.hashes) == (len(data), {"sha256": digest(data)})
    for name, data in head.items():
        assert canonical(json.loads(data)) == data, name
    bounds = stream.authority.head_bounds()
    assert bounds.pop("metadata/2.root.json") > len(stream.root)
    assert all(len(head[name]) <= bound for name, bound in bounds.items())


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    "make",
    [
        CryptoSigner.generate_ed25519,
        partial(CryptoSigner.generate_ecdsa, scheme=ECDSA_SHA2_NISTP384),
        partial(CryptoSigner.generate_mldsa, scheme=MLDSA_87_1),
    ],
)
def test_the_bounds_hold_for_every_kind_of_key(
    tmp_path: Path, make: Callable[[], CryptoSigner], count: int
) -> None:
    """Officers with the longest names, all of whom sign, many volumes, and a root more."""
    signers = [make() for _ in range(count)]
    stream, packer = "w" * 64, make()
    holders = [KeyHolder.of(f"{number}".rjust(64, "n"), s) for number, s in enumerate(signers)]
    authority = Authority.create(
        tmp_path / stream,
        stream,
        holders,
        count,
        the_time(),
        packing=KeyHolder.of("p" * 64, packer),
    )
    made = FakeStream(authority, (*signers, packer))
    bounds = authority.head_bounds(50)
    assert len(made.root) < bounds["metadata/2.root.json"]
    manifest = make_manifest(stream)
    indexes = [make_index(manifest, {}, volume, 50) for volume in range(1, 51)]
    head = made.heads(manifest, indexes)[0]
    names = [name for name in bounds if name in head]
    assert len(names) == 5
    for name in names:
        assert len(head[name]) <= bounds[name], name


def test_each_role_expires_after_its_lifetime(tmp_path: Path) -> None:
    now = the_time().replace(microsecond=0)
    stream = make_stream(tmp_path, now=now)
    manifest = make_manifest()
    head = stream.heads(manifest, [make_index(manifest, {})], now)[0]
    for role in ("targets", "packing", "snapshot", "timestamp"):
        expires = Metadata.from_bytes(head[f"metadata/{role}.json"]).signed.expires
        assert expires == now + getattr(LIFETIMES, role)
    assert Metadata.from_bytes(stream.root).signed.expires == now + LIFETIMES.root


def test_sequences_follow_each_other_once_they_are_recorded(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    authority, manifest = stream.authority, make_manifest()
    data = manifest.to_bytes()
    for _ in range(2):  # authorising alone counts for nothing
        authority.authorise(data, 1, {}, stream.signers, the_time())
        assert authority.next_sequence == 1
    stream.head(manifest)
    assert authority.next_sequence == 2
    assert (tmp_path / "web/manifests/000001.json").read_bytes() == data
    for path in (tmp_path / "web").glob("*.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o644, path


def test_packing_again_keeps_what_the_officers_signed(tmp_path: Path) -> None:
    officer, packer = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    stream = make_stream(tmp_path, signers=[officer], packing=packer)
    manifest = make_manifest()
    first = stream.head(manifest)
    again = stream.with_signers(packer).repacked(manifest, 2)
    assert again["metadata/targets.json"] == first["metadata/targets.json"]
    versions = [
        Metadata.from_bytes(head["metadata/packing.json"]).signed.version for head in (first, again)
    ]
    assert versions == [1, 2]
    assert stream.authority.next_sequence == 2


def test_packing_again_after_the_officers_word_expired_needs_them(tmp_path: Path) -> None:
    officer, packer = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    long_ago = the_time() - 2 * LIFETIMES.targets
    stream = make_stream(tmp_path, signers=[officer], packing=packer, now=long_ago)
    manifest = make_manifest()
    stream.heads(manifest, [make_index(manifest, {})], long_ago)
    with pytest.raises(TrustError, match=f"missing: {fingerprint(officer.public_key)}"):
        stream.with_signers(packer).repacked(manifest)


def test_a_sequence_is_authorised_with_one_manifest(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    stream.head(make_manifest())
    with pytest.raises(TrustError, match="sequence 1 was authorised with another") as caught:
        stream.head(make_manifest(tool="bundler 1"))
    assert caught.value.hint == "give this one the number 2"


def test_a_draft_is_signed_elsewhere(tmp_path: Path) -> None:
    officers = [CryptoSigner.generate_ed25519() for _ in range(2)]
    stream = make_stream(tmp_path, signers=officers, threshold=2)
    authority, now = stream.authority, the_time()
    data = make_manifest().to_bytes()
    word = authority.draft(data, 1, officers[:1], now)
    assert not is_draft(authority.folder, word)
    remember_draft(authority.folder, word)
    whole = add(word, Targets, [authority.root], officers[1:])
    assert is_draft(authority.folder, whole)
    for targets, time, reason in (
        (word, now, "2 of the officers' keys must sign; 1 have, missing: "),
        (whole, now + LIFETIMES.targets, "what the officers signed expired on "),
    ):
        with pytest.raises(TrustError, match=reason):
            authority.authorise(data, 1, {}, officers, time, targets=targets)
    head = authority.authorise(data, 1, {}, officers[:1], now, targets=whole)
    assert head["metadata/targets.json"] == whole
    with pytest.raises(TrustError, match="sequence 2 cannot follow 0"):
        authority.draft(make_manifest(sequence=2).to_bytes(), 2, officers, now)


@pytest.mark.parametrize("sequence", [1, 5])
def test_a_sequence_out_of_order_is_refused(tmp_path: Path, sequence: int) -> None:
    stream = make_stream(tmp_path)
    stream.head()
    stream.head()
    with pytest.raises(TrustError, match=f"sequence {sequence} cannot follow 2"):
        stream.head(make_manifest(sequence=sequence))


def test_a_manifest_of_another_stream_or_sequence_is_not_signed(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    data = make_manifest("other").to_bytes()
    with pytest.raises(TrustError, match="sequence 1 of other, not sequence 1 of web"):
        stream.authority.authorise(data, 1, {}, stream.signers, the_time())
    with pytest.raises(TrustError, match="is no manifest: manifest: not JSON"):
        stream.authority.authorise(b"{", 1, {}, stream.signers, the_time())


def test_too_few_officers_are_named(tmp_path: Path) -> None:
    officers = [CryptoSigner.generate_ed25519() for _ in range(3)]
    stream = make_stream(tmp_path, signers=officers, threshold=2)
    missing = ", ".join(fingerprint(officer.public_key) for officer in officers[1:])
    with pytest.raises(TrustError, match=f"2 of the keys for targets must sign; 1 .*: {missing}"):
        stream.with_signers(officers[0], officers[0]).head()


def test_a_missing_packing_key_is_named(tmp_path: Path) -> None:
    officer, packer = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    stream = make_stream(tmp_path, signers=[officer], packing=packer)
    with pytest.raises(TrustError, match=f"for timestamp .*: {fingerprint(packer.public_key)}"):
        stream.with_signers(officer).head()


@pytest.mark.parametrize("threshold", [0, 3])
def test_a_threshold_that_cannot_be_met(tmp_path: Path, threshold: int) -> None:
    officers = [CryptoSigner.generate_ed25519() for _ in range(2)]
    with pytest.raises(TrustError, match=f"{threshold} of 2 different keys"):
        make_stream(tmp_path, signers=officers, threshold=threshold)
    assert not (tmp_path / "web").exists()


def test_one_key_cannot_be_two_officers(tmp_path: Path) -> None:
    signer = CryptoSigner.generate_ed25519()
    with pytest.raises(TrustError, match="2 of 1 different keys"):
        make_stream(tmp_path, signers=[signer, signer], threshold=2)


def test_a_stream_is_created_once(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    with pytest.raises(BundlerError, match="the stream web exists already"):
        make_stream(tmp_path)
    assert Authority.open(tmp_path / "web").root_bytes() == stream.root


def test_a_name_that_is_no_stream(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match=r"'\.\./x' is not a stream name"):
        make_stream(tmp_path, "../x")


def test_opening_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="there is no stream web") as caught:
        Authority.open(tmp_path / "web")
    assert "bundle trust init web" in str(caught.value.hint)


def test_opening_what_is_damaged(tmp_path: Path) -> None:
    make_stream(tmp_path)
    make_stream(tmp_path, "other")
    folder = tmp_path / "web"
    (folder / "1.root.json").write_bytes((tmp_path / "other/1.root.json").read_bytes())
    with pytest.raises(DamagedError, match="are not of the same stream"):
        Authority.open(folder)
    (folder / "1.root.json").unlink()
    with pytest.raises(DamagedError, match="web holds no root"):
        Authority.open(folder)
    (folder / "authority.json").write_bytes(b"{}")
    with pytest.raises(DamagedError, match=r"authority\.json: no key 'format'"):
        Authority.open(folder)


class _BrokenSigner(Signer):
    """A token that was pulled out."""

    def __init__(self, key: Key) -> None:
        self._key = key

    @property
    def public_key(self) -> Key:
        return self._key

    def sign(self, payload: bytes) -> Signature:
        raise OSError(f"no token for {len(payload)} bytes")

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        raise NotImplementedError


def test_a_signer_that_fails(tmp_path: Path) -> None:
    signer = _BrokenSigner(CryptoSigner.generate_ed25519().public_key)
    with pytest.raises(
        TrustError, match=r"the root metadata cannot be signed with .*: no token for"
    ):
        Authority.create(tmp_path / "web", "web", [KeyHolder.of("t", signer)], 1, the_time())
    assert not (tmp_path / "web").exists()


def test_a_crash_while_recording_costs_a_number_at_most(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    manifest = make_manifest()
    stream.head(manifest)
    for name in ("packing", "snapshot", "timestamp"):
        (tmp_path / "web" / f"{name}.json").unlink()
    assert stream.authority.next_sequence == 2
    assert stream.head()["metadata/targets.json"]


def test_lifetimes_allow_two_deliveries_a_year() -> None:
    assert LIFETIMES.timestamp >= timedelta(days=180)
