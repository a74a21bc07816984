"""A staged file that lies, at every layer."""

from __future__ import annotations

import dataclasses
import functools
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.utils import NormalizedName
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from bundler.archive.proposal import ProposedManifest, ProposedRoot, open_proposal, sign_proposal
from bundler.archive.staged import encode_staged, read_staged, staged_blob
from bundler.errors import DamagedError, RefusedError, TrustError
from bundler.model.artifact import Blob
from bundler.model.canonical import canonical
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument
from bundler.report.authorisation import changes, describe_proposal
from bundler.trust.metadata import read_root
from bundler.trust.rotation import Change, adopt, pending_entries, propose, successor
from tests.fakes.mutations import mutated, signed, written
from tests.fakes.trust import FakeStream, blob, digest, make_manifest, make_stream, the_time

Entries = dict[str, bytes]


def document(
    name: str,
    *versions: str,
    content: bytes = b"",
    status: str = "active",
    status_reason: str | None = None,
) -> ProjectDocument:
    return ProjectDocument(
        name=NormalizedName(name),
        files=tuple(
            BundledFile(
                filename=f"{name}-{version}-py3-none-any.whl",
                blob=blob(f"{name} {version}".encode() + content),
                metadata=digest(b""),
                index="x",
                targets=("t",),
                required_by=("profile",),
            )
            for version in versions
        ),
        status=status,
        status_reason=status_reason,
    )


def stage(
    stream: FakeStream,
    *documents: ProjectDocument,
    projects: Mapping[NormalizedName, Blob] | None = None,
    locks: Mapping[str, Blob] | None = None,
) -> Entries:
    """The entries of a staged file, as `bundler.staging.stage` makes them."""
    authority = stream.authority
    parts = {each.name: each.to_bytes() for each in documents}
    manifest = dataclasses.replace(
        make_manifest(sequence=authority.next_sequence),
        projects=projects or {name: blob(data) for name, data in parts.items()},
        locks=locks or {},
    )
    data = manifest.to_bytes()
    blobs = [b"[profile]\n", *parts.values()]
    return {
        **authority.root_chain(),
        "metadata/targets.json": authority.draft(data, manifest.sequence, (), the_time()),
        "manifest.json": data,
        **{staged_blob(digest(each)): each for each in blobs},
    }


def let_in(stream: FakeStream, *documents: ProjectDocument) -> Entries:
    """Authorise these; gives what a later staged file has of them."""
    entries = stage(stream, *documents)
    manifest = Manifest.from_bytes(entries["manifest.json"])
    head = stream.head(manifest)
    own = [each.to_bytes() for each in documents]
    return {
        "previous/targets.json": head["metadata/targets.json"],
        "previous/manifest.json": entries["manifest.json"],
        **{staged_blob(digest(each)): each for each in own},
    }


@pytest.fixture
def stream(tmp_path: Path) -> FakeStream:
    return make_stream(tmp_path)


def opened(entries: Entries) -> ProposedManifest:
    found = open_proposal(entries)
    assert isinstance(found, ProposedManifest)
    return found


