from __future__ import annotations

import json
from typing import Any

import pytest

from bundler.model.publisher import Publisher
from bundler.trust.provenance import (
    MAX_ATTESTATIONS,
    MAX_PROVENANCE,
    STATEMENT_TYPE,
    Keyless,
    KeySigned,
    read_provenance,
)
from tests.fakes.attestations import provenance

KEYED = {
    "version": 1,
    "verification_material": None,
    "envelope": {"statement": "e30=", "signature": "c2ln\nbmVk"},
}
KEYLESS = {
    **KEYED,
    "verification_material": {"certificate": "Y2VydA==", "transparency_entries": [{"a": 1}]},
}
ENVELOPE = {"payload": "e30=", "payloadType": STATEMENT_TYPE, "signatures": [{"sig": "c2ln"}]}
GOOGLE = {"kind": "Google", "email": "a@example.org"}


def read(document: object) -> Any:
    return read_provenance(json.dumps(document).encode())


def test_a_raw_bundle_stays_as_it_is() -> None:
    raw = b'{ "mediaType": "anything" }'
    assert read_provenance(raw) == (Keyless(raw),)


def test_an_attestation_becomes_a_bundle() -> None:
    (found,) = read_provenance(provenance(GOOGLE, KEYLESS))
    assert isinstance(found, Keyless)
    assert found.claim == Publisher.of("Google", email="a@example.org")
    assert json.loads(found.bundle) == {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": "Y2VydA=="},
            "tlogEntries": [{"a": 1}],
        },
        "dsseEnvelope": {
            "payload": "e30=",
            "payloadType": STATEMENT_TYPE,
            "signatures": [{"sig": "c2lnbmVk"}],
        },
    }


def test_without_a_publisher_there_is_no_claim() -> None:
    (found,) = read_provenance(provenance(None, KEYLESS))
    assert isinstance(found, Keyless)
    assert found.claim is None
    (alone,) = read(KEYLESS)
    assert alone == found


def test_an_attestation_that_a_key_signed() -> None:
    assert read_provenance(provenance({"kind": "Vendor"}, KEYED)) == (
        KeySigned(b"{}", (b"signed",)),
    )


def test_an_envelope_alone() -> None:
    two = [{"sig": "c2ln"}, {"sig": "", "keyid": "x"}]
    assert read(ENVELOPE | {"signatures": two}) == (KeySigned(b"{}", (b"sig", b"")),)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "it is not an object"),
        ({}, "it has version None; only 1 is known"),
        ({"version": 2, "attestation_bundles": []}, "it has version 2; only 1 is known"),
        ({"version": True, "attestation_bundles": []}, "it has version True"),
        ({"version": 1, "attestation_bundles": []}, "it has 0 attestations, not 1 to 16"),
        ({"version": 1, "attestation_bundles": {}}, "attestation_bundles is not an array"),
        ({"version": 1, "attestation_bundles": [1]}, "attestation_bundles.. is not an object"),
        ({"version": 1, "attestation_bundles": [{}]}, "attestations is not an array"),
        (KEYED | {"version": 3}, "it has version 3; only 1 is known"),
        (KEYED | {"envelope": None}, "it.envelope is not an object"),
        (KEYED | {"verification_material": 1}, "verification_material is not an object"),
        (KEYED | {"envelope": {"statement": 1}}, "envelope.statement is not a string"),
        (KEYED | {"envelope": {"statement": "e30"}}, "envelope.statement is not base64"),
        (KEYED | {"envelope": {"statement": "é"}}, "envelope.statement is not base64"),
        (ENVELOPE | {"payloadType": "text/plain"}, "the envelope's payload is not"),
        (ENVELOPE | {"signatures": []}, "it has 0 signatures, not 1 to 16"),
        (ENVELOPE | {"signatures": [1]}, "signatures.. is not an object"),
        (ENVELOPE | {"signatures": [{}]}, "signatures...sig is not a string"),
    ],
)
def test_what_is_refused(document: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(document)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is not JSON"),
        (b"[" * 200_000, "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b'{"version": 1, "version": 1}', "a key stands twice in an object"),
        (b" " * (MAX_PROVENANCE + 1), f"it has {MAX_PROVENANCE + 1} bytes, more than"),
    ],
)
def test_what_is_no_document(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_provenance(data)


def test_too_many_attestations() -> None:
    most = [KEYED] * MAX_ATTESTATIONS
    assert len(read_provenance(provenance(None, *most))) == MAX_ATTESTATIONS
    with pytest.raises(ValueError, match="it has 17 attestations"):
        read_provenance(provenance(None, *most, KEYED))
