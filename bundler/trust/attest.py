"""Who vouches for one file: its attestations, checked offline against a pinned trust root.

The checks are those of "Index hosted attestations" (PyPA specifications). sigstore's verifier does
the cryptography: the signature over the DSSE encoding, the certificate's chain at the time of
signing, its SCT, the log's inclusion proof, checkpoint and promise, and that the time lies within
the certificate's validity. The statement and the identity are checked here.

The trust root comes from the caller and from nowhere else: no cache, no TUF refresh, no network.
What the identity is worth is for `bundler.trust.policy` to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from cryptography.x509 import Certificate
from sigstore.errors import VerificationError
from sigstore.hashes import Hashed
from sigstore.models import Bundle, InvalidBundle
from sigstore_models.common.v1 import HashAlgorithm

from bundler.model.artifact import Sha256
from bundler.model.publisher import KEY, Identity, Publisher
from bundler.model.verdict import ABSENT, Outcome, Verdict
from bundler.trust.certificate import read_identity
from bundler.trust.instance import MAX_ROOT, ODD_INPUT, plain, public_root, verifier
from bundler.trust.pinned_keys import PinnedKey, has_signed, key_fingerprint
from bundler.trust.provenance import (
    STATEMENT_TYPE,
    Attestation,
    Keyless,
    KeySigned,
    read_provenance,
)
from bundler.trust.statement import check_statement

__all__ = ["MAX_ROOT", "Attestor", "public_root"]

_Fields: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Proof:
    """One attestation that holds."""

    identity: Identity
    predicate: str | None = None
    signed: str | None = None
    log_index: int | None = None


class _NamesSomebody:
    """A policy for the verifier: the certificate must say who signed; who, is judged later."""

    def verify(self, cert: Certificate) -> None:
        """As `sigstore.verify.policy.VerificationPolicy` wants it."""
        try:
            read_identity(cert)
        except ValueError as error:
            raise VerificationError(str(error)) from error


class Attestor:
    """Judges files by their attestations; for many threads, and without input or output."""

    def __init__(self, root: bytes, keys: Iterable[PinnedKey] = ()) -> None:
        """Read the trust root.

        Args:
            root: A Sigstore trust root as JSON: pinned by the profile, `public_root()`, or the blob
                that came under the bundle's signature.
            keys: Public keys that the profile pins.

        Raises:
            TrustError: if the root cannot be used.
        """
        _, self._verifier = verifier(root)
        self._keys: Mapping[str, PinnedKey] = {key_fingerprint(key): key for key in keys}

    def verdict(self, filename: str, sha256: Sha256, document: bytes | None) -> Verdict:
        """What a provenance document proves of a file; None is no document.

        Every attestation in it must hold, and all must be by one publisher.
        """
        if document is None:
            return ABSENT
        try:
            proofs = [self._prove(each, filename, sha256) for each in read_provenance(document)]
            _check_one_publisher(proofs)
        except ValueError as error:
            return Verdict(outcome=Outcome.FAILED, reason=plain(str(error)))
        first = proofs[0]
        return Verdict(
            outcome=Outcome.VERIFIED,
            identity=first.identity,
            predicates=tuple(sorted({each.predicate for each in proofs if each.predicate})),
            signed=first.signed,
            log_index=first.log_index,
        )

    def _prove(self, attestation: Attestation, filename: str, sha256: Sha256) -> _Proof:
        if isinstance(attestation, KeySigned):
            return self._prove_keyed(attestation, filename, sha256)
        return self._prove_keyless(attestation, filename, sha256)

    def _prove_keyed(self, attestation: KeySigned, filename: str, sha256: Sha256) -> _Proof:
        for fingerprint, key in self._keys.items():
            if any(has_signed(key, attestation.statement, each) for each in attestation.signatures):
                publisher = Publisher.of(KEY, fingerprint=fingerprint)
                identity = Identity(issuer="", subject=fingerprint, publisher=publisher)
                predicate = check_statement(attestation.statement, filename, sha256, keyed=True)
                return _Proof(identity, predicate)
        raise ValueError("it is signed with a key that the profile does not pin")

    def _prove_keyless(self, attestation: Keyless, filename: str, sha256: Sha256) -> _Proof:
        try:
            bundle = Bundle.from_json(attestation.bundle)
            fields = json.loads(bundle.to_json())  # as the library understood it
            payload = self._signed_payload(bundle, fields, sha256)
            signed, log_index = _logged(bundle, fields)
        except InvalidBundle as error:
            raise ValueError(f"the attestation is malformed: {error}") from error
        except ODD_INPUT as error:
            raise ValueError(f"the attestation does not verify: {error}") from error
        identity = read_identity(bundle.signing_certificate)
        if attestation.claim is not None and not identity.is_one_of(attestation.claim):
            raise ValueError(
                f"the index says that it is by {attestation.claim}, but it was signed by"
                f" {identity.publisher}"
            )
        predicate = None if payload is None else check_statement(payload, filename, sha256)
        return _Proof(identity, predicate, signed, log_index)

    def _signed_payload(self, bundle: Bundle, fields: _Fields, sha256: Sha256) -> bytes | None:
        """The statement that a bundle signs; None when it signs the file itself."""
        policy = _NamesSomebody()
        if fields.get("messageSignature") is not None:
            hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(sha256))
            self._verifier.verify_artifact(hashed, bundle, policy)
            return None
        kind, payload = self._verifier.verify_dsse(bundle, policy)
        if kind != STATEMENT_TYPE:
            raise ValueError(f"its payload is {kind!r:.80}, not {STATEMENT_TYPE}")
        return payload


def _logged(bundle: Bundle, fields: _Fields) -> tuple[str, int]:
    """When a verified bundle was signed, and where it is in the log.

    A log without times of its own (Rekor v2) leaves the beginning of the certificate's ten minutes.
    """
    entry = fields["verificationMaterial"]["tlogEntries"][0]
    signed = bundle.signing_certificate.not_valid_before_utc
    if entry.get("inclusionPromise") and int(entry.get("integratedTime") or 0):
        signed = datetime.fromtimestamp(int(entry["integratedTime"]), UTC)
    return signed.strftime("%Y-%m-%dT%H:%M:%SZ"), int(entry["logIndex"])


def _check_one_publisher(proofs: Iterable[_Proof]) -> None:
    found = sorted({str(each.identity.publisher) for each in proofs})
    if len(found) > 1:
        raise ValueError(f"it has attestations by more than one publisher: {', '.join(found)}")
