"""Attacks on the gate, each by its name, with real keys and real metadata."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Role,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from bundler.errors import BundlerError, DamagedError, RefusedError, TrustError
from bundler.model.canonical import canonical
from bundler.model.volume_set import VolumeSummary
from bundler.trust.gate import (
    Admission,
    Anchor,
    admit,
    anchor_from_root,
    commit,
    load_anchor,
    pin,
    remember_roots,
)
from bundler.trust.keys import fingerprint
from bundler.trust.signing import LIFETIMES
from tests.fakes.lies import Head, edit, seal
from tests.fakes.trust import (
    FakeStream,
    digest,
    make_index,
    make_manifest,
    make_set,
    make_stream,
    the_time,
)


@pytest.fixture
def stream(tmp_path: Path) -> FakeStream:
    return make_stream(tmp_path / "outside")


@pytest.fixture
def trust(tmp_path: Path, stream: FakeStream) -> Path:
    pin(stream.root, tmp_path / "trust")
    return tmp_path / "trust"


def accept(head: Head, trust: Path) -> Admission:
    admission = admit(head, load_anchor(trust, "web"))
    commit(admission, trust)
    return admission


def refused(head: Head, anchor: Anchor | Path, reason: str) -> RefusedError:
    anchor = load_anchor(anchor, "web") if isinstance(anchor, Path) else anchor
    with pytest.raises(RefusedError, match=reason) as caught:
        admit(head, anchor)
    assert type(caught.value) in {TrustError, DamagedError}
    return caught.value


def rotate(
    stream: FakeStream,
    new: CryptoSigner,
    signers: Sequence[CryptoSigner],
    version: int = 2,
    name: str = "web",
) -> FakeStream:
    """Put a root whose every role has the key `new` beside the stream's others."""
    root = Metadata[Root].from_bytes(stream.root)
    root.signed.version = version
    root.signed.keys = {new.public_key.keyid: new.public_key}
    root.signed.roles = {role: Role([new.public_key.keyid], 1) for role in root.signed.roles}
    root.signed.unrecognized_fields["x-bundler-stream"] = name
    root.signatures.clear()
    for signer in signers:
        root.sign(signer, append=True)
    path = stream.authority.folder / f"{version}.root.json"
    path.write_bytes(canonical(root.to_dict()))
    return stream.with_signers(new)


# What is admitted


def test_a_head_is_admitted_and_says_who_vouches(stream: FakeStream, trust: Path) -> None:
    manifest = make_manifest()
    admission = admit(stream.head(manifest), load_anchor(trust, "web"))
    key = (fingerprint(stream.signers[0].public_key),)
    assert admission.manifest == manifest
    assert admission.index.name == "transport/web-000001.v01.json"
    assert (admission.stream, admission.sequence, admission.root_version) == ("web", 1, 1)
    roles = {"root", "timestamp", "snapshot", "targets", "packing"}
    assert admission.signers == dict.fromkeys(roles, key)
    assert set(admission.expires) == roles
    assert admission.expires["timestamp"] - the_time() < LIFETIMES.timestamp
    assert (admission.previous, admission.is_newer) == (0, True)


def test_admitting_alone_remembers_nothing(stream: FakeStream, trust: Path) -> None:
    before = load_anchor(trust, "web")
    admit(stream.head(), before)
    assert load_anchor(trust, "web") == before


def test_committing_remembers_the_sequence(stream: FakeStream, trust: Path) -> None:
    accept(stream.head(), trust)
    second = accept(stream.head(), trust)
    assert (second.sequence, second.previous, second.is_newer) == (2, 1, True)
    assert load_anchor(trust, "web").sequence == 2
    assert sorted(path.name for path in (trust / "web").iterdir()) == [
        "1.root.json",
        "packing.json",
        "snapshot.json",
        "targets.json",
        "timestamp.json",
    ]


