"""Metadata that waits for signatures: whose count, whose are there, whose are missing.

Officers sign on machines of their own, one after the other, so metadata travels half signed. What
is there is checked before anything is added: a signature that is not good is not carried on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Metadata, Root, Targets

from bundler.errors import DamagedError, TrustError
from bundler.model.canonical import canonical
from bundler.trust.keyless import reasons
from bundler.trust.keys import named
from bundler.trust.metadata import T, read_metadata
from bundler.trust.signing import add_signatures


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """What one root demands of metadata.

    Attributes:
        root: The version of that root.
        threshold: How many keys must sign.
        signed: The keys that have, for people: fingerprint and name.
        missing: The keys that may and have not.
    """

    root: int
    threshold: int
    signed: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def lacking(self) -> int:
        """How many signatures are still needed."""
        return max(0, self.threshold - len(self.signed))


def quorums(data: bytes, kind: type[T], roots: Sequence[Root]) -> tuple[Quorum, ...]:
    """What each of `roots` demands of metadata of the officers, and what is there.

    For `targets` that is the newest root; for a root the one before it and itself (TUF §5.3.4).

    Raises:
        DamagedError: if it is no such metadata, or a signature in it is not a good one of a key
            that one of the roots names.
    """
    metadata = read_metadata(kind.type, data, kind)
    _check(metadata, _allowed(roots, kind.type))
    found = []
    for root in roots:
        role = root.roles[kind.type]
        found.append(
            Quorum(
                root=root.version,
                threshold=role.threshold,
                signed=tuple(_named(root, role.keyids, metadata.signatures, there=True)),
                missing=tuple(_named(root, role.keyids, metadata.signatures, there=False)),
            )
        )
    return tuple(found)


def add(data: bytes, kind: type[T], roots: Sequence[Root], signers: Sequence[Signer]) -> bytes:
    """The same metadata with further signatures.

    Raises:
        TrustError: if a signer's key counts for none of the roots, or has signed already.
        DamagedError: as `quorums`.
    """
    metadata = read_metadata(kind.type, data, kind)
    allowed = _allowed(roots, kind.type)
    _check(metadata, allowed)
    for signer in signers:
        if signer.public_key.keyid not in allowed:
            raise TrustError(
                f"{named(signer.public_key)} is none of the officers' keys: "
                + ", ".join(named(key) for key in allowed.values()),
                hint="give the key that stands there, or ask who made this file",
            )
        if signer.public_key.keyid in metadata.signatures:
            raise TrustError(
                f"{named(allowed[signer.public_key.keyid])} has signed this already",
                hint="another officer's signature is needed",
            )
    add_signatures(metadata, signers)
    _check(metadata, allowed)
    return canonical(metadata.to_dict())


def officers_at_hand(root: Root, signers: Iterable[Signer]) -> list[Signer]:
    """Those signers whose keys are officers', each once."""
    keyids = root.roles[Targets.type].keyids
    return list({s.public_key.keyid: s for s in signers if s.public_key.keyid in keyids}.values())


def _allowed(roots: Sequence[Root], role: str) -> dict[str, Key]:
    return {keyid: root.keys[keyid] for root in roots for keyid in root.roles[role].keyids}


def _check(metadata: Metadata[T], allowed: Mapping[str, Key]) -> None:
    for keyid, signature in metadata.signatures.items():
        if keyid not in allowed:
            raise DamagedError(
                f"the {metadata.signed.type} metadata has a signature of {keyid[:16]!r},"
                " which is none of the officers' keys",
                hint="begin again with the file as it was first written",
            )
        try:
            allowed[keyid].verify_signature(signature, metadata.signed_bytes)
        except UnverifiedSignatureError as error:
            why = reasons([allowed[keyid]], metadata.signatures, metadata.signed_bytes)
            raise DamagedError(
                f"the signature of {named(allowed[keyid])} under the"
                f" {metadata.signed.type} metadata is not good{why}",
                hint="what was signed has changed; begin again with the file as first written",
            ) from error


def _named(
    root: Root, keyids: Sequence[str], signatures: Mapping[str, object], *, there: bool
) -> Iterable[str]:
    return (named(root.keys[keyid]) for keyid in keyids if (keyid in signatures) is there)
