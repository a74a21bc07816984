"""Approvals: a statement that one sequence may go live, signed by somebody inside.

The envelope is DSSE 1.0, as securesystemslib makes and checks it: the type of what is signed is
signed with it, so no other signature of the same key can pass for an approval.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, VerificationError
from securesystemslib.signer import Key, Signer, SSlibKey

from bundler.disk import read_whole
from bundler.errors import BundlerError, TrustError
from bundler.model.artifact import Sha256
from bundler.model.canonical import canonical
from bundler.model.document import FORMAT
from bundler.trust.keys import fingerprint

PAYLOAD_TYPE: Final = "application/vnd.bundler.approval+json"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is approved: this sequence, with the manifest of this sha256."""

    stream: str
    sequence: int
    manifest: Sha256

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "stream": self.stream,
                "sequence": self.sequence,
                "manifest": self.manifest,
            }
        )

    def __str__(self) -> str:
        return f"{self.stream} sequence {self.sequence}"


def read_approver(path: Path) -> Key:
    """The public key in a `.pub` file.

    Raises:
        BundlerError: if it cannot be read or is none that can be used.
    """
    try:
        return SSlibKey.from_crypto(load_pem_public_key(read_whole(path)))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BundlerError(
            f"{path} is not a public key that can be used here",
            hint="give the .pub file that `bundle keygen` made",
        ) from error


def sign_approval(statement: Statement, signer: Signer) -> bytes:
    """The envelope, as canonical JSON."""
    envelope = Envelope(statement.to_bytes(), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return canonical(envelope.to_dict())


def has_key_of(signer: Signer, keys: Sequence[Key]) -> bool:
    """Whether the signer can make a signature that one of `keys` accepts; it makes one."""
    proof = Statement("", 0, Sha256(""))
    try:
        check_approval(sign_approval(proof, signer), proof, keys)
    except TrustError:
        return False
    return True


def check_approval(data: bytes, statement: Statement, approvers: Sequence[Key]) -> Key:
    """The key of `approvers` that signed `statement` in the envelope `data`.

    Raises:
        TrustError: if there is none, or the envelope is of something else.
    """
    try:
        envelope = Envelope.from_dict(json.loads(data))
        if (envelope.payload_type, envelope.payload) != (PAYLOAD_TYPE, statement.to_bytes()):
            raise TrustError(f"the approval that is there is not one of {statement} as it is")
        found = envelope.verify(list(approvers), 1)
    except (ValueError, KeyError, TypeError, AttributeError, FormatError, binascii.Error) as error:
        raise TrustError(f"the approval of {statement} is damaged: {error}") from error
    except VerificationError as error:
        named = ", ".join(map(fingerprint, approvers))
        raise TrustError(
            f"the approval of {statement} is not signed by a key that this mirror asks for: {named}"
        ) from error
    return next(iter(found.values()))
