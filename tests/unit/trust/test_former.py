from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import NormalizedName

from bundler.errors import DamagedError
from bundler.model.publisher import Identity, Publisher
from bundler.model.verdict import ABSENT, Outcome, Verdict
from bundler.trust.former import (
    formers_from_bytes,
    formers_to_bytes,
    read_formers,
    remember,
    write_formers,
)
from bundler.trust.policy import Former
from tests.fakes.trust import digest

WEB, SEA = NormalizedName("web"), NormalizedName("sea")
RELEASE = Publisher.of("GitHub", repository="example/web", workflow="release.yml")
BOT = Publisher.of("Google", email="bot@example.org")
A, B = digest(b"a"), digest(b"b")


def by(publisher: Publisher) -> Verdict:
    identity = Identity(issuer="i", subject="s", publisher=publisher)
    return Verdict(outcome=Outcome.VERIFIED, identity=identity)


FIRST = remember({}, 1, [(WEB, A, by(RELEASE)), (WEB, B, by(BOT)), (SEA, A, ABSENT)])


def test_what_is_remembered() -> None:
    assert {
        WEB: Former(
            sequence=1,
            publishers=frozenset({RELEASE, BOT}),
            outcomes={A: Outcome.VERIFIED, B: Outcome.VERIFIED},
        ),
        SEA: Former(sequence=1, outcomes={A: Outcome.ABSENT}),
    } == FIRST


def test_a_project_that_is_left_out_stays_remembered() -> None:
    second = remember(FIRST, 2, [(SEA, B, by(BOT))])
    assert second[WEB] == FIRST[WEB]
    assert second[SEA] == Former(
        sequence=2, publishers=frozenset({BOT}), outcomes={B: Outcome.VERIFIED}
    )


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    assert read_formers(tmp_path) == {}
    write_formers(tmp_path, FIRST)
    assert read_formers(tmp_path) == FIRST


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "x.format: this version"),
        ({"more": 1}, "x: unknown key 'more'"),
        ({"projects": {"Web": {}}}, "x: 'Web' is not a normalised project name"),
        ({"projects": {"web": {"files": {}}}}, "x.projects.web: no key 'sequence'"),
        (
            {"projects": {"web": {"files": {"a": "absent"}, "publishers": [], "sequence": 1}}},
            "not a sha256 digest: 'a'",
        ),
        (
            {"projects": {"web": {"files": {A: "maybe"}, "publishers": [], "sequence": 1}}},
            "'maybe' is not a valid Outcome",
        ),
        (
            {
                "projects": {
                    "web": {"files": {}, "publishers": [{"kind": "X", "words": {}}], "sequence": 1}
                }
            },
            "there is no kind of publisher 'X'",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    document = json.loads(formers_to_bytes(FIRST)) | change
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(ValueError, match=message):
        formers_from_bytes(data, "x")
    (tmp_path / "attested.json").write_bytes(data)
    with pytest.raises(DamagedError) as caught:
        read_formers(tmp_path)
    assert caught.value.hint is not None
    assert "put back a copy of this file" in caught.value.hint