def refused(entries: Entries, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        open_proposal(entries)


def test_what_is_different_from_before(stream: FakeStream) -> None:
    gone, same = document("gone", "1"), document("same", "1")
    before = let_in(stream, gone, same, document("moved", "1"), document("swapped", "1"))
    after = stage(
        stream, same, document("moved", "1", "2"), document("swapped", "1", content=b"evil"),
        document("new", "3", status="quarantined", status_reason="malware"),
    )  # fmt: skip
    del before[staged_blob(digest(same.to_bytes()))]
    found = changes(opened(before | after))
    assert (found.since, found.profile_changed) == (1, False)
    assert (found.added, found.removed) == (("new 3",), ("gone 1",))
    assert found.changed == ("moved 1 → 1, 2", "swapped 1: 0 files more, 0 fewer")
    assert found.replaced == ("swapped-1-py3-none-any.whl",)
    text = describe_proposal(opened(before | after))[1]
    assert "  SAME NAME, OTHER CONTENT  swapped-1-py3-none-any.whl" in text
    assert "exceptions: 1\n  new is quarantined: malware\n" in text


def test_nothing_is_different_from_before(stream: FakeStream) -> None:
    same = document("same", "1")
    before = let_in(stream, same)
    text = describe_proposal(opened(before | stage(stream, same)))[1]
    assert "changes since sequence 1:\n  none\nexceptions: none\n" in text


def test_a_signature_is_added_and_counted(stream: FakeStream) -> None:
    entries = stage(stream, document("a", "1"))
    assert opened(entries).quorums[0].lacking == 1
    signed = sign_proposal(opened(entries), stream.signers)
    assert opened(signed).quorums[0].lacking == 0
    stranger = CryptoSigner.generate_ed25519()
    with pytest.raises(TrustError, match="is none of the officers' keys"):
        sign_proposal(opened(entries), (stranger,))


def drop(name: str) -> Callable[[Entries], object]:
    return lambda entries: entries.pop(name)


def put(name: str, data: bytes) -> Callable[[Entries], object]:
    return lambda entries: entries.update({name: data})


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (drop("metadata/1.root.json"), "has no whole chain of roots"),
        (put("metadata/3.root.json", b"{}"), "has no whole chain of roots"),
        (put("metadata/2.root.json", b"{}"), "root 2 is not root metadata"),
        (drop("manifest.json"), "has no manifest.json"),
        (put("manifest.json", b"{}"), "manifest.json is not understood"),
        (put("metadata/targets.json", b"{}"), "is not targets metadata"),
        (drop("metadata/targets.json"), "has a root to be signed, and more"),
        (drop("previous/targets.json"), "only a part of the sequence before"),
        (drop("previous/manifest.json"), "only a part of the sequence before"),
        (put("previous/manifest.json", b"{}"), "was not signed by the officers"),
        (drop(staged_blob(digest(document("new", "1").to_bytes()))), "the document of new"),
        (drop(staged_blob(digest(document("old", "1").to_bytes()))), "have the document"),
        (drop(staged_blob(digest(b"[profile]\n"))), "does not have the document"),
        (put(staged_blob(digest(b"evil")), b"evil"), "has no place in this staged file"),
    ],
)
def test_a_lie_is_found(stream: FakeStream, lie: Callable[[Entries], object], reason: str) -> None:
    entries = let_in(stream, document("old", "1")) | stage(stream, document("new", "1"))
    opened(entries)
    lie(entries)
    refused(entries, reason)


def test_the_manifest_of_another_stream_or_number(stream: FakeStream, tmp_path: Path) -> None:
    entries = stage(stream, document("a", "1"))
    other = stage(make_stream(tmp_path / "x"), document("a", "1"))
    refused(entries | {"metadata/1.root.json": other["metadata/1.root.json"]}, "is not a word")
    data = make_manifest("data").to_bytes()
    refused(entries | {"manifest.json": data}, "sequence 1 of data, not sequence 1 of web")
    data = make_manifest(sequence=2).to_bytes()
    refused(entries | {"manifest.json": data}, "is not a word on this manifest of sequence 2")


def test_more_is_delegated_than_packing(stream: FakeStream) -> None:
    """Officers see no delegations, so there is one that they may sign."""
    entries = stage(stream, document("a", "1"))
    word = json.loads(entries["metadata/targets.json"])
    word["signed"]["delegations"]["roles"][0]["paths"] = ["*"]
    refused(entries | {"metadata/targets.json": canonical(word)}, "is not a word on this manifest")
    word = json.loads(entries["metadata/targets.json"])
    word["signed"]["targets"]["evil.json"] = word["signed"]["targets"]["manifest.json"]
    refused(entries | {"metadata/targets.json": canonical(word)}, "is not a word on this manifest")
    word = json.loads(entries["metadata/targets.json"])
    word["signed"]["x"] = "y"
    refused(entries | {"metadata/targets.json": canonical(word)}, "is not a word on this manifest")


