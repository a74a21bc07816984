"""Signing keys in files: make one, read one.

A private key is PKCS#8 in PEM that only its owner may read, protected by a passphrase if wanted;
its public half is SubjectPublicKeyInfo in PEM. A hybrid key is two of each in one file, Ed25519
first. Signing and verifying are done by securesystemslib, which is what python-tuf uses.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import (
    ECDSA_SHA2_NISTP384,
    MLDSA_87_1,
    CryptoSigner,
    SSlibKey,
)

from bundler.errors import BundlerError, TrustError
from bundler.trust.keys import check_key_name, fingerprint
from bundler.trust.pkcs8 import protect

KeyKind: TypeAlias = Literal["ed25519", "ecdsa", "ecdsa-p384", "ml-dsa", "ml-dsa-87", "hybrid"]

Secrets: TypeAlias = Callable[[str], str]
"""Is told what is asked for, such as `passphrase of ana.key`, and gives it."""

KEY_SUFFIX: Final = ".key"
PUBLIC_SUFFIX: Final = ".pub"

# ECDSA is on curves that FIPS 186-5 approves, ML-DSA the sets 65 and 87 of FIPS 204.
_MAKERS: Mapping[str, tuple[Callable[[], CryptoSigner], ...]] = MappingProxyType(
    {
        "ed25519": (CryptoSigner.generate_ed25519,),
        "ecdsa": (CryptoSigner.generate_ecdsa,),
        "ecdsa-p384": (lambda: CryptoSigner.generate_ecdsa(scheme=ECDSA_SHA2_NISTP384),),
        "ml-dsa": (CryptoSigner.generate_mldsa,),
        "ml-dsa-87": (lambda: CryptoSigner.generate_mldsa(scheme=MLDSA_87_1),),
        "hybrid": (CryptoSigner.generate_ed25519, CryptoSigner.generate_mldsa),
    }
)

_OTHERS_MAY = stat.S_IRWXG | stat.S_IRWXO
_LARGEST_FILE = 64 << 10
_KINDS = "Ed25519, ECDSA or ML-DSA, as `bundle keygen` makes"
_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----\s[^-]*-----END \1-----\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A key in two files; the fingerprints are of the public halves, two for a hybrid key."""

    name: str
    private: Path
    public: Path
    fingerprints: tuple[str, ...]


def generate_key(folder: Path, name: str, kind: KeyKind, passphrase: str | None = None) -> KeyPair:
    """Make `NAME.key` and `NAME.pub` in `folder`, which is made when absent.

    With a passphrase, the private key is of no use without it.

    Raises:
        BundlerError: if the name is odd, if such a key exists, or if it cannot be written; then
            neither file is left.
    """
    check_key_name(name)
    signers = [make() for make in _MAKERS[kind]]
    pair = KeyPair(
        name=name,
        private=folder / f"{name}{KEY_SUFFIX}",
        public=folder / f"{name}{PUBLIC_SUFFIX}",
        fingerprints=tuple(fingerprint(signer.public_key) for signer in signers),
    )
    private = b"".join(
        signer.private_bytes if passphrase is None else protect(signer.private_bytes, passphrase)
        for signer in signers
    )
    public = b"".join(_public_pem(signer) for signer in signers)
    write_new(name, ((pair.private, 0o600, private), (pair.public, 0o644, public)))
    return pair


def write_new(name: str, files: tuple[tuple[Path, int, bytes], ...]) -> None:
    """Write a key's files with these modes, all or none; none of them may be there.

    Raises:
        BundlerError: if one is, or cannot be written.
    """
    made: list[Path] = []
    folder = files[0][0].parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, mode, data in files:
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            made.append(path)
            with os.fdopen(number, "wb") as file:
                file.write(data)
    except BaseException as error:
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise BundlerError(
                f"a key of the name {name} exists already in {folder}",
                hint="choose another name; a key is never overwritten",
            ) from error
        if isinstance(error, OSError):
            raise BundlerError(
                f"the key {name} cannot be written to {folder}: {error.strerror or error}"
            ) from error
        raise


def read_private(path: Path, secrets: Secrets) -> tuple[CryptoSigner, ...]:
    """The signers in a `.key` file: one, or two of a hybrid key.

    `secrets` is asked for the passphrase when there is one.

    Raises:
        FileNotFoundError: if there is none.
        BundlerError: if it cannot be read or used.
        TrustError: if others than its owner may read the file.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & _OTHERS_MAY:
                raise TrustError(
                    f"{path}: others than its owner may use this private key"
                    f" (mode {stat.S_IMODE(status.st_mode):04o})",
                    hint=f"run: chmod 600 {path}",
                )
            data = file.read(_LARGEST_FILE)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BundlerError(f"{path} cannot be read: {error.strerror or error}") from error
    parts = list(_parts(path, data, "PRIVATE KEY"))
    passphrase = secrets(f"passphrase of {path}") if b"ENCRYPTED" in data else None
    return tuple(_parse_signer(path, part, passphrase) for part in parts)


def read_public(path: Path) -> tuple[SSlibKey, ...]:
    """The keys in a `.pub` file: one, or two of a hybrid key.

    Raises:
        FileNotFoundError: if there is none.
        BundlerError: if it cannot be read or used.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE)
        return tuple(
            SSlibKey.from_crypto(load_pem_public_key(part))
            for part in _parts(path, data, "PUBLIC KEY")
        )
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BundlerError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BundlerError(
            f"{path} is not a public key that can be used here", hint=f"it must be PEM: {_KINDS}"
        ) from error


def public_pem(key: SSlibKey) -> bytes:
    """The contents of a `.pub` file."""
    public = key._crypto_key()  # noqa: SLF001 - nothing public gives the key back
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _parts(path: Path, data: bytes, label: str) -> Iterator[bytes]:
    """Each PEM block of a file that has nothing else, two at most."""
    found = list(_PEM.finditer(data))
    labels = [match[1].decode().removeprefix("ENCRYPTED ") for match in found]
    if b"".join(match[0] for match in found) != data or labels not in ([label], [label] * 2):
        kind = "private key that can sign" if label.startswith("PRIVATE") else "public key"
        raise BundlerError(
            f"{path} is not a {kind} here", hint=f"it must be PKCS#8 in PEM: {_KINDS}"
        )
    yield from (match[0] for match in found)


def _parse_signer(path: Path, data: bytes, passphrase: str | None) -> CryptoSigner:
    protected = b"ENCRYPTED" in data
    if protected != (passphrase is not None):
        raise BundlerError(f"{path}: a hybrid key is protected as a whole or not at all")
    try:
        return CryptoSigner(
            load_pem_private_key(data, passphrase.encode() if protected and passphrase else None)
        )
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        if protected:
            raise BundlerError(
                f"{path} cannot be opened: the passphrase is wrong, or the file is damaged"
            ) from error
        raise BundlerError(
            f"{path} is not a private key that can sign here",
            hint=f"it must be PKCS#8 in PEM: {_KINDS}",
        ) from error


def _public_pem(signer: CryptoSigner) -> bytes:
    private = load_pem_private_key(signer.private_bytes, None)
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
