"""Officers without keys: what their signatures prove, judged by the real verifier."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Signature, Signer
from tuf.api.metadata import Metadata, Root

from bundler.errors import DamagedError, RefusedError, TrustError
from bundler.model.canonical import canonical
from bundler.trust.gate import admit, anchor_from_root
from bundler.trust.holders import KeyHolder
from bundler.trust.keyless import MAX_BUNDLE, MAX_TRUST_ROOT, KeylessError, KeylessKey
from bundler.trust.keys import kind, named
from bundler.trust.metadata import read_metadata
from bundler.trust.roles import role_facts
from bundler.trust.rotation import Change, adopt, propose
from bundler.trust.signing import Board, make_root
from tests.fakes.fulcio import GITHUB, anybody
from tests.fakes.fulcio import Signer as Named
from tests.fakes.keyless import (
    DORA,
    ISSUER,
    Bundle,
    FakeKeylessSigner,
    as_signature,
    forged,
    keyless_key,
)
from tests.fakes.netns import clean_environment, require_isolation, run_isolated
from tests.fakes.sigstore import FakeSigstore
from tests.fakes.trust import FakeStream, make_stream, the_time

DATA = b"what is signed"

INSTANCE = FakeSigstore()
KEY = keyless_key(INSTANCE)


def begin(folder: Path, *signers: Signer, threshold: int = 2) -> FakeStream:
    """A stream of these officers; the packing host has a key of its own."""
    # A stream's signers are of any kind; the fake's type is narrower for the other tests' sake.
    officers = cast("tuple[CryptoSigner, ...]", signers)
    packing = CryptoSigner.generate_ed25519()
    return make_stream(folder, signers=officers, threshold=threshold, packing=packing)


def verify(bundle: Bundle, data: bytes = DATA, key: KeylessKey = KEY) -> None:
    key.verify_signature(as_signature(key, bundle), data)


# Round trips


def test_a_keyless_officer_and_one_with_a_key(tmp_path: Path) -> None:
    dora, ana = FakeKeylessSigner.of(INSTANCE), CryptoSigner.generate_ed25519()
    stream = begin(tmp_path, dora, ana)
    found = admit(stream.head(), anchor_from_root(stream.root))
    assert found.sequence == 1
    assert found.signers["targets"] == (named(KEY), named(ana.public_key))
    assert found.signers["targets"][0].endswith(f" ({DORA})")


def test_either_alone_is_not_enough(tmp_path: Path) -> None:
    dora, ana = FakeKeylessSigner.of(INSTANCE), CryptoSigner.generate_ed25519()
    stream = begin(tmp_path, dora, ana)
    for signer in (dora, ana):
        with pytest.raises(TrustError, match="2 of the keys for targets must sign; 1 at hand"):
            stream.with_signers(cast("CryptoSigner", signer), stream.signers[-1]).head()


def test_what_people_are_shown(tmp_path: Path) -> None:
    dora, ana = FakeKeylessSigner.of(INSTANCE), CryptoSigner.generate_ed25519()
    stream = begin(tmp_path, dora, ana)
    facts = role_facts("web", {"1.root.json": stream.root})
    digits = KEY.trusted_root
    assert facts[0].keys[1].scheme == "ed25519"
    assert facts[0].keys[0].scheme == kind(KEY)
    assert kind(KEY).startswith(f"{DORA} by {ISSUER}, Sigstore instance ")
    assert kind(keyless_key(FakeSigstore())) != kind(KEY)
    assert json.loads(digits) == json.loads(INSTANCE.trusted_root)


def test_a_workflow_is_an_identity() -> None:
    workflow = "https://github.com/acme/app/.github/workflows/sign.yml@refs/heads/main"
    key = keyless_key(INSTANCE, workflow, GITHUB)
    verify(forged(INSTANCE, DATA, workflow, GITHUB), key=key)


def test_an_expired_certificate_is_judged_at_the_time_of_signing() -> None:
    bundle = forged(INSTANCE, DATA, late=timedelta(minutes=8))
    verify(bundle)  # its ten minutes were months ago


# Refusals; each says its own reason


def without_proof(bundle: Bundle) -> None:
    del entry_of(bundle)["inclusionProof"]


def with_other_proof(bundle: Bundle) -> None:
    entry_of(bundle)["inclusionProof"]["rootHash"] = "A" * 43 + "="


def without_time(bundle: Bundle) -> None:
    del entry_of(bundle)["inclusionPromise"]


def with_another_entry(bundle: Bundle) -> None:
    other = forged(INSTANCE, b"something else")
    bundle["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]


def huge(bundle: Bundle) -> None:
    entry_of(bundle)["inclusionProof"]["hashes"] = ["A" * 44] * 1000


def entry_of(bundle: Bundle) -> dict[str, Any]:
    return cast("dict[str, Any]", bundle["verificationMaterial"]["tlogEntries"][0])


def with_root_beside(bundle: Bundle) -> None:
    bundle["trustedRoot"] = json.loads(OTHER.trusted_root)


OTHER = FakeSigstore()
HONEST = FakeKeylessSigner.of(INSTANCE)
LIARS: dict[str, tuple[FakeKeylessSigner, str]] = {
    "identity": (replace(HONEST, identity="eve@example.org"), "it was signed by eve@example.org"),
    "longer identity": (replace(HONEST, identity=f"{DORA}.evil"), "it was signed by dora@"),
    "issuer": (
        replace(HONEST, issuer="https://evil.example.org"),
        f"https://evil.example.org attested it, not {ISSUER}",
    ),
    "instance": (
        replace(HONEST, instance=OTHER),
        "its certificate is not of the Sigstore instance that is pinned, or was not valid when",
    ),
    "instance beside": (
        replace(HONEST, instance=OTHER, lie=with_root_beside),
        "its Sigstore bundle is malformed: .* trustedRoot Extra inputs are not permitted",
    ),
    "too late": (
        replace(HONEST, late=timedelta(minutes=11)),
        "was not valid when the log says that it signed",
    ),
    "no proof": (
        replace(HONEST, lie=without_proof),
        "its log entry has no inclusion proof",
    ),
    "other proof": (
        replace(HONEST, lie=with_other_proof),
        "it does not verify: invalid log entry: inclusion proof contains invalid root hash",
    ),
    "no time": (
        replace(HONEST, lie=without_time),
        "bundle must contain an inclusion promise or signed timestamp",
    ),
    "another entry": (
        replace(HONEST, lie=with_another_entry),
        "it does not verify: transparency log entry is inconsistent with other materials",
    ),
}


@pytest.mark.parametrize("name", LIARS)
def test_a_signature_that_is_not_good(name: str, tmp_path: Path) -> None:
    liar, reason = LIARS[name]
    with pytest.raises(UnverifiedSignatureError, match=f"by {DORA}: .*{reason}"):
        KEY.verify_signature(liar.sign(DATA), DATA)
    ana = CryptoSigner.generate_ed25519()
    stream = begin(tmp_path, HONEST, ana)
    anchor = anchor_from_root(stream.root)
    lying = stream.with_signers(cast("CryptoSigner", liar), ana, stream.signers[-1])
    with pytest.raises(RefusedError, match=r"metadata/targets\.json is not signed by 2") as caught:
        admit(lying.head(), anchor)
    assert caught.value.exit_code == 4
    assert f"(by {DORA}: " in caught.value.message
    assert "\n" not in caught.value.message


def test_other_bytes() -> None:
    with pytest.raises(UnverifiedSignatureError, match="Signature is invalid for input"):
        verify(forged(INSTANCE, DATA), b"something else")


def test_a_signature_for_another_document(tmp_path: Path) -> None:
    ana = CryptoSigner.generate_ed25519()
    stream = begin(tmp_path, HONEST, ana)
    first = Metadata.from_bytes(stream.head()["metadata/targets.json"])
    signature = first.signatures[KEY.keyid]

    class Replays(FakeKeylessSigner):
        def sign(self, payload: bytes) -> Signature:
            del payload
            return signature

    again = cast("CryptoSigner", Replays(INSTANCE, KEY))
    head = stream.with_signers(again, ana, stream.signers[-1]).head()
    with pytest.raises(TrustError, match="it does not verify: Signature is invalid for input"):
        admit(head, anchor_from_root(stream.root))


def test_a_huge_bundle(tmp_path: Path) -> None:
    liar = replace(HONEST, lie=huge)
    signature = liar.sign(DATA)
    size = len(bytes.fromhex(signature.signature))
    with pytest.raises(UnverifiedSignatureError, match=f"has {size} bytes, {MAX_BUNDLE} at most"):
        KEY.verify_signature(signature, DATA)
    ana = CryptoSigner.generate_ed25519()
    stream = begin(tmp_path, HONEST, ana)
    with pytest.raises(
        DamagedError, match=rf"a signature has \d+ digits, {2 * MAX_BUNDLE} at most"
    ):
        stream.with_signers(cast("CryptoSigner", liar), *stream.signers[1:]).head()


@pytest.mark.parametrize(
    ("digits", "reason"),
    [
        ("zz", "non-hexadecimal number found"),
        ("", "its Sigstore bundle: not JSON"),
        (b"[]".hex(), "its Sigstore bundle: not a JSON object"),
        (b"{ }".hex(), "its Sigstore bundle: not in canonical form"),
        (b"{}".hex(), "its Sigstore bundle is malformed"),
    ],
)
def test_no_bundle_at_all(digits: str, reason: str) -> None:
    with pytest.raises(UnverifiedSignatureError, match=reason):
        KEY.verify_signature(Signature(KEY.keyid, digits), DATA)


def test_a_bundle_of_a_statement_is_none_of_metadata() -> None:
    bundle = INSTANCE.bundle(DATA, anybody(ISSUER, DORA))
    with pytest.raises(UnverifiedSignatureError, match="Missing bundle message signature"):
        verify(bundle)


def test_a_certificate_that_says_no_issuer() -> None:
    bundle = INSTANCE.bundle(DATA, Named(DORA, {}), kind=None)
    with pytest.raises(UnverifiedSignatureError, match="does not say who attested the identity"):
        verify(bundle)


def test_a_trust_root_that_is_none() -> None:
    key = KeylessKey.of(DORA, ISSUER, {"mediaType": "text/plain"})
    with pytest.raises(
        UnverifiedSignatureError, match=r"the Sigstore trust root .* cannot be used"
    ):
        verify(forged(INSTANCE, DATA), key=key)


# Roots


def test_a_root_that_smuggles_another_trust_root(tmp_path: Path) -> None:
    stream = begin(tmp_path, HONEST, CryptoSigner.generate_ed25519())
    fields = json.loads(stream.root)
    keys = fields["signed"]["keys"]
    keys[KEY.keyid]["keyval"]["trusted-root"] = json.loads(OTHER.trusted_root)
    with pytest.raises(
        DamagedError, match=r"not the one of dora@example\.org with this trust root"
    ):
        read_metadata("2.root.json", canonical(fields), Root)


def test_a_next_root_with_the_thiefs_instance(tmp_path: Path) -> None:
    """The thief has the packing host, and a Sigstore instance that calls anybody Dora."""
    ana = CryptoSigner.generate_ed25519()
    stream = begin(tmp_path, HONEST, ana, threshold=1)
    anchor = anchor_from_root(stream.root)
    thief = FakeKeylessSigner.of(OTHER)
    root = stream.authority.root
    board = Board((thief.key, ana.public_key), 1, (stream.signers[-1].public_key,))
    new = make_root("web", board, root.expires, version=2)
    metadata: Metadata[Root] = Metadata(new)
    metadata.sign(thief)
    metadata.signatures[KEY.keyid] = replace(thief, key=KEY).sign(metadata.signed_bytes)
    (stream.authority.folder / "2.root.json").write_bytes(canonical(metadata.to_dict()))
    with pytest.raises(
        TrustError,
        match=r"not signed by enough keys of the root before .* not of the Sigstore inst",
    ):
        admit(stream.head(), anchor)


def test_the_trust_root_is_rotated_by_the_officers(tmp_path: Path) -> None:
    ana = CryptoSigner.generate_ed25519()
    stream = begin(tmp_path, HONEST, ana)
    anchor = anchor_from_root(stream.root)
    newer = FakeKeylessSigner.of(OTHER)
    change = Change(add=[KeyHolder.of("dora", newer)], remove=[KEY.keyid])
    root, wanted = propose(stream.authority, change, [HONEST, newer, ana], the_time())
    assert not any(each.lacking for each in wanted)
    adopt(stream.authority, root)
    stream = stream.with_signers(cast("CryptoSigner", newer), ana, stream.signers[-1])
    found = admit(stream.head(), anchor)
    assert (found.root_version, found.signers["root"][1]) == (2, named(newer.key))


def test_a_root_that_its_identity_did_not_sign(tmp_path: Path) -> None:
    liar = replace(HONEST, identity="eve@example.org")
    with pytest.raises(DamagedError, match=r"is not good \(by dora@.*: it does not verify: it was"):
        begin(tmp_path, liar, CryptoSigner.generate_ed25519())
    root = make_root("web", Board((KEY,), 1, (CryptoSigner.generate_ed25519().public_key,)),
                     the_time() + timedelta(days=1))  # fmt: skip
    metadata: Metadata[Root] = Metadata(root)
    metadata.sign(liar)
    with pytest.raises(DamagedError, match=r"not signed by its own keys: .*signed by eve@example"):
        anchor_from_root(canonical(metadata.to_dict()))


def test_one_identity_counts_once(tmp_path: Path) -> None:
    upper = keyless_key(OTHER, DORA.upper())
    root = make_root("web", Board((KEY, upper), 2, (CryptoSigner.generate_ed25519().public_key,)),
                     the_time() + timedelta(days=1))  # fmt: skip
    with pytest.raises(DamagedError, match="one public key stands under two ids"):
        read_metadata("root", canonical(Metadata(root).to_dict()), Root)
    assert not list(tmp_path.iterdir())


def test_only_officers_are_keyless(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=r"the packing host cannot sign with .* \(dora@") as caught:
        make_stream(tmp_path, signers=[cast("CryptoSigner", HONEST)])
    assert "--packing-key" in str(caught.value.hint)
    stream = begin(tmp_path, HONEST, CryptoSigner.generate_ed25519())
    fields = json.loads(stream.root)
    fields["signed"]["roles"]["timestamp"]["keyids"] = [KEY.keyid]
    with pytest.raises(DamagedError, match="the role 'timestamp' has a keyless key, which only"):
        read_metadata("root", canonical(fields), Root)


# The key itself


def change_key(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    fields = copy.deepcopy(KEY.to_dict())
    change(fields["keyval"])
    return fields


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda keyval: keyval.pop("issuer"), "has an identity, an issuer and a trusted-root"),
        (lambda keyval: keyval.update(public="x"), "has an identity, an issuer and a trusted-root"),
        (lambda keyval: keyval.update({"trusted-root": "x"}), "has an identity, an issuer and a"),
        (lambda keyval: keyval.update(identity=""), "'' cannot be the identity"),
        (lambda keyval: keyval.update(identity="a\x1b[0m"), "cannot be the identity"),
        (lambda keyval: keyval.update(identity="a b"), "cannot be the identity"),
        (lambda keyval: keyval.update(identity="a" * 1025), "cannot be the identity"),
        (lambda keyval: keyval.update(issuer=7), "7 cannot be the issuer"),
        (lambda keyval: keyval.update(issuer="https://x"), "the id does not fit"),
        (lambda keyval: keyval["trusted-root"].update(x="x" * MAX_TRUST_ROOT), "49152 at most"),
    ],
)
def test_a_key_that_is_none(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        KeylessKey.from_dict(KEY.keyid, change_key(change))


def test_a_key_in_json() -> None:
    again = KeylessKey.from_dict(KEY.keyid, copy.deepcopy(KEY.to_dict()))
    assert again == KEY
    assert (again.identity, again.issuer) == (DORA, ISSUER)


_GOOD = as_signature(KEY, forged(INSTANCE, DATA)).signature


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_changed_it_is_good_or_refused_in_words(data: st.DataObject) -> None:
    good = bytes.fromhex(_GOOD)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + data.draw(st.binary(max_size=3)) + good[place + 1 :]
    # Some changes say the same, such as of the spare bits of base64; nothing else may be raised.
    with contextlib.suppress(KeylessError):
        KEY.verify_signature(Signature(KEY.keyid, bad.hex()), DATA)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


@given(_JSON, _JSON, _JSON)
def test_odd_members_of_a_key(identity: Any, issuer: Any, root: Any) -> None:
    keyval = {"identity": identity, "issuer": issuer, "trusted-root": root}
    fields = {"keytype": KEY.keytype, "scheme": KEY.scheme, "keyval": keyval}
    with pytest.raises(ValueError):
        KeylessKey.from_dict(KEY.keyid, fields)


@given(_JSON)
def test_odd_bundles(bundle: Any) -> None:
    with pytest.raises(KeylessError):
        KEY.verify_signature(as_signature(KEY, bundle), DATA)


# Where it runs

_ADMIT = """
import sys
from pathlib import Path
from bundler.model.document import Reader
from bundler.trust.gate import admit, anchor_from_root
folder = Path(sys.argv[1])
head = {path.name.replace("%", "/"): path.read_bytes() for path in (folder / "head").iterdir()}
found = admit(head, anchor_from_root((folder / "root").read_bytes()))
print(found.signers["targets"], "sigstore" in sys.modules)
"""


def admit_elsewhere(stream: FakeStream, folder: Path, *, alone: bool) -> str:
    (folder / "head").mkdir(parents=True)
    for name, data in stream.head().items():
        (folder / "head" / name.replace("/", "%")).write_bytes(data)
    (folder / "root").write_bytes(stream.root)
    argv: list[str | Path] = [sys.executable, "-c", _ADMIT, folder]
    environment = clean_environment(folder)
    if alone:
        done = run_isolated(argv, environment, folder)
    else:
        done = subprocess.run(
            argv, env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.netns
def test_it_is_judged_without_any_network(tmp_path: Path) -> None:
    require_isolation()
    stream = begin(tmp_path, HONEST, CryptoSigner.generate_ed25519())
    said = admit_elsewhere(stream, tmp_path / "far", alone=True)
    assert named(KEY) in said
    assert not [path for path in (tmp_path / "far").rglob("*") if "sigstore" in path.name]


def test_who_has_no_such_keys_loads_no_sigstore(tmp_path: Path) -> None:
    signers = (CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519())
    said = admit_elsewhere(begin(tmp_path, *signers), tmp_path / "far", alone=False)
    assert said.endswith("False\n")
    assert os.environ.get("SIGSTORE_ID_TOKEN") is None