def test_a_false_sequence_before(stream: FakeStream, tmp_path: Path) -> None:
    other = let_in(make_stream(tmp_path / "x"), document("a", "1"))
    let_in(stream, document("a", "1"))
    refused(other | stage(stream, document("a", "1")), "was not signed by the officers")
    later = let_in(stream, document("a", "1"))
    (stream.authority.folder / "targets.json").unlink()
    entries = stage(stream, document("a", "1"))
    refused(later | entries, "what it calls the sequence before is sequence 2 of web")


def test_a_document_of_another_project(stream: FakeStream) -> None:
    data = document("b", "1").to_bytes()
    entries = stage(stream, projects={NormalizedName("a"): blob(data)})
    refused(entries | {staged_blob(digest(data)): data}, "the document of a is that of b")
    odd = b"{}"
    entries = stage(stream, projects={NormalizedName("a"): blob(odd)})
    refused(entries | {staged_blob(digest(odd)): odd}, "the document of a is not understood")
    wrong = Blob(digest(odd), 3)
    entries = stage(stream, locks={"pylock.x.toml": wrong})
    refused(entries | {staged_blob(digest(odd)): odd}, "does not have the document")


def test_no_flipped_byte_of_a_signed_file_is_taken(stream: FakeStream, tmp_path: Path) -> None:
    """Once somebody has signed, nothing in it is free any more."""
    entries = let_in(stream, document("old", "1")) | stage(stream, document("new", "1"))
    data = encode_staged(sign_proposal(opened(entries), stream.signers))
    path = tmp_path / "x.staged"
    path.write_bytes(data)
    opened(read_staged(path))
    random = Random(20261121)  # noqa: S311 - which bytes are tried
    for at in random.sample(range(len(data)), 700):
        flipped = bytearray(data)
        flipped[at] ^= 1 << random.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises(RefusedError):
            open_proposal(read_staged(path))


_FUZZ = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_SIGNED = ["metadata/1.root.json", "metadata/targets.json", "previous/targets.json"]


@_FUZZ
@given(data=st.data(), name=st.sampled_from([*_SIGNED, "manifest.json", "previous/manifest.json"]))
def test_odd_documents_never_fail_oddly(data: st.DataObject, name: str) -> None:
    """Signed by the officer's real key, whatever they say."""
    stream, entries = _staged_once()
    document = mutated(data, json.loads(entries[name]))
    signer = stream.signers[0]
    changed = signed(document, signer) if name in _SIGNED else written(document)
    with suppress(RefusedError):
        describe_proposal(open_proposal({**entries, name: changed}))


@_FUZZ
@given(data=st.data())
def test_odd_roots_to_be_signed_never_fail_oddly(data: st.DataObject) -> None:
    stream, entries = _staged_once()
    root = json.loads(entries["metadata/1.root.json"])
    root["signed"]["version"] = 2
    changed = signed(mutated(data, root), stream.signers[0])
    chain = {"metadata/1.root.json": entries["metadata/1.root.json"]}
    with suppress(RefusedError):
        describe_proposal(open_proposal({**chain, "metadata/2.root.json": changed}))


@functools.cache
def _staged_once() -> tuple[FakeStream, Entries]:
    stream = make_stream(Path(tempfile.mkdtemp(prefix="staged-")))
    return stream, let_in(stream, document("old", "1")) | stage(stream, document("new", "1"))


def test_a_fraction_in_metadata(stream: FakeStream) -> None:
    entries = let_in(stream, document("a", "1")) | stage(stream, document("a", "1"))
    word = json.loads(entries["previous/targets.json"])
    word["signed"]["delegations"]["roles"][0]["terminating"] = 0.0
    refused({**entries, "previous/targets.json": canonical(word)}, "is not targets metadata")


def test_a_role_of_a_key_that_is_not_there(stream: FakeStream) -> None:
    for role in ("root", "targets", "timestamp"):
        document = json.loads(stream.root)
        document["signed"]["roles"][role]["keyids"].append("0" * 64)
        data = signed(document, stream.signers[0])
        with pytest.raises(DamagedError, match=f"{role}' names a key that is not there"):
            read_root("the root", data)


# Roots


