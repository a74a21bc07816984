"""Provenance documents: bytes to attestations; nothing in them is believed yet.

Four forms are read: a provenance object (PEP 740), one attestation of such an object, a Sigstore
bundle as it is, and a DSSE envelope that was signed with a key.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from bundler.model.publisher import Publisher

MAX_PROVENANCE: Final = 2 * 1024 * 1024
"""Bytes of one document; those of real files have about ten thousand."""

MAX_ATTESTATIONS: Final = 16
"""In one document; the public index takes two for a file."""

STATEMENT_TYPE: Final = "application/vnd.in-toto+json"
_BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"


@dataclass(frozen=True, slots=True)
class Keyless:
    """A Sigstore bundle as JSON, and the publisher that the index says it is by, if it does."""

    bundle: bytes
    claim: Publisher | None = None


@dataclass(frozen=True, slots=True)
class KeySigned:
    """An in-toto statement with signatures of keys (DSSE); who signed it is for them to show."""

    statement: bytes
    signatures: tuple[bytes, ...]


Attestation: TypeAlias = Keyless | KeySigned


def read_provenance(document: bytes) -> tuple[Attestation, ...]:
    """The attestations in a document, at least one.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if len(document) > MAX_PROVENANCE:
        raise ValueError(f"it has {len(document)} bytes, more than {MAX_PROVENANCE}")
    found = read_object(document, "it")
    if "mediaType" in found:
        return (Keyless(document),)
    if "payload" in found:
        return (_envelope(found),)
    if "attestation_bundles" not in found:
        return (_attestation(found, "it", None),)
    _check_version(found, "it")
    attestations = tuple(_of_bundles(found["attestation_bundles"]))
    if not 1 <= len(attestations) <= MAX_ATTESTATIONS:
        raise ValueError(f"it has {len(attestations)} attestations, not 1 to {MAX_ATTESTATIONS}")
    return attestations


def read_object(data: bytes, place: str) -> dict[str, object]:
    """A JSON object, no key of which stands twice: readers differ on which one counts.

    Raises:
        ValueError: if it is none.
    """
    try:
        found = json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} is not JSON: {error}") from error
    return _object(found, place)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


def _of_bundles(bundles: object) -> Iterator[Attestation]:
    for bundle in _array(bundles, "attestation_bundles"):
        fields = _object(bundle, "attestation_bundles[]")
        claim = fields.get("publisher")
        for item in _array(fields.get("attestations"), "attestations"):
            yield _attestation(_object(item, "attestations[]"), "the attestation", claim)


def _attestation(fields: dict[str, object], place: str, claim: object) -> Attestation:
    """PEP 740, "Attestation objects"."""
    _check_version(fields, place)
    envelope = _object(fields.get("envelope"), f"{place}.envelope")
    statement = _base64(envelope.get("statement"), "envelope.statement")
    signature = _base64(envelope.get("signature"), "envelope.signature")
    if fields.get("verification_material") is None:
        return KeySigned(statement, (signature,))
    material = _object(fields.get("verification_material"), "verification_material")
    bundle = {
        "mediaType": _BUNDLE_TYPE,
        "verificationMaterial": {
            "certificate": {"rawBytes": material.get("certificate")},
            "tlogEntries": material.get("transparency_entries"),
        },
        "dsseEnvelope": {
            "payload": _text(statement),
            "payloadType": STATEMENT_TYPE,
            "signatures": [{"sig": _text(signature)}],
        },
    }
    return Keyless(
        json.dumps(bundle).encode(), None if claim is None else Publisher.of_claim(claim)
    )


def _envelope(fields: dict[str, object]) -> KeySigned:
    """DSSE 1.0, "JSON serialization"."""
    if fields.get("payloadType") != STATEMENT_TYPE:
        raise ValueError(f"the envelope's payload is not {STATEMENT_TYPE}")
    signatures = _array(fields.get("signatures"), "signatures")
    if not 1 <= len(signatures) <= MAX_ATTESTATIONS:
        raise ValueError(f"it has {len(signatures)} signatures, not 1 to {MAX_ATTESTATIONS}")
    return KeySigned(
        _base64(fields.get("payload"), "payload"),
        tuple(
            _base64(_object(each, "signatures[]").get("sig"), "signatures[].sig")
            for each in signatures
        ),
    )


def _check_version(fields: dict[str, object], place: str) -> None:
    version = fields.get("version")
    if version != 1 or isinstance(version, bool):
        raise ValueError(f"{place} has version {version!r:.40}; only 1 is known")


def _object(value: object, place: str) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise ValueError(f"{place} is not an object")


def _array(value: object, place: str) -> list[object]:
    if isinstance(value, list):
        return value
    raise ValueError(f"{place} is not an array")


def _base64(value: object, place: str) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{place} is not a string")  # noqa: TRY004 - one error type for callers
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{place} is not base64: {error}") from error


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
