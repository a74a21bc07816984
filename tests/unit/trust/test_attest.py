"""The real verifier judges what a Sigstore of our own signed."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate
from hypothesis import given, settings
from hypothesis import strategies as st
from sigstore.models import Bundle
from sigstore.verify import Verifier

from bundler.errors import TrustError
from bundler.model.artifact import Sha256
from bundler.model.publisher import Identity, Publisher
from bundler.model.verdict import ABSENT, Outcome, Verdict
from bundler.trust.attest import MAX_ROOT, Attestor, _logged, public_root
from bundler.trust.certificate import read_identity
from bundler.trust.pinned_keys import PinnedKey, key_fingerprint, read_key
from tests.fakes.attestations import PUBLISH, attestation, keyed, provenance, statement
from tests.fakes.fulcio import SIGNED, Signer, anybody, b64, github, new_key
from tests.fakes.netns import clean_environment, require_isolation, run_isolated
from tests.fakes.sigstore import FakeSigstore
from tests.fakes.trust import digest

WHEEL = "web-1.0-py3-none-any.whl"
CONTENT = b"a wheel"
DIGEST = digest(CONTENT)
SLSA = "https://slsa.dev/provenance/v1"
CLAIM = {"kind": "GitHub", "repository": "example/web", "workflow": "release.yml"}
WEB = Publisher.of("GitHub", repository="example/web", workflow="release.yml")
REBUILDER = anybody("https://issuer.example.org", "https://issuer.example.org/3fab4f")

SIGSTORE = FakeSigstore()
ATTESTOR = Attestor(SIGSTORE.trusted_root)


def signed(payload: bytes | None = None, by: Signer | None = None, **how: Any) -> dict[str, Any]:
    payload = statement(WHEEL, DIGEST) if payload is None else payload
    return SIGSTORE.bundle(payload, by or github("example/web"), **how)


def raw(bundle: dict[str, Any]) -> bytes:
    return json.dumps(bundle).encode()


def judge(document: bytes | None, filename: str = WHEEL, sha256: Sha256 = DIGEST) -> Verdict:
    return ATTESTOR.verdict(filename, sha256, document)


def refusal(document: bytes, filename: str = WHEEL, sha256: Sha256 = DIGEST) -> str:
    verdict = judge(document, filename, sha256)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.identity is None
    assert verdict.reason is not None
    return verdict.reason


def test_a_file_without_attestation() -> None:
    assert judge(None) == ABSENT


def test_a_provenance_object() -> None:
    assert judge(provenance(CLAIM, attestation(signed()))) == Verdict(
        outcome=Outcome.VERIFIED,
        identity=Identity(
            issuer="https://token.actions.githubusercontent.com",
            subject="https://github.com/example/web/.github/workflows/release.yml@refs/tags/v1",
            publisher=WEB,
        ),
        predicates=(PUBLISH,),
        signed="2026-01-31T12:00:00Z",
        log_index=7,
    )


def test_a_lone_attestation() -> None:
    verdict = judge(json.dumps(attestation(signed())).encode())
    assert verdict.identity is not None
    assert verdict.identity.publisher == WEB


def test_two_attestations_of_one_publisher() -> None:
    built = signed(statement(WHEEL, DIGEST, predicateType=SLSA, predicate={"buildType": "x"}))
    verdict = judge(provenance(CLAIM, attestation(built), attestation(signed())))
    assert verdict.predicates == (PUBLISH, SLSA)


def test_a_raw_bundle_over_a_statement() -> None:
    verdict = judge(raw(signed(by=REBUILDER)))
    assert verdict.identity is not None
    assert verdict.identity.publisher == Publisher.of(
        "URL", issuer="https://issuer.example.org", identity="https://issuer.example.org/3fab4f"
    )


def test_a_raw_bundle_over_the_file_itself() -> None:
    verdict = judge(raw(signed(CONTENT, REBUILDER, kind=None)))
    assert verdict.outcome is Outcome.VERIFIED
    assert verdict.predicates == ()


def test_the_vendor_kind_of_publisher() -> None:
    claim = {
        "kind": "URL",
        "environment": "rebuilder",
        "issuer": "https://issuer.example.org",
        "identity": "https://issuer.example.org/3fab4f",
        "repository": "example/rebuilder",
        "workflow": "build.yaml",
    }
    assert judge(provenance(claim, attestation(signed(by=REBUILDER)))).outcome is Outcome.VERIFIED
    claim["identity"] = "https://issuer.example.org/other"
    reason = refusal(provenance(claim, attestation(signed(by=REBUILDER))))
    assert reason == (
        "the index says that it is by URL https://issuer.example.org"
        " https://issuer.example.org/other, but it was signed by URL https://issuer.example.org"
        " https://issuer.example.org/3fab4f"
    )


def test_a_signature_without_any_proven_time_is_refused() -> None:
    bundle = signed()
    del bundle["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]
    reason = refusal(raw(bundle))
    assert "bundle must contain an inclusion promise or signed timestamp(s)" in reason


# Attacks


def test_a_replayed_attestation_of_another_file_is_refused() -> None:
    other = provenance(CLAIM, attestation(signed(statement("web-0.9-py3-none-any.whl", DIGEST))))
    assert refusal(other) == "the statement is about 'web-0.9-py3-none-any.whl'"
    stale = signed(statement(WHEEL, digest(b"another")))
    assert refusal(raw(stale)) == (
        f"the statement is about a file with sha256 '{digest(b'another')}'"
    )
    reason = refusal(raw(signed(b"another", REBUILDER, kind=None)))
    assert reason == "the attestation does not verify: Signature is invalid for input"


def test_a_forged_publisher_block_is_refused() -> None:
    mallory = signed(by=github("mallory/web"))
    assert refusal(provenance(CLAIM, attestation(mallory))) == (
        "the index says that it is by GitHub example/web release.yml, but it was signed by"
        " GitHub mallory/web release.yml"
    )


@pytest.mark.parametrize("claim", [{"kind": "Mallory"}, {"repository": "a/b"}, "GitHub"])
def test_a_publisher_block_that_says_nothing_known_is_refused(claim: Any) -> None:
    reason = refusal(provenance(claim, attestation(signed())))
    assert "there is no kind of publisher" in reason or "is not a publisher" in reason


def test_two_subjects_are_refused() -> None:
    subject = {"name": WHEEL, "digest": {"sha256": DIGEST}}
    two = signed(statement(WHEEL, DIGEST, subject=[subject, subject]))
    assert refusal(raw(two)) == "the statement is not about exactly one file"


def test_a_wrong_predicate_is_refused() -> None:
    odd = signed(statement(WHEEL, DIGEST, predicateType="https://example.org/i-like-it/v1"))
    assert refusal(raw(odd)) == (
        "the statement has predicate 'https://example.org/i-like-it/v1', which is not known here"
    )


@pytest.mark.parametrize("late", [timedelta(minutes=20), timedelta(days=-2)])
def test_a_signature_outside_the_certificate_s_minutes_is_refused(late: timedelta) -> None:
    assert "cert is not valid at validation time" in refusal(raw(signed(logged=SIGNED + late)))


def test_another_sigstore_is_refused() -> None:
    mallory = FakeSigstore()
    bundle = mallory.bundle(statement(WHEEL, DIGEST), github("example/web"))
    assert "failed to build timestamp certificate chain" in refusal(raw(bundle))


@pytest.mark.parametrize("part", ["ct", "log"])
def test_another_log_is_refused(part: str) -> None:
    mallory = FakeSigstore(**{**vars_of(SIGSTORE), part: new_key()})
    bundle = mallory.bundle(statement(WHEEL, DIGEST), github("example/web"))
    expected = {"ct": "failed to verify SCT on signing certificate", "log": "invalid log entry"}
    assert expected[part] in refusal(raw(bundle))


def vars_of(sigstore: FakeSigstore) -> dict[str, Any]:
    return {"ca": sigstore.ca, "ct": sigstore.ct, "log": sigstore.log}


def test_one_bad_attestation_beside_a_good_one_is_refused() -> None:
    bad = attestation(signed())
    bad["envelope"]["signature"] = b64(b"no signature")
    reason = refusal(provenance(CLAIM, attestation(signed()), bad))
    assert reason == "the attestation does not verify: DSSE: invalid signature"


def test_a_second_publisher_beside_the_first_is_refused() -> None:
    """Anybody can sign a statement about any file, and put it beside the right one."""
    mallory = signed(by=github("mallory/web"))
    document = json.loads(provenance(CLAIM, attestation(signed())))
    second = json.loads(provenance({**CLAIM, "repository": "mallory/web"}, attestation(mallory)))
    document["attestation_bundles"] += second["attestation_bundles"]
    assert refusal(json.dumps(document).encode()) == (
        "it has attestations by more than one publisher: GitHub example/web release.yml,"
        " GitHub mallory/web release.yml"
    )


def test_a_certificate_that_names_nobody_is_refused() -> None:
    reason = refusal(raw(signed(by=Signer("https://example.org/x", {}))))
    assert reason == (
        "the attestation does not verify: the certificate does not say who attested the identity"
    )


def test_another_payload_type_is_refused() -> None:
    bundle = signed()
    bundle["dsseEnvelope"]["payloadType"] = "text/plain"
    assert "DSSE: invalid signature" in refusal(raw(bundle))


def test_what_is_signed_as_something_else_is_refused() -> None:
    assert refusal(raw(signed(kind="text/plain"))) == (
        "the attestation does not verify: its payload is 'text/plain', not"
        " application/vnd.in-toto+json"
    )


def test_a_log_that_tells_no_time_leaves_that_of_the_certificate() -> None:
    bundle = Bundle.from_json(raw(signed()))
    fields = json.loads(bundle.to_json())
    assert _logged(bundle, fields) == ("2026-01-31T12:00:00Z", 7)
    del fields["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]
    assert _logged(bundle, fields) == ("2026-01-31T11:59:00Z", 7)


def test_what_an_attestation_says_cannot_speak_to_the_terminal() -> None:
    odd = statement("web-\x1b[2J\n1.whl", DIGEST)
    assert refusal(raw(signed(odd))).isprintable()


def test_a_planted_trust_root_cache_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own offline mode takes its root from this folder, whoever wrote it there."""
    mallory = FakeSigstore()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    place = tmp_path / "cache/sigstore-python/tuf/https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
    place.mkdir(parents=True)
    (place / "trusted_root.json").write_bytes(mallory.trusted_root)
    forged = raw(mallory.bundle(statement(WHEEL, DIGEST), github("example/web")))
    careless = Verifier.production(offline=True)  # noqa: TID251 - to show what it believes
    careless.verify_dsse(Bundle.from_json(forged), Web())
    for root in (public_root(), SIGSTORE.trusted_root):
        assert Attestor(root).verdict(WHEEL, DIGEST, forged).outcome is Outcome.FAILED