def test_every_volume_and_every_resend_of_a_sequence(stream: FakeStream, trust: Path) -> None:
    manifest = make_manifest()
    roots = stream.authority.root_chain()
    heads = stream.heads(manifest, [make_index(manifest, roots, n, 3) for n in (1, 2, 3)])
    for head in (heads[2], heads[0], heads[1], heads[0]):
        accept(head, trust)
    again = accept(stream.repacked(manifest, 2), trust)
    assert (again.is_newer, again.sequence) == (False, 1)


def test_sequences_may_be_left_out(stream: FakeStream, trust: Path) -> None:
    accept(stream.head(), trust)
    stream.head()
    assert accept(stream.head(), trust).previous == 1


def test_hybrid_signatures_with_ml_dsa(tmp_path: Path) -> None:
    pair = [CryptoSigner.generate_ed25519(), CryptoSigner.generate_mldsa()]
    stream = make_stream(tmp_path, signers=pair, threshold=2)
    head = stream.head()
    admission = admit(head, anchor_from_root(stream.root))
    assert len(admission.signers["targets"]) == 2
    bounds = stream.authority.head_bounds()
    assert bounds.pop("metadata/2.root.json") > len(stream.root)
    assert all(len(head[name]) <= bound for name, bound in bounds.items())


def test_a_crash_within_commit_is_harmless(stream: FakeStream, trust: Path) -> None:
    accept(stream.head(), trust)
    old = {path.name: path.read_bytes() for path in (trust / "web").iterdir()}
    head = stream.head()
    accept(head, trust)
    for name in ("packing.json", "targets.json", "snapshot.json"):
        (trust / "web" / name).write_bytes(old[name])
        assert accept(head, trust).sequence == 2
        assert load_anchor(trust, "web").sequence == 2


# Rollback, replay, freeze, fast-forward


def test_rollback(stream: FakeStream, trust: Path) -> None:
    first = stream.head()
    accept(stream.head(), trust)
    error = refused(first, trust, "web: sequence 1 is older than 2, which was accepted before")
    assert "bring the newest bundle" in str(error.hint)


def test_rollback_under_a_newer_timestamp(stream: FakeStream, trust: Path) -> None:
    """The packing key was stolen: it can date old metadata anew, but not go back."""
    first = stream.head()
    accept(stream.head(), trust)
    for role in ("snapshot", "timestamp"):
        edit(first, role, lambda signed: setattr(signed, "version", 9), stream.signers)
    seal(first, stream.signers)
    refused(first, trust, "sequence 1 is older than 2")


def test_rollback_after_a_change_of_keys(stream: FakeStream, trust: Path) -> None:
    """TUF forgets the old timestamp when its key changes; the sequence is not forgotten."""
    stream.head()
    accept(stream.head(), trust)
    new = CryptoSigner.generate_ed25519()
    rotated = rotate(stream, new, [*stream.signers, new])
    for path in stream.authority.folder.glob("[pst]*.json"):
        path.unlink()
    refused(rotated.head(), trust, "sequence 1 is older than 2")


def test_rollback_of_the_packing_alone(stream: FakeStream, trust: Path) -> None:
    manifest = make_manifest()
    first = stream.head(manifest)
    accept(stream.repacked(manifest), trust)
    refused(first, trust, r"timestamp\.json is older than what was accepted before")


def test_replay_of_a_sequence_with_other_content(stream: FakeStream, trust: Path) -> None:
    accept(stream.head(), trust)
    for path in stream.authority.folder.glob("[pst]*.json"):
        path.unlink()  # the sender lost its state and counts from 1 again
    other = stream.head(make_manifest(tool="bundler 1"))
    refused(other, trust, "web: sequence 1 was accepted before with other content")
    for role in ("snapshot", "timestamp"):
        edit(other, role, lambda signed: setattr(signed, "version", 2), stream.signers)
    seal(other, stream.signers)
    refused(other, trust, "sequence 1 was accepted before with other content")


