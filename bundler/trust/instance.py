"""A Sigstore instance as its trust root states it: its authority, its logs, its clocks.

The root comes from the caller and from nowhere else: no cache, no TUF refresh, no network.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from tempfile import NamedTemporaryFile
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import DuplicateExtension, ExtensionNotFound
from sigstore.errors import Error as SigstoreError
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier

from bundler.errors import TrustError

MAX_ROOT: Final = 1024 * 1024
"""Bytes of a trust root; that of the public instance has seven thousand."""

_MAX_REASON: Final = 400

_PUBLIC_GOOD: Final = "sigstore_public_good.json"

# Besides its own errors, the library lets through what the parsers below it raise on odd input: of
# base64, JSON and time stamps (ValueError), of certificates, and of members that are not there.
ODD_INPUT: Final = (
    SigstoreError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    OSError,
    RecursionError,
    NotImplementedError,
    ExtensionNotFound,
    DuplicateExtension,
    UnsupportedAlgorithm,
)
"""What the library raises on what it cannot read or does not believe."""


def public_root() -> bytes:
    """The trust root of the public Sigstore instance, as it was when this program was released."""
    return resources.files("bundler.trust").joinpath(_PUBLIC_GOOD).read_bytes()


def verifier(root: bytes) -> tuple[TrustedRoot, Verifier]:
    """A trust root, and the verifier that believes it and nothing else.

    Read through a file of our own: the library reads roots from nothing else.

    Raises:
        TrustError: if the root cannot be used.
    """
    name = f"the Sigstore trust root (sha256 {hashlib.sha256(root).hexdigest()[:16]}…)"
    hint = "take a trusted_root.json from your Sigstore instance"
    if len(root) > MAX_ROOT:
        raise TrustError(f"{name} has {len(root)} bytes, more than {MAX_ROOT}", hint=hint)
    try:
        with NamedTemporaryFile(suffix=".json") as file:
            file.write(root)
            file.flush()
            found = TrustedRoot.from_file(file.name)
        return found, Verifier(trusted_root=found)
    except ODD_INPUT as error:
        raise TrustError(f"{name} cannot be used: {plain(str(error))}", hint=hint) from error


def plain(text: str) -> str:
    """One line for a terminal, whatever somebody put into an attestation."""
    line = " ".join(text.split())
    return "".join(each if each.isprintable() else "?" for each in line)[:_MAX_REASON]
