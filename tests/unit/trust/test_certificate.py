from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import load_der_x509_certificate

from bundler.model.publisher import Publisher
from bundler.trust.certificate import read_commit, read_identity, read_name
from tests.fakes.attestations import statement
from tests.fakes.fulcio import SIGNED, Signer, anybody, github, new_key
from tests.fakes.sigstore import FakeSigstore

SIGSTORE = FakeSigstore()
GITLAB = "https://gitlab.com"
CIRCLECI = "https://oidc.circleci.com"
PIPELINE = "https://circleci.com/api/v2/projects/11-22/pipeline-definitions/33-44"
CI = "https://gitlab.com/a/b/c//.gitlab-ci.yml@refs/heads/main"


def certificate(signer: Signer) -> x509.Certificate:
    bundle = SIGSTORE.bundle(statement("web-1.tar.gz", "0"), signer)
    der = bundle["verificationMaterial"]["certificate"]["rawBytes"]
    return load_der_x509_certificate(base64.b64decode(der))


def changed(number: int, text: str | None) -> Signer:
    signer = github("example/web")
    texts = {**signer.texts, number: text}
    return replace(signer, texts={key: value for key, value in texts.items() if value is not None})


def test_the_commit() -> None:
    assert read_commit(certificate(github("example/web"))) == "ab" * 20
    assert read_commit(certificate(changed(13, None))) is None


@pytest.mark.parametrize(
    ("signer", "publisher"),
    [
        (
            github("example/web", "sub.yml"),
            Publisher.of("GitHub", repository="example/web", workflow="sub.yml"),
        ),
        (
            github("example/web", ref="ab" * 20),
            Publisher.of("GitHub", repository="example/web", workflow="release.yml"),
        ),
        (
            changed(13, None),
            Publisher.of("GitHub", repository="example/web", workflow="release.yml"),
        ),
        (
            Signer(CI, {8: GITLAB, 12: "https://gitlab.com/a/b/c", 14: "refs/heads/main", 18: CI}),
            Publisher.of("GitLab", repository="a/b/c", workflow=".gitlab-ci.yml"),
        ),
        (
            anybody("https://accounts.google.com", "bot@project.example.org"),
            Publisher.of("Google", email="bot@project.example.org"),
        ),
        (
            Signer(PIPELINE, {8: CIRCLECI, 9: PIPELINE}),
            Publisher.of("CircleCI", project_id="11-22", pipeline_definition_id="33-44"),
        ),
        (
            anybody("https://issuer.example.org", "https://issuer.example.org/3fab4f"),
            Publisher.of(
                "URL",
                issuer="https://issuer.example.org",
                identity="https://issuer.example.org/3fab4f",
            ),
        ),
    ],
)
def test_publishers(signer: Signer, publisher: Publisher) -> None:
    identity = read_identity(certificate(signer))
    assert identity.publisher == publisher
    assert identity.subject == signer.subject
    assert identity.issuer == signer.texts[8]


@pytest.mark.parametrize(
    ("signer", "message"),
    [
        (changed(8, None), "does not say who attested the identity"),
        (changed(12, None), "names no workflow in a repository of GitHub"),
        (changed(12, "https://github.com/"), "names no workflow in a repository of GitHub"),
        (changed(12, "https://evil.example.org/a"), "names no workflow in a repository of GitHub"),
        (changed(12, "https://github.com/example/we"), "names no workflow in a repository"),
        (changed(18, None), "names no workflow in a repository of GitHub"),
        (changed(14, "refs/tags/v2"), "is at another commit than its source"),
        (Signer(PIPELINE, {8: CIRCLECI}), "names no pipeline of CircleCI"),
        (Signer(PIPELINE, {8: CIRCLECI, 9: "https://circleci.com/"}), "names no pipeline"),
    ],
)
def test_what_is_refused(signer: Signer, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_identity(certificate(signer))


def self_signed(
    *names: x509.GeneralName, extension: x509.UnrecognizedExtension | None = None
) -> x509.Certificate:
    key, name = new_key(), x509.Name([])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(SIGNED)
        .not_valid_after(SIGNED + timedelta(minutes=1))
        .add_extension(
            x509.UnrecognizedExtension(
                x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), b"\x0c\x05https"
            ),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key, hashes.SHA256())


def test_a_certificate_has_one_name() -> None:
    uri = x509.UniformResourceIdentifier("https://example.org")
    assert read_identity(self_signed(uri)).subject == "https://example.org"
    with pytest.raises(ValueError, match="names nobody"):
        read_identity(self_signed())
    for names in ([uri, uri], [x509.DNSName("example.org")], [uri, x509.DNSName("example.org")]):
        with pytest.raises(ValueError, match="does not name exactly one address"):
            read_identity(self_signed(*names))


def test_a_name_of_a_kind_that_nobody_uses() -> None:
    x400 = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x02\xa3\x00")
    with pytest.raises(ValueError, match="the certificate is odd: x400Address"):
        read_identity(self_signed(extension=x400))
    with pytest.raises(ValueError, match="the certificate is odd: x400Address"):
        read_name(self_signed(extension=x400))
