"""The life of a root, with real keys, up to a far side that follows the chain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root

from bundler.errors import DamagedError, RefusedError, TrustError
from bundler.model.canonical import canonical
from bundler.trust.authority import Authority
from bundler.trust.gate import admit, anchor_from_root, commit, load_anchor, pin
from bundler.trust.holders import KeyHolder
from bundler.trust.keys import NAME_FIELD, fingerprint, named
from bundler.trust.pending import add, quorums
from bundler.trust.rotation import Change, adopt, propose, remember_keys, successor
from bundler.trust.signing import LIFETIMES, Board, board_of
from tests.fakes.trust import FakeStream, make_index, make_manifest, make_stream, the_time


def key(name: str | None = None) -> CryptoSigner:
    signer = CryptoSigner.generate_ed25519()
    if name:
        signer.public_key.unrecognized_fields[NAME_FIELD] = name
    return signer


def holder(signer: CryptoSigner) -> KeyHolder:
    return KeyHolder.of("somewhere", signer)


def rotate(stream: FakeStream, change: Change, *signers: CryptoSigner) -> FakeStream:
    data, wanted = propose(stream.authority, change, signers, the_time())
    assert not any(each.lacking for each in wanted)
    adopt(stream.authority, data)
    return stream.with_signers(*signers)


def officers(stream: FakeStream) -> list[str]:
    return [named(each) for each in board_of(stream.authority.root).officers]


@pytest.fixture
def people() -> tuple[CryptoSigner, ...]:
    return key("ana"), key("ben"), key("cem"), key("host")


@pytest.fixture
def stream(tmp_path: Path, people: Sequence[CryptoSigner]) -> FakeStream:
    *three, host = people
    return make_stream(tmp_path, signers=three, threshold=2, packing=host)


def test_a_new_root_begins_its_expiry_anew_and_needs_old_and_new(
    stream: FakeStream, people: Sequence[CryptoSigner]
) -> None:
    ana, ben, _, host = people
    dan = key("dan")
    now = the_time().replace(microsecond=0)
    change = Change(add=[holder(dan)], remove=["cem"], threshold=3)
    data, wanted = propose(stream.authority, change, [ana, dan, host], now)
    assert [(each.root, each.threshold, each.lacking) for each in wanted] == [(1, 2, 1), (2, 3, 1)]
    with pytest.raises(TrustError, match="root 1 demands 2 signatures; 1 are there, missing: "):
        adopt(stream.authority, data)
    judges = [stream.authority.root, Metadata[Root].from_bytes(data).signed]
    whole = add(data, Root, judges, [ben])
    assert not any(each.lacking for each in quorums(whole, Root, judges))
    path = adopt(stream.authority, whole)
    assert path.name == "2.root.json"
    assert stream.authority.root.expires == now + LIFETIMES.root
    assert [each.split("(")[1] for each in officers(stream)] == ["ana)", "ben)", "dan)"]
    assert stream.authority.root.roles["targets"].threshold == 3


def test_the_far_side_follows_the_chain_from_any_root(
    stream: FakeStream, people: Sequence[CryptoSigner], tmp_path: Path
) -> None:
    ana, ben, cem, host = people
    first = stream.root
    pin(first, tmp_path / "trust")
    commit(admit(stream.head(), load_anchor(tmp_path / "trust", "web")), tmp_path / "trust")
    dan, other = key("dan"), key("host2")
    stream = rotate(stream, Change(add=[holder(dan)], remove=["cem"]), ana, ben, dan, host)
    stream = rotate(stream, Change(packing=holder(other)), ana, ben, dan, other)
    head = stream.head()
    for anchor in (anchor_from_root(first), load_anchor(tmp_path / "trust", "web")):
        admission = admit(head, anchor)
        assert admission.root_version == 3
        assert admission.signers["packing"] == (named(other.public_key),)
    with pytest.raises(RefusedError):
        admit(stream.with_signers(ana, cem, host).head(), anchor_from_root(first))


def test_an_old_key_no_longer_counts(stream: FakeStream, people: Sequence[CryptoSigner]) -> None:
    ana, ben, cem, host = people
    stream = rotate(stream, Change(remove=["cem"]), ana, ben, host)
    with pytest.raises(TrustError, match="2 of the keys for targets must sign; 1 at hand"):
        stream.with_signers(ana, cem, host).head()
    stream.with_signers(ana, ben, host).head()


def test_fast_forward_is_healed_by_a_new_packing_key(
    stream: FakeStream, people: Sequence[CryptoSigner], tmp_path: Path
) -> None:
    """A thief of the packing key counted to the end; TUF §5.3.11 lets a new key begin again."""
    ana, ben, _, host = people
    trust = tmp_path / "trust"
    pin(stream.root, trust)
    stolen = stream.head()
    for role in ("snapshot", "timestamp"):
        document: Metadata[Any] = Metadata.from_bytes(stolen[f"metadata/{role}.json"])
        document.signed.version = 999_999_999
        if role == "timestamp":
            document.signed.snapshot_meta = _meta(stolen["metadata/snapshot.json"], 999_999_999)
        document.sign(host)
        stolen[f"metadata/{role}.json"] = canonical(document.to_dict())
    commit(admit(stolen, load_anchor(trust, "web")), trust)
    with pytest.raises(RefusedError, match="is older than what was accepted before"):
        admit(stream.head(), load_anchor(trust, "web"))
    other = key("host2")
    stream = rotate(stream, Change(packing=holder(other)), ana, ben, other)
    admission = admit(stream.head(), load_anchor(trust, "web"))
    assert admission.versions["timestamp"] < 10


def _meta(data: bytes, version: int) -> MetaFile:
    return MetaFile.from_data(version, data, ["sha256"])


def test_a_new_packing_key_may_not_pack_what_it_was_not_authorised_for(
    stream: FakeStream, people: Sequence[CryptoSigner]
) -> None:
    ana, ben, _, host = people
    manifest = make_manifest()
    stream.head(manifest)
    other = key("host2")
    stream = rotate(stream, Change(packing=holder(other)), ana, ben, other)
    with pytest.raises(TrustError, match="the packing host got another key") as caught:
        stream.repacked(manifest)
    assert caught.value.hint == "make sequence 2: bundle create"
    assert host not in stream.signers


@pytest.mark.parametrize("by", ["name", "fingerprint", "short"])
def test_an_officer_is_removed_by_name_or_fingerprint(
    stream: FakeStream, people: Sequence[CryptoSigner], by: str
) -> None:
    ana = people[0].public_key
    word = {"name": "ana", "fingerprint": fingerprint(ana), "short": ana.keyid[:8]}[by]
    root = successor(stream.authority, Change(remove=[word]), the_time())
    assert ana.keyid not in root.keys


def test_what_cannot_be_changed_so(stream: FakeStream, people: Sequence[CryptoSigner]) -> None:
    ana = people[0]
    twin = key("ana")
    for change, reason in (
        (Change(remove=["zoe"]), "'zoe' is none of the officers: "),
        (Change(remove=["1f0c"]), "'1f0c' is none of the officers: "),
        (Change(add=[holder(ana)]), r"\(ana\) is an officer already"),
        (Change(add=[holder(twin)]), r"\(ana\) is an officer already"),
        (Change(threshold=4), "4 of 3 different keys cannot be required to sign"),
        (Change(remove=["ana", "ben"]), "2 of 1 different keys cannot be required to sign"),
    ):
        with pytest.raises(TrustError, match=reason):
            successor(stream.authority, change, the_time())


def test_a_key_is_replaced_in_one_step(stream: FakeStream, people: Sequence[CryptoSigner]) -> None:
    ana, ben, _, host = people
    new = key("ana")
    stream = rotate(stream, Change(add=[holder(new)], remove=["ana"]), ana, ben, new, host)
    assert named(new.public_key) in officers(stream)
    assert named(ana.public_key) not in officers(stream)


def test_one_person_who_packs_replaces_the_only_key(tmp_path: Path) -> None:
    old, new = key("me"), key("me")
    stream = make_stream(tmp_path, signers=[old])
    change = Change(add=[holder(new)], remove=["me"])
    with pytest.raises(TrustError, match=r"signs with .* \(me\), who would leave") as caught:
        successor(stream.authority, change, the_time())
    assert caught.value.hint == "give --packing-key as well"
    both = Change(add=[holder(new)], remove=["me"], packing=holder(new))
    stream = rotate(stream, both, old, new)
    assert stream.with_signers(new).head()


def test_only_the_next_root_is_adopted(stream: FakeStream, people: Sequence[CryptoSigner]) -> None:
    data, _ = propose(stream.authority, Change(), people, the_time())
    adopt(stream.authority, data)
    with pytest.raises(TrustError, match="this is root 2; the next one of web is 3"):
        adopt(stream.authority, data)


def test_a_root_of_another_stream_is_not_adopted(
    stream: FakeStream, people: Sequence[CryptoSigner]
) -> None:
    root = successor(stream.authority, Change(), the_time())
    root.unrecognized_fields["x-bundler-stream"] = "data"
    metadata = Metadata(root)
    for signer in people[:3]:
        metadata.sign(signer, append=True)
    with pytest.raises(TrustError, match="this root is not of the stream web"):
        adopt(stream.authority, canonical(metadata.to_dict()))


def test_a_bad_signature_is_not_carried_on(
    stream: FakeStream, people: Sequence[CryptoSigner]
) -> None:
    data, _ = propose(stream.authority, Change(), people[:1], the_time())
    root = Metadata[Root].from_bytes(data).signed
    judges = [stream.authority.root, root]
    ana = people[0].public_key.keyid
    metadata = Metadata[Root].from_bytes(data)
    metadata.signatures[ana].signature = "00" * 64
    with pytest.raises(DamagedError, match=r"the signature of .* \(ana\) under the root metadata"):
        quorums(canonical(metadata.to_dict()), Root, judges)
    metadata = Metadata[Root].from_bytes(data)
    metadata.sign(key(), append=True)
    with pytest.raises(DamagedError, match="which is none of the officers' keys"):
        add(canonical(metadata.to_dict()), Root, judges, [people[1]])


def test_how_keys_were_given_is_remembered(stream: FakeStream, tmp_path: Path) -> None:
    dan = key("dan")
    remember_keys(stream.authority, [KeyHolder.of("/media/dan.key", dan)])
    found = Authority.open(tmp_path / "web")
    assert set(found.references) == {"key0", "key1", "key2", "packing", "/media/dan.key"}


# Hybrid keys


def hybrid(name: str) -> tuple[CryptoSigner, CryptoSigner]:
    pair = CryptoSigner.generate_ed25519(), CryptoSigner.generate_mldsa()
    for each in pair:
        each.public_key.unrecognized_fields[NAME_FIELD] = name
    return pair


def test_both_halves_of_a_hybrid_key_must_sign(tmp_path: Path) -> None:
    pair = hybrid("ana")
    authority = Authority.create(
        tmp_path / "web", "web", [KeyHolder.of("ana", *pair)], 1, the_time()
    )
    for role in authority.root.roles.values():
        assert (len(role.keyids), role.threshold) == (2, 2)
    manifest = make_manifest()
    index = make_index(manifest, authority.root_chain())
    for half in pair:
        with pytest.raises(TrustError, match=r"2 of the keys for .* must sign; 1 at hand"):
            authority.authorise(
                manifest.to_bytes(), 1, {index.name: index.to_bytes()}, [half], the_time()
            )
    stream = FakeStream(authority, pair)
    admission = admit(stream.head(), anchor_from_root(stream.root))
    assert [len(admission.signers[role]) for role in ("root", "targets", "packing")] == [2, 2, 2]


def test_a_stolen_half_of_a_hybrid_key_lets_nothing_in(tmp_path: Path) -> None:
    """Whoever breaks Ed25519 has every Ed25519 key, and still none of ML-DSA."""
    ana, ben = hybrid("ana"), hybrid("ben")
    holders = [KeyHolder.of("a", *ana), KeyHolder.of("b", *ben)]
    authority = Authority.create(tmp_path / "web", "web", holders, 2, the_time())
    assert authority.root.roles["targets"].threshold == 4
    head = FakeStream(authority, (*ana, *ben)).head()
    targets = Metadata.from_bytes(head["metadata/targets.json"])
    for half in (ana[1], ben[1]):
        del targets.signatures[half.public_key.keyid]
    head["metadata/targets.json"] = canonical(targets.to_dict())
    with pytest.raises(RefusedError):
        admit(head, anchor_from_root(authority.root_bytes()))


def test_a_part_of_the_officers_cannot_be_enough_with_hybrid_keys(tmp_path: Path) -> None:
    holders = [KeyHolder.of(name, *hybrid(name)) for name in ("ana", "ben", "cem")]
    with pytest.raises(TrustError, match="with hybrid keys all 3 officers must sign, not 2") as c:
        Authority.create(tmp_path / "web", "web", holders, 2, the_time())
    assert c.value.hint == "give --threshold 3, or keys of one kind"


def test_a_board_counts_people_not_keys() -> None:
    pair = hybrid("ana")
    board = Board(tuple(each.public_key for each in pair), 1, (pair[0].public_key,))
    assert board.signatures() == 2
    one = Board((pair[0].public_key,) * 2, 2, ())
    with pytest.raises(TrustError, match="2 of 1 different keys"):
        one.signatures()


def test_a_rotation_from_plain_keys_to_hybrid_ones(tmp_path: Path) -> None:
    old, pair = key("me"), hybrid("ana")
    stream = make_stream(tmp_path, signers=[old])
    new = KeyHolder.of("ana", *pair)
    stream = rotate(stream, Change(add=[new], remove=["me"], packing=new), old, *pair)
    root = stream.authority.root
    assert root.roles["root"].threshold == root.roles["timestamp"].threshold == 2
    assert stream.with_signers(*pair).head()
