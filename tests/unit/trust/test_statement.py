from __future__ import annotations

from typing import Any

import pytest

from bundler.trust.statement import check_statement
from tests.fakes.attestations import PUBLISH, statement
from tests.fakes.trust import digest

DIGEST = digest(b"file")
SLSA = "https://slsa.dev/provenance/v1"
OLD_SLSA = "https://slsa.dev/provenance/v0.2"
OLD = "https://in-toto.io/Statement/v0.1"


@pytest.mark.parametrize(
    ("named", "filename"),
    [
        ("web-1.0-py3-none-any.whl", "web-1.0-py3-none-any.whl"),
        ("Web_App-1.0.0-py3-none-any.whl", "web_app-1.0.0-py3-none-any.whl"),
        ("web-1.0-py2.py3-none-any.whl", "web-1.0-py3.py2-none-any.whl"),
        ("web-1.0-0-py3-none-any.whl", "web-1.0-0-py3-none-any.whl"),
        ("web-1.0+cgr.1-py3-none-any.whl", "web-1.0+cgr.1-py3-none-any.whl"),
        ("web-1.0.tar.gz", "Web-1.0.tar.gz"),
    ],
)
def test_names_are_compared_by_what_they_mean(named: str, filename: str) -> None:
    assert check_statement(statement(named, DIGEST), filename, DIGEST) == PUBLISH


@pytest.mark.parametrize(
    ("named", "filename"),
    [
        ("web-1.0-py3-none-any.whl", "web-1.1-py3-none-any.whl"),
        ("web-1.0-py3-none-any.whl", "web-1.0-0-py3-none-any.whl"),
        ("web-1.0-py3-none-any.whl", "web-1.0+cgr.1-py3-none-any.whl"),
        ("web-1.0-py3-none-any.whl", "web-1.0-py3-none-win32.whl"),
        ("web-1.0.tar.gz", "web-1.0-py3-none-any.whl"),
        ("web-1.0.zip", "web-1.0.tar.gz"),
    ],
)
def test_other_names_are_refused(named: str, filename: str) -> None:
    with pytest.raises(ValueError, match=f"the statement is about '{named}'"):
        check_statement(statement(named, DIGEST), filename, DIGEST)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"_type": OLD}, "the statement is of type 'https://in-toto.io/Statement/v0.1'"),
        ({"_type": None}, "the statement is of type None"),
        ({"subject": []}, "the statement is not about exactly one file"),
        ({"subject": {}}, "the statement is not about exactly one file"),
        ({"subject": [1]}, "the statement's subject is not an object"),
        ({"subject": [{}]}, "the statement's subject has no name"),
        ({"subject": [{"name": ""}]}, "the statement's subject has no name"),
        ({"subject": [{"name": "x"}]}, "'x' is no name of a distribution"),
        ({"subject": [{"name": "x.whl"}]}, "Invalid wheel filename"),
        ({"subject": [{"name": "web-1.tar.gz"}]}, "file with sha256 None"),
        (
            {"subject": [{"name": "web-1.tar.gz", "digest": {"sha256": DIGEST.upper()}}]},
            "file with sha256 '[0-9A-F]{64}'",
        ),
        (
            {"subject": [{"name": "web-1.tar.gz", "digest": {"sha512": DIGEST}}]},
            "file with sha256 None",
        ),
        ({"predicateType": None}, "the statement has predicate None"),
        ({"predicateType": OLD_SLSA}, "which is not known here"),
        ({"predicateType": PUBLISH + "/more"}, "which is not known here"),
        ({"predicateType": "http" + PUBLISH[5:]}, "which is not known here"),
    ],
)
def test_what_is_refused(changed: dict[str, Any], message: str) -> None:
    payload = statement("web-1.tar.gz", DIGEST, **changed)
    with pytest.raises(ValueError, match=message):
        check_statement(payload, "web-1.tar.gz", DIGEST)


def test_a_key_may_have_signed_the_older_forms() -> None:
    old = statement("web-1.tar.gz", DIGEST, _type=OLD, predicateType=OLD_SLSA)
    assert check_statement(old, "web-1.tar.gz", DIGEST, keyed=True) == OLD_SLSA
    new = statement("web-1.tar.gz", DIGEST, predicateType=SLSA)
    assert check_statement(new, "web-1.tar.gz", DIGEST, keyed=True) == SLSA


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"_type": 1, "_type": 2}'])
def test_what_is_no_statement(payload: bytes) -> None:
    with pytest.raises(ValueError, match="the statement is not"):
        check_statement(payload, "web-1.tar.gz", DIGEST)
