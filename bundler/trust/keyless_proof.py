"""Whether somebody signed by an identity of theirs: a Sigstore bundle, judged on a pinned root.

sigstore's verifier does the cryptography, offline: the certificate's chain at the time of signing,
its promise of a certificate log, the entry of the signature log with its inclusion proof and
checkpoint, the signed time, the signature. Who it must be, is said here: exactly one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.x509 import Certificate
from sigstore.errors import CertValidationError, VerificationError
from sigstore.models import Bundle, InvalidBundle

from bundler.errors import TrustError
from bundler.model.canonical import parse_canonical
from bundler.trust.certificate import read_name
from bundler.trust.instance import ODD_INPUT, plain, verifier
from bundler.trust.keyless import MAX_BUNDLE


@dataclass(frozen=True, slots=True)
class _Exactly:
    """A policy for the verifier: this identity of this issuer, and no other in the certificate."""

    identity: str
    issuer: str

    def verify(self, cert: Certificate) -> None:
        """As `sigstore.verify.policy.VerificationPolicy` wants it."""
        try:
            subject, issuer = read_name(cert)
        except ValueError as error:
            raise VerificationError(str(error)) from error
        if subject != self.identity:
            raise VerificationError(f"it was signed by {subject}")
        if issuer != self.issuer:
            raise VerificationError(f"{issuer} attested it, not {self.issuer}")


def prove(bundle: bytes, data: bytes, by: tuple[str, str], root: bytes) -> None:
    """See that `data` was signed.

    Args:
        bundle: A Sigstore bundle in canonical JSON.
        data: What must have been signed, and nothing else.
        by: Identity and issuer.
        root: The trust root of the instance.

    Raises:
        ValueError: if it was not; the text says why, on one line.
    """
    if len(bundle) > MAX_BUNDLE:
        raise ValueError(f"its Sigstore bundle has {len(bundle)} bytes, {MAX_BUNDLE} at most")
    _check_proof(parse_canonical(bundle, "its Sigstore bundle"))
    try:
        _, judge = verifier(root)
        judge.verify_artifact(data, Bundle.from_json(bundle), _Exactly(*by))
    except TrustError as error:
        raise ValueError(error.message) from error
    except InvalidBundle as error:
        raise ValueError(f"its Sigstore bundle is malformed: {plain(str(error))}") from error
    except CertValidationError as error:
        raise ValueError(
            "its certificate is not of the Sigstore instance that is pinned, or was not valid when"
            f" the log says that it signed: {plain(str(error))}"
        ) from error
    except ODD_INPUT as error:
        raise ValueError(f"it does not verify: {plain(str(error))}") from error


def _check_proof(bundle: Mapping[str, object]) -> None:
    """The library demands it, too, with a page about the schema in its message."""
    material = bundle.get("verificationMaterial")
    entries = material.get("tlogEntries") if isinstance(material, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and not entry.get("inclusionProof"):
            raise ValueError("its log entry has no inclusion proof")
