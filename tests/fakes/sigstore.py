"""A Sigstore instance of our own: it signs, and the real verifier judges.

It has a certificate authority like Fulcio, a certificate log and a signature log like Rekor v1, and
keeps nothing. Every log is one entry long, so the entry is the root of its Merkle tree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.fakes.fulcio import SHA, SIGNED, Signer, authority_of, b64, key_id, leaf, new_key, spki

IN_TOTO: Final = "application/vnd.in-toto+json"


def pae(payload: bytes, kind: str = IN_TOTO) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


@dataclass
class FakeSigstore:
    """All its keys are new."""

    ca: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    ct: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    log: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def __post_init__(self) -> None:
        self._root = authority_of(self.ca)

    @property
    def authority(self) -> x509.Certificate:
        """The certificate of its authority."""
        return self._root

    def certificate(
        self, key: ec.EllipticCurvePublicKey, signer: Signer, at: datetime = SIGNED
    ) -> x509.Certificate:
        """For ten minutes round `at`, with a promise of the certificate log."""
        return leaf(self.ca, self.ct, key, signer, at)

    @property
    def trusted_root(self) -> bytes:
        """What a verifier has to pin."""

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            valid = {"start": "2020-01-01T00:00:00Z"}
            details = {"rawBytes": b64(spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
            return {
                "baseUrl": "https://log.example.org",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {**details, "validFor": valid},
                "logId": {"keyId": b64(key_id(key))},
            }

        authority = {
            "subject": {"organization": "example", "commonName": "example CA"},
            "uri": "https://ca.example.org",
            "certChain": {
                "certificates": [{"rawBytes": b64(self._root.public_bytes(Encoding.DER))}]
            },
            "validFor": {"start": "2020-01-01T00:00:00Z"},
        }
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [log(self.log)],
                "certificateAuthorities": [authority],
                "ctlogs": [log(self.ct)],
                "timestampAuthorities": [],
            }
        ).encode()

    def bundle(
        self,
        payload: bytes,
        signer: Signer,
        *,
        logged: datetime = SIGNED,
        kind: str | None = IN_TOTO,
    ) -> dict[str, Any]:
        """A Sigstore bundle over a statement; with kind None, over a file's own bytes."""
        key = new_key()
        certificate = self.certificate(key.public_key(), signer)
        pem = b64(certificate.public_bytes(Encoding.PEM))
        digest = {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}
        signature = key.sign(payload if kind is None else pae(payload, kind), SHA)
        if kind is None:
            content: dict[str, Any] = {"messageSignature": {"signature": b64(signature)}}
            signed = {"content": b64(signature), "publicKey": {"content": pem}}
            logged_as, spec = "hashedrekord", {"data": {"hash": digest}, "signature": signed}
        else:
            envelope = {"payload": b64(payload), "payloadType": kind}
            content = {"dsseEnvelope": {**envelope, "signatures": [{"sig": b64(signature)}]}}
            verifiers = [{"signature": b64(signature), "verifier": pem}]
            logged_as = "dsse"
            spec = {"envelopeHash": digest, "payloadHash": digest, "signatures": verifiers}
        material = {
            "certificate": {"rawBytes": b64(certificate.public_bytes(Encoding.DER))},
            "tlogEntries": [self.entry(logged_as, spec, int(logged.timestamp()))],
        }
        media = "application/vnd.dev.sigstore.bundle.v0.3+json"
        return {"mediaType": media, "verificationMaterial": material, **content}

    def entry(self, kind: str, spec: Mapping[str, Any], when: int) -> dict[str, Any]:
        """An entry of the log with its promise and its proof."""
        body = _json({"apiVersion": "0.0.1", "kind": kind, "spec": spec})
        identity, index = key_id(self.log), 7
        about = {"body": b64(body), "integratedTime": when, "logIndex": index}
        promise = self.log.sign(_json({**about, "logID": identity.hex()}), SHA)
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"log.example.org\n1\n{b64(root)}\n"
        signature = b64(identity[:4] + self.log.sign(note.encode(), SHA))
        checkpoint = f"{note}\n\N{EM DASH} log.example.org {signature}\n"
        return {
            "logIndex": str(index),
            "logId": {"keyId": b64(identity)},
            "kindVersion": {"kind": kind, "version": "0.0.1"},
            "integratedTime": str(when),
            "inclusionPromise": {"signedEntryTimestamp": b64(promise)},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": checkpoint},
            },
            "canonicalizedBody": b64(body),
        }


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
