from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bundler.trust.pinned_keys import has_signed, key_fingerprint, read_key
from tests.fakes.sigstore import pae

STATEMENT = b'{"a": 1}'
RSA = rsa.generate_private_key(65537, 3072)


def pem(private: Any) -> str:
    public = private.public_key()
    text: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


@pytest.mark.parametrize(
    ("private", "how"),
    [
        (ed25519.Ed25519PrivateKey.generate(), ()),
        (ec.generate_private_key(ec.SECP256R1()), (ec.ECDSA(SHA256()),)),
        (ec.generate_private_key(ec.SECP384R1()), (ec.ECDSA(SHA384()),)),
        (RSA, (padding.PKCS1v15(), SHA256())),
    ],
)
def test_kinds_of_keys(private: Any, how: tuple[Any, ...]) -> None:
    key = read_key(pem(private))
    signature = private.sign(pae(STATEMENT), *how)
    assert has_signed(key, STATEMENT, signature)
    assert not has_signed(key, STATEMENT + b" ", signature)
    assert not has_signed(key, STATEMENT, signature[:-1])
    assert not has_signed(key, STATEMENT, b"")


def test_the_fingerprint_is_of_the_whole_key() -> None:
    der = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key_fingerprint(read_key(pem(RSA))) == f"sha256:{hashlib.sha256(der).hexdigest()}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a public key in PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a public key in PEM"),
        (pem(rsa.generate_private_key(65537, 2048)), "RSA key of 3072 bits or more"),
        (pem(ec.generate_private_key(ec.SECP521R1())), "not an Ed25519, P-256, P-384"),
        (pem(dsa.generate_private_key(2048)), "not an Ed25519, P-256, P-384"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_key(text)
