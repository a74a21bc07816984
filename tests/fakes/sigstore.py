"""A Sigstore instance of our own: it signs, and the real verifier judges.

It has a certificate authority like Fulcio, a certificate log and a signature log like Rekor v1, and
keeps nothing. Every log is one entry long, so the entry is the root of its Merkle tree.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SHA = ec.ECDSA(hashes.SHA256())
SIGNED: Final = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
GITHUB: Final = "https://token.actions.githubusercontent.com"
IN_TOTO: Final = "application/vnd.in-toto+json"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pae(payload: bytes, kind: str = IN_TOTO) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


@dataclass(frozen=True)
class Signer:
    """A subject alternative name, and texts of Fulcio's extensions by their last number."""

    subject: str
    texts: Mapping[int, str]


def github(repository: str, workflow: str = "release.yml", ref: str = "refs/tags/v1") -> Signer:
    site = f"https://github.com/{repository}"
    run = f"{site}/.github/workflows/{workflow}@{ref}"
    return Signer(run, {8: GITHUB, 9: run, 12: site, 13: "ab" * 20, 14: ref, 18: run})


def anybody(issuer: str, subject: str) -> Signer:
    return Signer(subject, {8: issuer})


@dataclass
class FakeSigstore:
    """All its keys are new."""

    ca: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    ct: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    log: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example CA")])
        far = timedelta(days=3650)
        self._name = name
        self._root = (
            x509.CertificateBuilder(name, name, self.ca.public_key(), x509.random_serial_number())
            .not_valid_before(SIGNED - far)
            .not_valid_after(SIGNED + far)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signing=False), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.ca.public_key()), critical=False
            )
            .sign(self.ca, hashes.SHA256())
        )

    @property
    def authority(self) -> x509.Certificate:
        """The certificate of its authority."""
        return self._root

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
                "logId": {"keyId": b64(_id(key))},
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

    def certificate(
        self, key: ec.EllipticCurvePublicKey, signer: Signer, at: datetime = SIGNED
    ) -> x509.Certificate:
        """For ten minutes round `at`, with a promise of the certificate log."""
        name = x509.UniformResourceIdentifier if ":" in signer.subject else x509.RFC822Name
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca.public_key())
        builder = (
            x509.CertificateBuilder(self._name, x509.Name([]), key, x509.random_serial_number())
            .not_valid_before(at - timedelta(minutes=1))
            .not_valid_after(at + timedelta(minutes=9))
            .add_extension(_usage(signing=True), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(authority, critical=False)
            .add_extension(x509.SubjectAlternativeName([name(signer.subject)]), critical=True)
        )
        for number, text in signer.texts.items():
            value = b"\x0c" + _der_length(len(text.encode())) + text.encode()
            builder = _extend(builder, f"1.3.6.1.4.1.57264.1.{number}", value)
        unlogged = builder.sign(self.ca, hashes.SHA256()).tbs_certificate_bytes
        when = int(at.timestamp() * 1000)
        entry = _id(self.ca) + len(unlogged).to_bytes(3) + unlogged
        signature = self.ct.sign(struct.pack("!BBQH", 0, 0, when, 1) + entry + b"\0\0", SHA)
        promise = b"\0" + _id(self.ct) + struct.pack("!QHBBH", when, 0, 4, 3, len(signature))
        promises = _sized(_sized(promise + signature))
        value = b"\x04" + _der_length(len(promises)) + promises
        return _extend(builder, "1.3.6.1.4.1.11129.2.4.2", value).sign(self.ca, hashes.SHA256())

    def entry(self, kind: str, spec: Mapping[str, Any], when: int) -> dict[str, Any]:
        """An entry of the log with its promise and its proof."""
        body = _json({"apiVersion": "0.0.1", "kind": kind, "spec": spec})
        identity, index = _id(self.log), 7
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


def _id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(spki(key)).digest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sized(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def _der_length(size: int) -> bytes:
    return (
        bytes([size])
        if size < 0x80
        else b"\x81" + bytes([size])
        if size < 0x100
        else (b"\x82" + size.to_bytes(2))
    )


def _extend(builder: x509.CertificateBuilder, oid: str, value: bytes) -> x509.CertificateBuilder:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
    return builder.add_extension(extension, critical=False)


def _usage(*, signing: bool) -> x509.KeyUsage:
    flags = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    rest = dict.fromkeys((*flags, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(
        digital_signature=signing, key_cert_sign=not signing, crl_sign=not signing, **rest
    )
