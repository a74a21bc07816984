"""The commit that a file was built from, out of attestations that were verified before."""

from __future__ import annotations

import base64
import json

from cryptography import x509

from bundler.model.verdict import Verdict
from bundler.trust.certificate import read_commit, read_identity
from bundler.trust.provenance import Keyless, read_provenance


def source_commit(provenance: bytes, verdict: Verdict) -> str | None:
    """The commit in the certificate of the identity that was verified; None when there is none.

    The caller has had every attestation in `provenance` verified, which gave `verdict`.
    """
    try:
        for attestation in read_provenance(provenance):
            if isinstance(attestation, Keyless):
                certificate = _certificate(attestation.bundle)
                if read_identity(certificate) == verdict.identity:
                    return read_commit(certificate)
    except (ValueError, KeyError, TypeError):
        return None
    return None


def _certificate(bundle: bytes) -> x509.Certificate:
    material = json.loads(bundle)["verificationMaterial"]
    if "certificate" in material:
        encoded = material["certificate"]["rawBytes"]
    else:
        encoded = material["x509CertificateChain"]["certificates"][0]["rawBytes"]
    return x509.load_der_x509_certificate(base64.b64decode(encoded))
