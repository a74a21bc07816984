"""Certificates as Fulcio makes them: an authority, leaves with extensions, a promise of a log."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SHA = ec.ECDSA(hashes.SHA256())
SIGNED: Final = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
GITHUB: Final = "https://token.actions.githubusercontent.com"

_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example CA")])


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


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


def authority_of(ca: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """The certificate of the authority whose key this is."""
    far = timedelta(days=3650)
    return (
        x509.CertificateBuilder(_NAME, _NAME, ca.public_key(), x509.random_serial_number())
        .not_valid_before(SIGNED - far)
        .not_valid_after(SIGNED + far)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signing=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca.public_key()), critical=False)
        .sign(ca, hashes.SHA256())
    )


def leaf(
    ca: ec.EllipticCurvePrivateKey,
    ct: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePublicKey,
    signer: Signer,
    at: datetime,
) -> x509.Certificate:
    """For ten minutes round `at`, with a promise of the certificate log."""
    name = x509.UniformResourceIdentifier if ":" in signer.subject else x509.RFC822Name
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())
    builder = (
        x509.CertificateBuilder(_NAME, x509.Name([]), key, x509.random_serial_number())
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
    unlogged = builder.sign(ca, hashes.SHA256()).tbs_certificate_bytes
    when = int(at.timestamp() * 1000)
    entry = key_id(ca) + len(unlogged).to_bytes(3) + unlogged
    signature = ct.sign(struct.pack("!BBQH", 0, 0, when, 1) + entry + b"\0\0", SHA)
    promise = b"\0" + key_id(ct) + struct.pack("!QHBBH", when, 0, 4, 3, len(signature))
    promises = _sized(_sized(promise + signature))
    value = b"\x04" + _der_length(len(promises)) + promises
    return _extend(builder, "1.3.6.1.4.1.11129.2.4.2", value).sign(ca, hashes.SHA256())


def key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(spki(key)).digest()


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