class Web:
    """What GitHub's certificates say of the repository."""

    def verify(self, cert: Certificate) -> None:
        assert read_identity(cert).publisher == WEB


# Keys


def test_a_key_that_the_profile_pins() -> None:
    private = new_key()
    key = read_key(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    )
    other_key = cast("PinnedKey", new_key().public_key())
    attestor = Attestor(SIGSTORE.trusted_root, [other_key, key])
    old = statement(
        WHEEL,
        DIGEST,
        _type="https://in-toto.io/Statement/v0.1",
        predicateType="https://slsa.dev/provenance/v0.2",
    )
    document = provenance({"kind": "Vendor"}, keyed(private, old))
    fingerprint = key_fingerprint(key)
    assert attestor.verdict(WHEEL, DIGEST, document) == Verdict(
        outcome=Outcome.VERIFIED,
        identity=Identity(
            issuer="", subject=fingerprint, publisher=Publisher.of("key", fingerprint=fingerprint)
        ),
        predicates=("https://slsa.dev/provenance/v0.2",),
    )
    assert refusal(document) == "it is signed with a key that the profile does not pin"
    assert "in-toto v1" in refusal(raw(signed(old)))
    other = attestor.verdict("web-2.0-py3-none-any.whl", DIGEST, document)
    assert other.reason == f"the statement is about '{WHEEL}'"


