"""Decisions that somebody inside signs: that a sequence may go live, or that a mirror goes back.

The envelope is DSSE 1.0, as securesystemslib makes and checks it: the type of what is signed is
signed with it, so no other signature of the same key can pass for an approval, and no approval for
a rollback.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Protocol

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
ROLLBACK_TYPE: Final = "application/vnd.bundler.rollback+json"


class Decision(Protocol):
    """What can be signed; `str` names it for people."""

    @property
    def payload_type(self) -> str:
        """Of its envelope."""

    def to_bytes(self) -> bytes:
        """The payload."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is approved: this sequence, with the manifest of this sha256."""

    payload_type: ClassVar[str] = PAYLOAD_TYPE

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


@dataclass(frozen=True, slots=True)
class RollbackStatement:
    """What is approved: that a mirror shows these sequences, and nothing else, from now on.

    Attributes:
        journal: The sha256 of the last line of the mirror's journal, so that it counts in this
            mirror, and once.
        replaces: The number of the generation that is live.
        shown: What will be.
    """

    payload_type: ClassVar[str] = ROLLBACK_TYPE

    journal: Sha256
    replaces: int
    shown: tuple[Statement, ...]

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "journal": self.journal,
                "replaces": self.replaces,
                "streams": [
                    {
                        "stream": each.stream,
                        "sequence": each.sequence,
                        "manifest": each.manifest,
                    }
                    for each in sorted(self.shown, key=lambda each: each.stream)
                ],
            }
        )

    def __str__(self) -> str:
        return f"the rollback to {', '.join(map(str, self.shown))}"


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


def sign_approval(statement: Decision, signer: Signer) -> bytes:
    """The envelope, as canonical JSON."""
    envelope = Envelope(statement.to_bytes(), statement.payload_type, {})
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


def check_approval(data: bytes, statement: Decision, approvers: Sequence[Key]) -> Key:
    """The key of `approvers` that signed `statement` in the envelope `data`.

    Raises:
        TrustError: if there is none, or the envelope is of something else.
    """
    try:
        envelope = Envelope.from_dict(json.loads(data))
        if (envelope.payload_type, envelope.payload) != (
            statement.payload_type,
            statement.to_bytes(),
        ):
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