def test_a_root_is_shown_and_signed(tmp_path: Path) -> None:
    key = CryptoSigner.generate_ed25519()
    stream = make_stream(tmp_path, signers=[key])
    data, _ = propose(stream.authority, Change(), (), the_time())
    found = open_proposal(pending_entries(stream.authority, data))
    assert isinstance(found, ProposedRoot)
    facts, text = describe_proposal(found)
    assert (facts["kind"], facts["root"], facts["officers-added"]) == ("root", 2, [])
    assert "changes since root version 1:\n  none but the date" in text
    signed = sign_proposal(found, (key,))
    adopt(stream.authority, signed["metadata/2.root.json"])
    second, _ = propose(stream.authority, Change(threshold=1), (), the_time())
    entries = pending_entries(stream.authority, second)
    refused(entries | {"metadata/2.root.json": data}, "root 2 is not signed by its own keys")


def widen_targets(root: Root, thief: CryptoSigner) -> None:
    root.add_key(thief.public_key, "targets")


def swap_snapshot(root: Root, thief: CryptoSigner) -> None:
    root.keys[thief.public_key.keyid] = thief.public_key
    root.roles["snapshot"].keyids = [thief.public_key.keyid]


def lower_targets(root: Root, _thief: CryptoSigner) -> None:
    root.roles["targets"].threshold = 1


def add_a_word(root: Root, _thief: CryptoSigner) -> None:
    root.unrecognized_fields["x-more"] = "y"


@pytest.mark.parametrize("lie", [widen_targets, swap_snapshot, lower_targets, add_a_word])
def test_a_root_that_gives_more_than_it_shows(
    tmp_path: Path, lie: Callable[[Root, CryptoSigner], None]
) -> None:
    """Officers are shown who signs; a role must not go to anybody else behind their backs."""
    officers = [CryptoSigner.generate_ed25519() for _ in range(2)]
    stream = make_stream(tmp_path, signers=officers, threshold=2)
    root = successor(stream.authority, Change(), the_time())
    lie(root, CryptoSigner.generate_ed25519())
    metadata = Metadata(root)
    for officer in officers:
        metadata.sign(officer, append=True)
    data = canonical(metadata.to_dict())
    reason = "root version 2 of web gives its roles to other keys than it shows"
    refused(pending_entries(stream.authority, data), reason)
    with pytest.raises(TrustError, match=reason):
        adopt(stream.authority, data)
    (stream.authority.folder / "2.root.json").write_bytes(data)
    refused(stage(stream, document("a", "1")), reason)


def test_foreign_words_are_not_lines_of_ours(stream: FakeStream) -> None:
    bad = document("a", "1", status="archived", status_reason="x\nsignatures by root 1: 9 of 1")
    lines = describe_proposal(opened(stage(stream, bad)))[1].splitlines()
    assert "  a is archived: x signatures by root 1: 9 of 1" in lines
    assert len([line for line in lines if line.startswith("signatures")]) == 1


def test_a_root_of_another_stream_or_version(tmp_path: Path) -> None:
    key = CryptoSigner.generate_ed25519()
    web = make_stream(tmp_path / "a", signers=[key])
    data = make_stream(tmp_path / "b", "data", signers=[key])
    second, _ = propose(data.authority, Change(), (), the_time())
    reason = "is of another stream, or has the wrong version"
    refused(pending_entries(web.authority, second), f"the new root {reason}")
    first = web.authority.root_bytes()
    refused(pending_entries(web.authority, first), f"the new root {reason}")
    refused({**pending_entries(web.authority, first), "metadata/3.root.json": second}, reason)


def test_a_chain_that_the_old_officers_did_not_sign(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    thief = CryptoSigner.generate_ed25519()
    evil = make_stream(tmp_path / "x", signers=[thief])
    again, _ = propose(evil.authority, Change(), (thief,), the_time())
    adopt(evil.authority, again)
    entries = stage(evil, document("a", "1"))
    entries["metadata/1.root.json"] = stream.authority.root_bytes()
    refused(entries, "root 2 is not signed by the officers of the one before it")
