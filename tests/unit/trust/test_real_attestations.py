"""Real attestations of real files, against the root of the public Sigstore instance."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bundler.model.artifact import Sha256
from bundler.model.publisher import Publisher
from bundler.model.verdict import Outcome, Verdict
from bundler.trust.attest import Attestor, public_root

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "pep740"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"REAL ATTESTATIONS NOT TESTED: there is no folder {FOLDER}"
)

GITHUB = ("pypi_attestations-0.0.19.tar.gz", ".provenance")
GITLAB = ("gitlab_oidc_project-0.0.3.tar.gz", ".publish.attestation")
SAMPLE = ("sampleproject-4.0.0.tar.gz", ".provenance")
SAMPLE_DIGEST = Sha256("0ace7980f82c5815ede4cd7bf9f6693684cec2ae47b9b7ade9add533b8627c6b")
BOTH = pytest.mark.parametrize("vector", [GITHUB, GITLAB], ids=["GitHub", "GitLab"])
Vector = tuple[str, str]


@cache
def attestor() -> Attestor:
    return Attestor(public_root())


def read(vector: Vector) -> tuple[str, Sha256, bytes]:
    name, ending = vector
    content = (FOLDER / name).read_bytes()
    return (
        name,
        Sha256(hashlib.sha256(content).hexdigest()),
        (FOLDER / f"{name}{ending}").read_bytes(),
    )


def judge(vector: Vector, change: Callable[[Any], object] | None = None) -> Verdict:
    name, sha256, document = read(vector)
    if change is not None:
        changed = json.loads(document)
        change(changed)
        document = json.dumps(changed).encode()
    return attestor().verdict(name, sha256, document)


def only_attestation(document: Any) -> Any:
    if "attestation_bundles" in document:
        return document["attestation_bundles"][0]["attestations"][0]
    return document


@pytest.mark.parametrize(
    ("vector", "publisher", "signed"),
    [
        (
            GITHUB,
            Publisher.of(
                "GitHub", repository="trailofbits/pypi-attestations", workflow="release.yml"
            ),
            "2024-12-04T23:14:01Z",
        ),
        (
            GITLAB,
            Publisher.of(
                "GitLab", repository="facutuesca/gitlab-oidc-project", workflow=".gitlab-ci.yml"
            ),
            "2024-11-19T17:37:00Z",
        ),
    ],
)
def test_they_verify(vector: Vector, publisher: Publisher, signed: str) -> None:
    verdict = judge(vector)
    assert verdict.outcome is Outcome.VERIFIED
    assert verdict.identity is not None
    assert verdict.identity.publisher == publisher
    assert verdict.signed == signed
    assert len(verdict.predicates) == 1


def test_the_one_of_a_file_that_is_not_here() -> None:
    name, ending = SAMPLE
    document = (FOLDER / f"{name}{ending}").read_bytes()
    verdict = attestor().verdict(name, SAMPLE_DIGEST, document)
    assert verdict.identity is not None
    assert verdict.identity.publisher == Publisher.of(
        "GitHub", repository="pypa/sampleproject", workflow="release.yml"
    )


@BOTH
def test_of_a_file_with_one_bit_changed_they_fail(vector: Vector) -> None:
    name, _sha256, document = read(vector)
    content = bytearray((FOLDER / name).read_bytes())
    content[len(content) // 2] ^= 1
    changed = Sha256(hashlib.sha256(content).hexdigest())
    verdict = attestor().verdict(name, changed, document)
    assert verdict.reason is not None
    assert verdict.reason.startswith("the statement is about a file with sha256 ")


@BOTH
@pytest.mark.parametrize("place", range(0, 1000, 37))
def test_with_one_bit_changed_they_fail(vector: Vector, place: int) -> None:
    def change(document: Any) -> None:
        attestation = only_attestation(document)
        material = attestation["verification_material"]
        entry = material["transparency_entries"][0]
        parts = [
            (attestation["envelope"], "statement"),
            (attestation["envelope"], "signature"),
            (material, "certificate"),
            (entry, "canonicalizedBody"),
            (entry["inclusionPromise"], "signedEntryTimestamp"),
            (entry["inclusionProof"], "rootHash"),
            (entry["logId"], "keyId"),
        ]
        where, key = parts[place % len(parts)]
        data = bytearray(base64.b64decode(where[key]))
        data[place * len(data) // 1000] ^= 1 << place % 8
        where[key] = base64.b64encode(data).decode()

    assert judge(vector, change).outcome is Outcome.FAILED


@BOTH
@pytest.mark.parametrize("key", ["logIndex", "integratedTime"])
def test_with_another_time_or_place_in_the_log_they_fail(vector: Vector, key: str) -> None:
    def change(document: Any) -> None:
        entry = only_attestation(document)["verification_material"]["transparency_entries"][0]
        entry[key] = str(int(entry[key]) + 1)

    verdict = judge(vector, change)
    assert verdict.reason is not None
    assert "invalid inclusion promise" in verdict.reason


def test_a_wrong_publisher_fails() -> None:
    def change(document: Any) -> None:
        document["attestation_bundles"][0]["publisher"]["repository"] = "mallory/attestations"

    verdict = judge(GITHUB, change)
    assert verdict.reason == (
        "the index says that it is by GitHub mallory/attestations release.yml, but it was signed"
        " by GitHub trailofbits/pypi-attestations release.yml"
    )


def test_a_wrong_file_fails() -> None:
    name, sha256, _document = read(GITHUB)
    _name, _sha256, document = read(GITLAB)
    verdict = attestor().verdict(name, sha256, document)
    assert verdict.reason == "the statement is about 'gitlab_oidc_project-0.0.3.tar.gz'"
