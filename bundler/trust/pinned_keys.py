"""Keys of publishers that sign without Sigstore: read from PEM, and asked whether they signed."""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from bundler.trust.provenance import STATEMENT_TYPE

PinnedKey: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey

_SHORTEST_RSA: Final = 3072
_CURVES: Final = (SECP256R1, SECP384R1)


def read_key(pem: str) -> PinnedKey:
    """A public key: Ed25519, ECDSA on P-256 or P-384, or RSA of 3072 bits or more.

    Raises:
        ValueError: if it is anything else.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not a public key in PEM") from error
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return key
    if isinstance(key, RSAPublicKey) and key.key_size >= _SHORTEST_RSA:
        return key
    raise ValueError("not an Ed25519, P-256, P-384 or RSA key of 3072 bits or more")


def key_fingerprint(key: PinnedKey) -> str:
    """`sha256:` and the digest of the key as SubjectPublicKeyInfo (RFC 5280 §4.1)."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(spki).hexdigest()}"


def has_signed(key: PinnedKey, statement: bytes, signature: bytes) -> bool:
    """Whether `signature` is the key's over the statement in a DSSE envelope."""
    message = encode_dsse(STATEMENT_TYPE, statement)
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, EllipticCurvePublicKey):
            digest = SHA256() if isinstance(key.curve, SECP256R1) else SHA384()
            key.verify(signature, message, ECDSA(digest))
        else:
            key.verify(signature, message, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def encode_dsse(kind: str, payload: bytes) -> bytes:
    """The bytes that are signed (DSSE 1.0, "PAE")."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