def test_replay_of_a_timestamps_version_with_other_content(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    accept(head, trust)
    later = the_time() + timedelta(days=400)
    edit(
        head,
        "timestamp",
        lambda signed: setattr(signed, "expires", later.replace(microsecond=0)),
        stream.signers,
    )
    refused(head, trust, r"timestamp\.json was accepted before in the same version")


@pytest.mark.parametrize(
    ("age", "role"),
    [
        (LIFETIMES.timestamp, "timestamp"),
        (LIFETIMES.root, "root"),
    ],
)
def test_freeze(tmp_path: Path, age: timedelta, role: str) -> None:
    then = (the_time() - age).replace(microsecond=0)
    stream = make_stream(tmp_path, now=then)
    manifest = make_manifest()
    head = stream.heads(manifest, [make_index(manifest, stream.authority.root_chain())], then)[0]
    error = refused(head, anchor_from_root(stream.root), f"the {role} metadata expired on")
    assert f"{then + age:%Y-%m-%d at %H:%M} UTC" in error.message
    assert "clock" in str(error.hint)


@pytest.mark.parametrize("role", ["snapshot", "targets", "packing"])
def test_freeze_of_one_role(stream: FakeStream, trust: Path, role: str) -> None:
    head = stream.head()
    past = the_time().replace(microsecond=0) - timedelta(days=1)
    edit(head, role, lambda signed: setattr(signed, "expires", past), stream.signers)
    if role == "snapshot":
        data = head["metadata/snapshot.json"]

        def name_it(signed: Signed) -> None:
            assert isinstance(signed, Timestamp)
            signed.snapshot_meta = MetaFile.from_data(1, data, ["sha256"])

        edit(head, "timestamp", name_it, stream.signers)
    else:
        seal(head, stream.signers)
    refused(head, trust, f"the {role} metadata expired on {past:%Y-%m-%d}")


def test_fast_forward_is_recorded(stream: FakeStream, trust: Path) -> None:
    accept(stream.head(), trust)
    head = stream.head()
    edit(head, "timestamp", lambda signed: setattr(signed, "version", 10**6), stream.signers)
    admission = accept(head, trust)
    assert admission.versions["timestamp"] == 10**6
    assert admission.sequence == 2


# Mix-and-match, swaps


def test_the_manifest_of_one_bundle_under_the_metadata_of_another(
    stream: FakeStream, trust: Path
) -> None:
    first, second = stream.head(), stream.head()
    second["manifest.json"] = first["manifest.json"]
    refused(second, trust, r"manifest\.json is not the one that was signed")


@pytest.mark.parametrize("role", ["snapshot", "targets", "packing"])
def test_metadata_of_another_bundle(stream: FakeStream, trust: Path, role: str) -> None:
    first, second = stream.head(), stream.head()
    second[f"metadata/{role}.json"] = first[f"metadata/{role}.json"]
    by = "timestamp" if role == "snapshot" else "snapshot"
    refused(second, trust, rf"{role}\.json is not the file that {by} names")


def test_metadata_that_is_longer_than_named(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    both = [*stream.signers, CryptoSigner.generate_ed25519()]
    edit(head, "snapshot", lambda _: None, both)
    refused(head, trust, r"snapshot\.json is not the file that timestamp names")


def test_the_timestamp_of_another_bundle(stream: FakeStream, trust: Path) -> None:
    first, second = stream.head(), stream.head()
    second["metadata/timestamp.json"] = first["metadata/timestamp.json"]
    refused(second, trust, r"snapshot\.json is not the file that timestamp names")


def test_a_manifest_swapped_under_a_good_signature(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    head["manifest.json"] = make_manifest(tool="evil").to_bytes()
    refused(head, trust, r"manifest\.json is not the one that was signed")


def test_an_index_swapped_under_a_good_signature(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    name = "transport/web-000001.v01.json"
    head[name] = head[name].replace(b'"label":"documents"', b'"label":"dokuments"')
    refused(head, trust, rf"{name} is not the one that was signed")


def test_the_index_of_another_volume_under_this_name(stream: FakeStream, trust: Path) -> None:
    manifest = make_manifest()
    data = manifest.to_bytes()
    index = make_index(manifest, stream.authority.root_chain(), 2, 2)
    volumes = make_set(manifest, [index])
    packed = {"transport/web-000001.v01.json": index.to_bytes(), volumes.name: volumes.to_bytes()}
    head = stream.authority.authorise(data, 1, packed, stream.signers, the_time())
    head |= {"manifest.json": data, **packed}
    refused(head, trust, "describes another volume, transport/web-000001.v02.json")


def test_an_index_that_nobody_signed(stream: FakeStream, trust: Path) -> None:
    manifest = make_manifest()
    head = stream.head(manifest)
    del head["transport/web-000001.v01.json"]
    extra = make_index(manifest, stream.authority.root_chain(), 2, 2)
    head[extra.name] = extra.to_bytes()
    refused(head, trust, rf"{extra.name} is not named by the metadata of this head")


def test_the_index_of_another_manifest(stream: FakeStream, trust: Path) -> None:
    manifest = make_manifest()
    index = make_index(make_manifest(tool="x"), stream.authority.root_chain())
    refused(stream.head(manifest, index), trust, "belongs to another manifest of sequence 1")


def test_the_index_of_another_sequence(stream: FakeStream, trust: Path) -> None:
    manifest = make_manifest()
    index = replace(make_index(manifest, stream.authority.root_chain()), sequence=2)
    refused(
        stream.head(manifest, index),
        trust,
        "officers signed sequence 1; the manifest says 1, the volume 2",
    )


def test_the_index_of_another_stream(stream: FakeStream, trust: Path) -> None:
    manifest = make_manifest()
    index = replace(make_index(manifest, stream.authority.root_chain()), stream="data")
    head = stream.head(manifest, index)
    head["transport/web-000001.v01.json"] = head.pop(index.name)
    refused(head, trust, "is not named by the metadata of this head")


def test_a_manifest_of_another_stream_signed_by_our_officers(
    stream: FakeStream, trust: Path
) -> None:
    head = stream.head()
    other = make_manifest("data").to_bytes()
    head["manifest.json"] = other

    def name_it(signed: Signed) -> None:
        assert isinstance(signed, Targets)
        signed.targets["manifest.json"] = TargetFile.from_data("manifest.json", other)

    edit(head, "targets", name_it, stream.signers)
    seal(head, stream.signers)
    refused(head, trust, "the manifest is of the stream data, the volume of web")


def test_a_signed_manifest_that_is_not_understood(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    head["manifest.json"] = head["manifest.json"].replace(b'"format":1', b'"format":2')

    def name_it(signed: Signed) -> None:
        assert isinstance(signed, Targets)
        data = head["manifest.json"]
        signed.targets["manifest.json"] = TargetFile.from_data("manifest.json", data)

    edit(head, "targets", name_it, stream.signers)
    seal(head, stream.signers)
    error = refused(head, trust, "signed, but not understood: manifest.format")
    assert "newer version" in str(error.hint)


def test_wrong_stream(tmp_path: Path, trust: Path) -> None:
    other = make_stream(tmp_path / "other", "data")
    refused(other.head(), trust, "a volume of the stream data; the root is for web")


# Keys and thresholds


def test_unknown_key(tmp_path: Path, trust: Path, stream: FakeStream) -> None:
    stranger = make_stream(tmp_path / "stranger")
    key = fingerprint(stream.signers[0].public_key)
    error = refused(
        stranger.head(),
        trust,
        rf"timestamp\.json is not signed by 1 of the keys that web trusts for timestamp: {key}",
    )
    assert "ask the sender" in str(error.hint)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "packing"])
def test_one_role_signed_by_an_unknown_key(stream: FakeStream, trust: Path, role: str) -> None:
    head = stream.head()
    edit(head, role, lambda _: None, [CryptoSigner.generate_ed25519()])
    if role in {"targets", "packing"}:
        seal(head, stream.signers)
    if role == "snapshot":
        data = head["metadata/snapshot.json"]

        def name_it(signed: Signed) -> None:
            assert isinstance(signed, Timestamp)
            signed.snapshot_meta = MetaFile.from_data(1, data, ["sha256"])

        edit(head, "timestamp", name_it, stream.signers)
    refused(head, trust, rf"{role}\.json is not signed by 1 of the keys .* for {role}: ")


def test_the_packing_key_cannot_let_a_manifest_in(tmp_path: Path) -> None:
    officer, packer = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    stream = make_stream(tmp_path, signers=[officer], packing=packer)
    head = stream.head()
    edit(head, "targets", lambda _: None, [packer])
    seal(head, [packer])
    key = fingerprint(officer.public_key)
    refused(head, anchor_from_root(stream.root), f"for targets: {key}")


def test_threshold_one_signature_of_two(tmp_path: Path) -> None:
    officers = [CryptoSigner.generate_ed25519() for _ in range(2)]
    stream = make_stream(tmp_path, signers=officers, threshold=2)
    head = stream.head()
    edit(head, "targets", lambda _: None, officers[:1])
    seal(head, officers)
    refused(head, anchor_from_root(stream.root), r"targets\.json is not signed by 2 of the keys")


def test_threshold_one_key_signing_twice(tmp_path: Path) -> None:
    officers = [CryptoSigner.generate_ed25519() for _ in range(2)]
    stream = make_stream(tmp_path, signers=officers, threshold=2)
    head = stream.head()
    metadata = Metadata[Targets].from_bytes(head["metadata/targets.json"])
    document = metadata.to_dict()
    document["signatures"] = [document["signatures"][0]] * 2
    head["metadata/targets.json"] = canonical(document)
    refused(head, anchor_from_root(stream.root), "Multiple signatures found for keyid")
    # The first one's signature under the second one's id
    document["signatures"][1] = {**document["signatures"][0], "keyid": officers[1].public_key.keyid}
    head["metadata/targets.json"] = canonical(document)
    seal(head, officers)
    refused(head, anchor_from_root(stream.root), r"targets\.json is not signed by 2 of the keys")


def test_threshold_zero_in_a_doctored_root(stream: FakeStream) -> None:
    root = Metadata[Root].from_bytes(stream.root)
    root.signed.roles["targets"].threshold = 0
    root.sign(stream.signers[0])
    with pytest.raises(DamagedError, match="threshold should be at least 1"):
        anchor_from_root(canonical(root.to_dict()))


def test_threshold_one_public_key_under_two_ids(stream: FakeStream) -> None:
    root = Metadata[Root].from_bytes(stream.root)
    key = stream.signers[0].public_key
    twin = type(key)("f" * 64, key.keytype, key.scheme, {"public": key.keyval["public"].upper()})
    root.signed.add_key(twin, "targets")
    root.sign(stream.signers[0])
    with pytest.raises(DamagedError, match="one public key stands under two ids"):
        anchor_from_root(canonical(root.to_dict()))


@pytest.mark.parametrize("version", [True, 1_000_000_000])
def test_a_root_of_an_odd_version_is_no_root(stream: FakeStream, version: object) -> None:
    document = json.loads(stream.root)
    document["signed"]["version"] = version
    with pytest.raises(DamagedError, match="its version is not a number"):
        anchor_from_root(canonical(document))


def test_a_spare_signature_on_the_timestamp(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    edit(head, "timestamp", lambda _: None, [*stream.signers, CryptoSigner.generate_ed25519()])
    refused(head, trust, "carries a signature that none of its keys made")


# The chain of roots


def test_rotation_signed_by_both_is_accepted_and_kept(stream: FakeStream, trust: Path) -> None:
    accept(stream.head(), trust)
    new = CryptoSigner.generate_ed25519()
    rotated = rotate(stream, new, [*stream.signers, new])
    admission = accept(rotated.head(), trust)
    assert admission.root_version == 2
    assert admission.signers["targets"] == (fingerprint(new.public_key),)
    assert (trust / "web/2.root.json").read_bytes() == rotated.root
    assert (trust / "web/1.root.json").exists()
    assert accept(rotated.head(), trust).sequence == 3
    assert not pin(rotated.root, trust).changed


def test_a_replaced_key_is_out_though_its_successors_bundle_never_went_live(
    stream: FakeStream, trust: Path
) -> None:
    new = CryptoSigner.generate_ed25519()
    old = stream.head()
    rotated = rotate(stream, new, [*stream.signers, new])
    remember_roots(admit(rotated.head(), load_anchor(trust, "web")), trust)
    assert set(load_anchor(trust, "web").files) == {"1.root.json", "2.root.json"}
    assert load_anchor(trust, "web").sequence == 0
    refused(old, trust, "is not signed by 1 of the keys")


def test_an_expired_root_is_told_by_the_date_of_the_one_trusted_here(tmp_path: Path) -> None:
    stream = make_stream(tmp_path, now=the_time() - timedelta(days=6 * 365))
    head = stream.head()
    anchor = anchor_from_root(stream.root)
    expired = f"the root metadata expired on {anchor_date(stream.root)}"
    refused(head, anchor, expired)
    refused({name: data for name, data in head.items() if "root" not in name}, anchor, expired)


def anchor_date(root: bytes) -> str:
    return f"{Metadata[Root].from_bytes(root).signed.expires:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("name", "limit"),
    [("timestamp", 65_536), ("snapshot", 2_000_000), ("targets", 5_000_000), ("9.root", 512_000)],
)
def test_no_metadata_is_parsed_that_is_too_large(
    stream: FakeStream, trust: Path, name: str, limit: int
) -> None:
    head = stream.head() | {f"metadata/{name}.json": b"[" * (limit + 1)}
    refused(head, trust, rf"{name}\.json has {limit + 1} bytes, {limit} at most")


@pytest.mark.parametrize("signed_by", ["new", "old"])
def test_rotation_signed_by_one_only(stream: FakeStream, trust: Path, signed_by: str) -> None:
    new = CryptoSigner.generate_ed25519()
    signers = [new] if signed_by == "new" else stream.signers
    rotated = rotate(stream, new, signers)
    refused(rotated.head(), trust, r"2\.root\.json is not signed by enough keys")
    assert not (trust / "web/2.root.json").exists()


def test_rotation_that_skips_a_version(stream: FakeStream, trust: Path) -> None:
    new = CryptoSigner.generate_ed25519()
    rotated = rotate(stream, new, [*stream.signers, new], version=3)
    refused(rotated.head(), trust, r"timestamp\.json is not signed by 1 of the keys")


def test_a_root_behind_a_gap(stream: FakeStream, trust: Path) -> None:
    rotated = rotate(stream, stream.signers[0], stream.signers, version=3)
    refused(rotated.head(), trust, "the chain of roots has a gap behind version 1")


def test_a_root_under_the_wrong_version(stream: FakeStream, trust: Path) -> None:
    rotated = rotate(stream, stream.signers[0], stream.signers, version=3)
    (stream.authority.folder / "3.root.json").rename(stream.authority.folder / "2.root.json")
    refused(rotated.head(), trust, r"2\.root\.json has the wrong version: Expected root version 2")


def test_a_rotation_to_another_stream(stream: FakeStream, trust: Path) -> None:
    rotated = rotate(stream, stream.signers[0], stream.signers, name="data")
    refused(rotated.head(), trust, "the newest root is not for the stream web")


def test_an_old_volume_after_a_rotation(stream: FakeStream) -> None:
    """A chain that ends before the trusted root is no harm where the keys are still good."""
    old = stream.head()
    key = stream.signers[0]
    rotated = rotate(stream, key, [key])
    assert admit(old, anchor_from_root(rotated.root)).root_version == 2


def test_another_root_of_the_pinned_version(stream: FakeStream, trust: Path) -> None:
    path = stream.authority.folder / "1.root.json"
    root = Metadata[Root].from_bytes(path.read_bytes())
    root.signed.expires += timedelta(days=1)
    root.sign(stream.signers[0])
    path.write_bytes(canonical(root.to_dict()))
    refused(stream.head(), trust, r"1\.root\.json differs from the root of that version")


def test_a_root_that_the_index_does_not_name(stream: FakeStream, trust: Path) -> None:
    manifest = make_manifest()
    head = stream.head(manifest, make_index(manifest, {}))
    refused(head, trust, r"1\.root\.json is not the one that the volume's index names")


def test_a_root_that_is_left_out(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    del head["metadata/1.root.json"]
    refused(head, trust, r"1\.root\.json is not the one that the volume's index names")


# What the head holds


@pytest.mark.parametrize(
    "name",
    [
        "metadata/evil.json",
        "metadata/01.root.json",
        "metadata/root.json",
        "1.root.json",
        "notes.txt",
        "metadata/../x",
    ],
)
def test_an_extra_entry(stream: FakeStream, trust: Path, name: str) -> None:
    refused(stream.head() | {name: b"{}"}, trust, "has no place in a head")


def test_an_entry_too_few(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    for name in head:
        if ".root." not in name:
            rest = {key: data for key, data in head.items() if key != name}
            refused(rest, trust, "the head has (no|0) ")


def test_two_indexes(stream: FakeStream, trust: Path) -> None:
    head = stream.head() | {"transport/web-000001.v02.json": b"{}"}
    refused(head, trust, "the head has 2 volume indexes instead of one")


# The set of volumes


SET = "transport/web-000001.set.json"


def head_with_set(
    stream: FakeStream, changes: Mapping[str, object] = MappingProxyType({}), name: str = SET
) -> Head:
    """A head that is signed throughout, with another set of volumes."""
    manifest = make_manifest()
    index = make_index(manifest, stream.authority.root_chain())
    volumes = replace(make_set(manifest, [index]), **changes)  # type: ignore[arg-type] # any of them
    packed = {index.name: index.to_bytes(), name: volumes.to_bytes()}
    data = manifest.to_bytes()
    head = stream.authority.authorise(data, 1, packed, stream.signers, the_time())
    return {**head, "manifest.json": data, **packed}


def test_the_set_is_admitted_too(stream: FakeStream, trust: Path) -> None:
    admission = admit(head_with_set(stream), load_anchor(trust, "web"))
    assert admission.set.kind == "full"
    assert [each.size for each in admission.set.volumes] == [admission.index.size]
    resend = admit(head_with_set(stream, {"kind": "resend"}), load_anchor(trust, "web"))
    assert resend.set.label == "web-000001.again"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stream": "data"}, "the volume of web, its set of data; the root is for web"),
        ({"sequence": 2}, "the manifest says 1, the volume 1, its set 2"),
        ({"manifest": digest(b"x")}, f"{SET} belongs to another manifest of sequence 1"),
        (
            {"volumes": (VolumeSummary(size=151, parity=False, projects=()),)},
            f"{SET} gives volume 1 another size than its index",
        ),
        (
            {"volumes": (VolumeSummary(size=150, parity=False, projects=()),) * 2},
            r"v01\.json is of 1 volumes, its set has 2",
        ),
        ({"volumes": ()}, "signed, but not understood: volume set: no volumes"),
    ],
)
def test_a_set_that_contradicts_the_rest(
    stream: FakeStream, trust: Path, changes: dict[str, object], reason: str
) -> None:
    refused(head_with_set(stream, changes), trust, reason)


def test_a_set_that_nobody_signed(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    head[SET] = head[SET].replace(b'"kind":"full"', b'"kind":"resend"')
    refused(head, trust, f"{SET} is not the one that was signed")


def test_a_set_under_another_name(stream: FakeStream, trust: Path) -> None:
    head = head_with_set(stream)
    other = "transport/web-000002.set.json"
    head[other] = head.pop(SET)
    refused(head, trust, f"{other} is not named by the metadata of this head")
    signed = head_with_set(stream, name=other)
    refused(signed, trust, f"{other} describes another volume, {SET}")


def test_two_sets_and_none(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    refused(
        head | {"transport/web-000002.set.json": head[SET]},
        trust,
        "the head has 2 volume sets instead of one",
    )
    del head[SET]
    refused(head, trust, "the head has 0 volume sets instead of one")


def test_metadata_without_digests(stream: FakeStream, trust: Path) -> None:
    """TUF permits a snapshot without digests; here nothing would cover signatures then."""
    head = stream.head()
    seal(head, stream.signers, hashes=False)
    refused(head, trust, r"snapshot\.json is not under a sha256 digest")


def test_a_target_under_a_weak_digest(stream: FakeStream, trust: Path) -> None:
    head = stream.head()

    def weaken(signed: Signed) -> None:
        assert isinstance(signed, Targets)
        file = signed.targets["manifest.json"]
        weak = hashlib.new("md5", head["manifest.json"], usedforsecurity=False).hexdigest()
        file.hashes = {"md5": weak}

    edit(head, "targets", weaken, stream.signers)
    seal(head, stream.signers)
    refused(head, trust, r"manifest\.json is not the one that was signed")


def test_officers_name_nothing_but_the_manifest(stream: FakeStream, trust: Path) -> None:
    head = stream.head()

    def add(signed: Signed) -> None:
        assert isinstance(signed, Targets)
        signed.targets["more.json"] = TargetFile.from_data("more.json", b"")

    edit(head, "targets", add, stream.signers)
    seal(head, stream.signers)
    refused(head, trust, r"must name manifest\.json and nothing else")


def test_a_manifest_that_nobody_names(stream: FakeStream, trust: Path) -> None:
    head = stream.head()

    def remove(signed: Signed) -> None:
        assert isinstance(signed, Targets)
        signed.targets.clear()

    edit(head, "targets", remove, stream.signers)
    seal(head, stream.signers)
    refused(head, trust, r"manifest\.json is not named by the metadata of this head")


def test_packing_that_snapshot_does_not_name(stream: FakeStream, trust: Path) -> None:
    head = stream.head()

    def remove(signed: Signed) -> None:
        assert isinstance(signed, Snapshot)
        del signed.meta["packing.json"]

    edit(head, "snapshot", remove, stream.signers)
    data = head["metadata/snapshot.json"]

    def name_it(signed: Signed) -> None:
        assert isinstance(signed, Timestamp)
        signed.snapshot_meta = MetaFile.from_data(1, data, ["sha256"])

    edit(head, "timestamp", name_it, stream.signers)
    refused(head, trust, "Role packing was delegated but is not part of snapshot")


def test_a_delegation_to_a_role_that_a_head_cannot_have(stream: FakeStream, trust: Path) -> None:
    head = stream.head()

    def delegate(signed: Signed) -> None:
        assert isinstance(signed, Targets)
        assert signed.delegations
        assert signed.delegations.roles
        role = signed.delegations.roles.pop("packing")
        role.name = "other"
        signed.delegations.roles["other"] = role

    edit(head, "targets", delegate, stream.signers)
    head["metadata/other.json"] = head["metadata/packing.json"]
    seal(head, stream.signers)
    del head["metadata/other.json"]
    refused(head, trust, "Role other was delegated but is not part of snapshot")


def test_a_temporary_folder_that_is_not_there(
    stream: FakeStream, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with pytest.raises(BundlerError, match="the temporary folder cannot be used") as caught:
        admit(stream.head(), load_anchor(trust, "web"))
    assert caught.value.exit_code == 1


def test_nothing_is_left_in_the_temporary_folder(
    stream: FakeStream, trust: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    first = stream.head()
    accept(stream.head(), trust)
    refused(first, trust, "is older than 2")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_digest_of_the_manifest_is_remembered(stream: FakeStream, trust: Path) -> None:
    head = stream.head()
    accept(head, trust)
    assert load_anchor(trust, "web").manifest == digest(head["manifest.json"])
