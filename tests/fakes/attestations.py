"""What is signed and how indexes wrap it: statements, attestations and provenance objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.fulcio import SHA, b64
from tests.fakes.sigstore import pae

PUBLISH: Final = "https://docs.example.org/attestations/publish/v1"


def statement(filename: str, sha256: str, **changed: Any) -> bytes:
    subject = {"name": filename, "digest": {"sha256": sha256}}
    usual = {"_type": "https://in-toto.io/Statement/v1", "subject": [subject]}
    return json.dumps({**usual, "predicateType": PUBLISH, "predicate": None, **changed}).encode()


def attestation(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """A bundle as PEP 740 has it."""
    material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]
    return {
        "version": 1,
        "verification_material": {
            "certificate": material["certificate"]["rawBytes"],
            "transparency_entries": material["tlogEntries"],
        },
        "envelope": {
            "statement": envelope["payload"],
            "signature": envelope["signatures"][0]["sig"],
        },
    }


def provenance(publisher: Mapping[str, Any] | None, *attestations: Mapping[str, Any]) -> bytes:
    """A provenance object with one attestation bundle."""
    bundle = {"publisher": publisher, "attestations": attestations}
    return json.dumps({"version": 1, "attestation_bundles": [bundle]}).encode()


def keyed(key: ec.EllipticCurvePrivateKey, payload: bytes) -> dict[str, Any]:
    """An attestation that is signed with a key."""
    envelope = {"statement": b64(payload), "signature": b64(key.sign(pae(payload), SHA))}
    return {"version": 1, "verification_material": None, "envelope": envelope}
