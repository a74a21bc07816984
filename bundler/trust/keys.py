"""Signing keys in files: make one, load one, name one for people.

A private key is a PKCS#8 PEM file that only its owner may read. Signing and verifying are done by
securesystemslib, which is what python-tuf uses.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key

from bundler.errors import BundlerError, TrustError

KeyKind: TypeAlias = Literal["ed25519", "ecdsa", "ml-dsa"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.ASCII)
_OTHERS_MAY = stat.S_IRWXG | stat.S_IRWXO

# ECDSA is on P-256, which FIPS 186-5 approves; ML-DSA is the set 65 of FIPS 204.
_MAKERS: Mapping[str, Callable[[], CryptoSigner]] = MappingProxyType(
    {
        "ed25519": CryptoSigner.generate_ed25519,
        "ecdsa": CryptoSigner.generate_ecdsa,
        "ml-dsa": CryptoSigner.generate_mldsa,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A key in two files; `fingerprint` is of the public half."""

    name: str
    private: Path
    public: Path
    fingerprint: str


def generate_key(folder: Path, name: str, kind: KeyKind) -> KeyPair:
    """Make `NAME.key` and `NAME.pub` in `folder`, which is made when absent.

    Raises:
        BundlerError: if the name is odd, if such a key exists, or if it cannot be written; then
            neither file is left.
    """
    if not _NAME.fullmatch(name):
        raise BundlerError(
            f"{name!r:.80} is no name for a key",
            hint="use letters, digits, - and _, at most 64, beginning with a letter or a digit",
        )
    signer = _MAKERS[kind]()
    pair = KeyPair(
        name=name,
        private=folder / f"{name}.key",
        public=folder / f"{name}.pub",
        fingerprint=fingerprint(signer.public_key),
    )
    made: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, mode, data in (
            (pair.private, 0o600, signer.private_bytes),
            (pair.public, 0o644, _public_pem(signer)),
        ):
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
    return pair


def load_signer(reference: str, folder: Path) -> CryptoSigner:
    """The signer of a key's name in `folder`, or of a path to a `.key` file.

    Raises:
        BundlerError: if there is no such key, or it cannot be read or used.
        TrustError: if others than its owner may read the file.
    """
    path = _key_path(reference, folder)
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & _OTHERS_MAY:
                raise TrustError(
                    f"{path}: others than its owner may use this private key"
                    f" (mode {stat.S_IMODE(status.st_mode):04o})",
                    hint=f"run: chmod 600 {path}",
                )
            data = file.read()
    except FileNotFoundError as error:
        raise BundlerError(
            f"there is no key {reference!r}: {path} does not exist",
            hint=f"`bundle keygen {path.stem}` makes one",
        ) from error
    except OSError as error:
        raise BundlerError(f"{path} cannot be read: {error.strerror or error}") from error
    return _parse_signer(path, data)


def load_signers(references: Iterable[str], folder: Path) -> list[CryptoSigner]:
    """The signers of those keys that are on this host; whether they are enough is seen on signing.

    Raises:
        BundlerError, TrustError: as `load_signer`, for a key that is there.
    """
    return [
        load_signer(reference, folder)
        for reference in references
        if _key_path(reference, folder).exists()
    ]


def fingerprint(key: Key) -> str:
    """The first 16 digits of the key's id, in groups of four: `1f0c 22ab 9d3e 4477`."""
    return grouped(key.keyid[:16], 4)


def grouped(digits: str, size: int) -> str:
    """`digits` in groups of `size`, for eyes and telephones."""
    return " ".join(digits[start : start + size] for start in range(0, len(digits), size))


def _key_path(reference: str, folder: Path) -> Path:
    if _NAME.fullmatch(reference):
        return folder / f"{reference}.key"
    if scheme := _SCHEME.match(reference):
        raise BundlerError(
            f"{reference!r:.120}: keys of the kind {scheme[1]}: cannot be used yet",
            hint="give the name of a key, or the path of its .key file",
        )
    if reference.endswith(".key"):
        return Path(reference).expanduser()
    raise BundlerError(
        f"{reference!r:.120} is neither the name of a key nor the path of a .key file",
        hint="`bundle keygen NAME` makes a key",
    )


def _parse_signer(path: Path, data: bytes) -> CryptoSigner:
    try:
        return CryptoSigner(load_pem_private_key(data, None))
    except TypeError as error:
        raise BundlerError(
            f"{path}: the key is protected by a passphrase, which cannot be used yet"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BundlerError(
            f"{path} is not a private key that can sign here",
            hint="it must be PKCS#8 in PEM: Ed25519, ECDSA or ML-DSA, as `bundle keygen` makes",
        ) from error


def _public_pem(signer: CryptoSigner) -> bytes:
    private = load_pem_private_key(signer.private_bytes, None)
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
