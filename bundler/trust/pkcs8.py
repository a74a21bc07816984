"""A private key under a passphrase: `EncryptedPrivateKeyInfo` (RFC 5958 §3) by PBES2 (RFC 8018).

The key comes from the passphrase by PBKDF2 with HMAC-SHA-256, which NIST SP 800-132 approves. The
library that reads these files again writes 2,048 rounds, which a graphics card counts through in no
time; so the few bytes around the ciphertext are written here.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import textwrap
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

ROUNDS: Final = 600_000
"""Of PBKDF2; about a quarter of a second on a laptop."""

_PBES2 = "2a864886f70d01050d"  # 1.2.840.113549.1.5.13
_PBKDF2 = "2a864886f70d01050c"  # 1.2.840.113549.1.5.12
_HMAC_SHA256 = "2a864886f70d0209"  # 1.2.840.113549.2.9
_AES256_CBC = "60864801650304012a"  # 2.16.840.1.101.3.4.1.42

_INTEGER, _OCTETS, _NULL, _OID, _SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
_LONG_FORM = 0x80
_BLOCK = 128
_SALT, _IV, _KEY = 16, 16, 32


def protect(private_pem: bytes, passphrase: str) -> bytes:
    """An unprotected private key in PEM as a protected one."""
    key = load_pem_private_key(private_pem, None)
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    salt, start = secrets.token_bytes(_SALT), secrets.token_bytes(_IV)
    derived = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, _KEY)
    padder = PKCS7(_BLOCK).padder()
    engine = Cipher(algorithms.AES256(derived), modes.CBC(start)).encryptor()
    padded = padder.update(plain) + padder.finalize()
    ciphertext = engine.update(padded) + engine.finalize()
    rounds = ROUNDS.to_bytes(ROUNDS.bit_length() // 8 + 1)
    prf = _der(_SEQUENCE, _oid(_HMAC_SHA256), _der(_NULL))
    derivation = _der(_SEQUENCE, _der(_OCTETS, salt), _der(_INTEGER, rounds), prf)
    scheme = _der(
        _SEQUENCE,
        _der(_SEQUENCE, _oid(_PBKDF2), derivation),
        _der(_SEQUENCE, _oid(_AES256_CBC), _der(_OCTETS, start)),
    )
    algorithm = _der(_SEQUENCE, _oid(_PBES2), scheme)
    text = base64.b64encode(_der(_SEQUENCE, algorithm, _der(_OCTETS, ciphertext))).decode()
    body = "\n".join(textwrap.wrap(text, 64))
    label = "ENCRYPTED PRIVATE KEY"
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


def _oid(digits: str) -> bytes:
    return _der(_OID, bytes.fromhex(digits))


def _der(tag: int, *parts: bytes) -> bytes:
    """One value in DER (X.690 §8.1)."""
    content = b"".join(parts)
    size = len(content)
    if size < _LONG_FORM:
        return bytes([tag, size]) + content
    count = (size.bit_length() + 7) // 8
    return bytes([tag, _LONG_FORM | count]) + size.to_bytes(count) + content
