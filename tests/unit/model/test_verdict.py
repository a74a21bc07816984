from __future__ import annotations

from typing import Any

import pytest

from bundler.model.document import Reader
from bundler.model.publisher import Identity, Publisher
from bundler.model.verdict import ABSENT, Outcome, Verdict

VERIFIED = Verdict(
    outcome=Outcome.VERIFIED,
    identity=Identity(
        issuer="https://i.example.org",
        subject="https://i.example.org/3",
        publisher=Publisher.of(
            "URL", issuer="https://i.example.org", identity="https://i.example.org/3"
        ),
    ),
    predicates=("https://slsa.dev/provenance/v1",),
    signed="2026-01-31T12:00:00Z",
    log_index=7,
)
KEYED = Verdict(
    outcome=Outcome.VERIFIED,
    identity=Identity(
        issuer="", subject="sha256:0", publisher=Publisher.of("key", fingerprint="sha256:0")
    ),
)


@pytest.mark.parametrize("verdict", [ABSENT, VERIFIED, KEYED])
def test_round_trip(verdict: Verdict) -> None:
    assert Verdict.from_json(Reader(verdict.to_json(), "verdict")) == verdict


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"outcome": "failed"}, "verdict.outcome: 'failed' is not verified or absent"),
        ({"outcome": "absent"}, "verdict: verified and an identity go together"),
        ({"identity": None}, "verdict: verified and an identity go together"),
        ({"log-index": "7"}, "verdict.log-index: not an integer of 0 or more"),
        ({"log-index": -1}, "verdict.log-index: not an integer of 0 or more"),
        ({"identity": []}, "verdict.identity: not an object"),
        ({"signed": "today"}, "verdict.signed: not a time like 2026-01-31T12:00:00Z"),
        ({"reason": None}, "verdict: unknown key 'reason'"),
    ],
)
def test_what_is_refused(changed: dict[str, Any], message: str) -> None:
    document = VERIFIED.to_json()
    assert isinstance(document, dict)
    with pytest.raises(ValueError, match=message):
        Verdict.from_json(Reader(document | changed, "verdict"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "Mallory"}, "verdict.identity.kind: 'Mallory' is unknown"),
        ({"words": {}}, "verdict.identity.words: no key 'issuer'"),
        ({"more": 1}, "verdict.identity: unknown key 'more'"),
        (
            {"words": {"issuer": "a", "identity": "b", "more": "c"}},
            "verdict.identity.words: unknown key 'more'",
        ),
    ],
)
def test_what_identity_is_refused(changed: dict[str, Any], message: str) -> None:
    document: Any = VERIFIED.to_json()
    document["identity"] |= changed
    with pytest.raises(ValueError, match=message):
        Verdict.from_json(Reader(document, "verdict"))