# The trust root


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (b"", "cannot be used"),
        (b"{}", "cannot be used"),
        (b"[" * 100_000, "cannot be used"),
        (b" " * (MAX_ROOT + 1), f"has {MAX_ROOT + 1} bytes, more than {MAX_ROOT}"),
    ],
)
def test_a_trust_root_that_is_none(root: bytes, message: str) -> None:
    with pytest.raises(TrustError, match=message) as caught:
        Attestor(root)
    assert digest(root)[:16] in str(caught.value)
    assert caught.value.hint == "take a trusted_root.json from your Sigstore instance"


@pytest.mark.parametrize("part", ["tlogs", "certificateAuthorities"])
def test_a_trust_root_that_lacks_a_part(part: str) -> None:
    with pytest.raises(TrustError, match="cannot be used"):
        Attestor(lacking(part))


def test_a_trust_root_without_a_certificate_log_proves_nothing() -> None:
    verdict = Attestor(lacking("ctlogs")).verdict(WHEEL, DIGEST, raw(signed()))
    assert verdict.reason == (
        "the attestation does not verify: CTFE keys not found in trusted root"
    )


def lacking(part: str) -> bytes:
    return json.dumps({**json.loads(SIGSTORE.trusted_root), part: []}).encode()


# Odd input


_GOOD = signed()


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, inner in items:
            found += (
                _places(inner, (*path, key)) if isinstance(inner, dict | list) else [(*path, key)]
            )
    return found


_ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.integers(),
    st.text("ab=/ \x00é", max_size=20),  # no digits: " 7" is 7
    st.binary(max_size=40).map(b64),
    st.just([]),
    st.just({}),
    st.just([None]),
)


@settings(max_examples=150, deadline=None)
@given(place=st.sampled_from(_places(_GOOD)), odd=_ODD)
def test_a_bundle_with_anything_in_any_place_is_never_a_crash(
    place: tuple[Any, ...], odd: Any
) -> None:
    bundle = copy.deepcopy(_GOOD)
    inner = bundle
    for key in place[:-1]:
        inner = inner[key]
    same = inner[place[-1]] == odd
    inner[place[-1]] = odd
    verdict = judge(raw(bundle))
    # What is signed is elsewhere: these are only told apart by whoever asks the log.
    harmless = place[-1] in {"hashes", "baseUrl"} or same
    assert verdict.outcome is Outcome.FAILED or harmless


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_document_that_failed(data: bytes) -> None:
    assert judge(data).outcome is Outcome.FAILED


# Offline


_WATCHED = """
import sys
seen = []
def watch(event, details):
    if event.startswith("socket."):
        seen.append((event, *details[1:]))
sys.addaudithook(watch)
from bundler.model.artifact import parse_sha256
from bundler.trust.attest import Attestor
importing, seen[:] = seen[:], []
root, document, name, digest = sys.argv[1:]
attestor = Attestor(open(root, "rb").read())
verdict = attestor.verdict(name, parse_sha256(digest), open(document, "rb").read())
print(verdict.outcome, seen, [each for each in importing if each[0] != "socket.__new__"])
"""


@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.netns)])
def test_nothing_is_asked_of_a_network(tmp_path: Path, *, alone: bool) -> None:
    if alone:
        require_isolation()
    (tmp_path / "root").write_bytes(SIGSTORE.trusted_root)
    (tmp_path / "document").write_bytes(raw(signed()))
    home = tmp_path / "home"
    home.mkdir()
    argv: list[str | Path] = [
        sys.executable,
        "-c",
        _WATCHED,
        tmp_path / "root",
        tmp_path / "document",
        WHEEL,
        DIGEST,
    ]
    environment = clean_environment(home)
    if alone:
        shown = run_isolated(argv, environment, tmp_path)
    else:
        shown = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    # urllib3, which the library imports, tries at import whether loopback has IPv6.
    probe = "[('socket.bind', ('::1', 0))]"
    assert shown.stdout in {f"verified [] {probe}\n", "verified [] []\n"}, shown.stderr
    assert list(home.iterdir()) == []
