"""Certificates of Sigstore: the identity in one. Whether to believe it is for others to check.

The extensions are those that Fulcio documents under 1.3.6.1.4.1.57264.1.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1

from bundler.model.publisher import URL, Identity, Publisher

_FULCIO: Final = "1.3.6.1.4.1.57264.1"
_ISSUER, _BUILD_SIGNER, _REPOSITORY, _COMMIT, _REF, _BUILD_CONFIG = 8, 9, 12, 13, 14, 18

_GITHUB: Final = "https://token.actions.githubusercontent.com"
_GITLAB: Final = "https://gitlab.com"
_GOOGLE: Final = "https://accounts.google.com"
_CIRCLECI: Final = "https://oidc.circleci.com"
_FORGES: Final = {
    _GITHUB: ("GitHub", "https://github.com/", "/.github/workflows/"),
    _GITLAB: ("GitLab", "https://gitlab.com/", "//"),
}
_PIPELINE: Final = ("https://circleci.com/api/v2/projects/", "/pipeline-definitions/")


def read_identity(certificate: x509.Certificate) -> Identity:
    """Who a certificate was issued to.

    Raises:
        ValueError: if it does not say so in the way of its issuer.
    """
    try:
        return _identity(certificate)
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"the certificate is odd: {error}") from error


def read_commit(certificate: x509.Certificate) -> str | None:
    """The commit of the source that was built from; None when the certificate names none.

    Raises:
        ValueError: if the certificate is odd.
    """
    try:
        return _extension(certificate, _COMMIT)
    except x509.DuplicateExtension as error:
        raise ValueError(f"the certificate is odd: {error}") from error


def read_name(certificate: x509.Certificate) -> tuple[str, str]:
    """Who a certificate was issued to, word for word: the one address, and who attested it.

    Raises:
        ValueError: if it does not say so.
    """
    try:
        issuer, subject = _extension(certificate, _ISSUER), _subject(certificate)
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"the certificate is odd: {error}") from error
    if issuer is None:
        raise ValueError("the certificate does not say who attested the identity")
    return subject, issuer


def _identity(certificate: x509.Certificate) -> Identity:
    issuer = _extension(certificate, _ISSUER)
    if issuer is None:
        raise ValueError("the certificate does not say who attested the identity")
    subject = _subject(certificate)
    if issuer in _FORGES:
        publisher = _of_forge(certificate, *_FORGES[issuer])
    elif issuer == _CIRCLECI:
        publisher = _of_circleci(certificate)
    elif issuer == _GOOGLE:
        publisher = Publisher.of("Google", email=subject)
    else:
        publisher = Publisher.of(URL, issuer=issuer, identity=subject)
    return Identity(issuer=issuer, subject=subject, publisher=publisher)


def _of_forge(certificate: x509.Certificate, kind: str, site: str, between: str) -> Publisher:
    """The workflow stands with the commit or ref that it ran on, which every release changes."""
    source = _extension(certificate, _REPOSITORY) or ""
    repository = source.removeprefix(site)
    config = _extension(certificate, _BUILD_CONFIG) or ""
    start = f"{source}{between}"
    if repository == source or not repository or not config.startswith(start):
        raise ValueError(f"the certificate names no workflow in a repository of {kind}")
    for place in (_extension(certificate, _COMMIT), _extension(certificate, _REF)):
        if place and config.endswith(f"@{place}"):
            workflow = config[len(start) : -len(place) - 1]
            return Publisher.of(kind, repository=repository, workflow=workflow)
    raise ValueError("the certificate's workflow is at another commit than its source")


def _of_circleci(certificate: x509.Certificate) -> Publisher:
    signer = _extension(certificate, _BUILD_SIGNER) or ""
    start, between = _PIPELINE
    project, found, pipeline = signer.removeprefix(start).partition(between)
    if not signer.startswith(start) or not found:
        raise ValueError("the certificate names no pipeline of CircleCI")
    return Publisher.of("CircleCI", project_id=project, pipeline_definition_id=pipeline)


def _subject(certificate: x509.Certificate) -> str:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound as error:
        raise ValueError("the certificate names nobody") from error
    names = [
        name.value
        for name in extension.value
        if isinstance(name, x509.UniformResourceIdentifier | x509.RFC822Name)
    ]
    if len(names) != 1 or len(extension.value) != 1:
        raise ValueError("the certificate does not name exactly one address")
    return names[0]


def _extension(certificate: x509.Certificate, number: int) -> str | None:
    """A text in DER (X.690); None when the certificate has no such extension."""
    oid = x509.ObjectIdentifier(f"{_FULCIO}.{number}")
    try:
        found = certificate.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None
    return asn1.decode_der(str, found.public_bytes())
