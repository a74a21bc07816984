from __future__ import annotations

from typing import Any

import pytest

from bundler.model.publisher import NEEDED, URL, WORDS, Identity, Publisher

RELEASE = Publisher.of("GitHub", repository="example/web", workflow="release.yml")


def test_words_stand_in_the_order_of_their_kind() -> None:
    swapped = Publisher.of("GitHub", workflow="release.yml", repository="example/web")
    assert swapped == RELEASE
    assert swapped.words == (("repository", "example/web"), ("workflow", "release.yml"))
    assert Publisher.of("GitHub", repository="a/b", workflow=None).words == (("repository", "a/b"),)


def test_there_is_no_other_kind() -> None:
    with pytest.raises(ValueError, match="there is no kind of publisher 'Mallory'"):
        Publisher.of("Mallory")


def test_every_kind_needs_something() -> None:
    for kind, words in WORDS.items():
        assert NEEDED & set(words) or kind == "key"


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (
            {
                "kind": "GitHub",
                "repository": "example/web",
                "workflow": "release.yml",
                "environment": "",
                "claims": None,
            },
            RELEASE,
        ),
        (
            {"kind": "GitLab", "repository": "a/b", "workflow_filepath": ".gitlab-ci.yml"},
            Publisher.of("GitLab", repository="a/b", workflow=".gitlab-ci.yml"),
        ),
        (
            {"kind": "CircleCI", "project_id": "1", "pipeline_definition_id": "2"},
            Publisher.of("CircleCI", project_id="1", pipeline_definition_id="2"),
        ),
        (
            {"kind": "Google", "email": "a@example.org"},
            Publisher.of("Google", email="a@example.org"),
        ),
        (
            {"kind": "URL", "issuer": "https://i.example.org", "identity": "x", "workflow": "w"},
            Publisher.of("URL", issuer="https://i.example.org", identity="x"),
        ),
    ],
)
def test_claims_of_indexes(claim: Any, expected: Publisher) -> None:
    assert Publisher.of_claim(claim) == expected


@pytest.mark.parametrize("claim", [None, "GitHub", [], {}, {"kind": 1}, {"repository": "a/b"}])
def test_claims_that_are_none(claim: Any) -> None:
    with pytest.raises(ValueError, match="is not a publisher with a kind"):
        Publisher.of_claim(claim)


@pytest.mark.parametrize(
    ("other", "covered"),
    [
        (RELEASE, True),
        (Publisher.of("GitHub", repository="Example/WEB", workflow="release.yml"), True),
        (Publisher.of("GitHub", repository="example/web", workflow="Release.yml"), False),
        (Publisher.of("GitHub", repository="example/web2", workflow="release.yml"), False),
        (Publisher.of("GitLab", repository="example/web", workflow="release.yml"), False),
        (Publisher.of("GitHub", repository="example/web"), False),
    ],
)
def test_covering(other: Publisher, *, covered: bool) -> None:
    assert RELEASE.covers(other) is covered


def test_fewer_words_cover_more() -> None:
    assert Publisher.of("GitHub", repository="example/web").covers(RELEASE)
    assert not Publisher.of("GitHub", repository="example/web").covers(Publisher.of("GitHub"))


def test_an_identity_of_any_kind_can_be_expected_by_its_full_name() -> None:
    subject = "https://github.com/example/web/.github/workflows/release.yml@refs/heads/main"
    identity = Identity(issuer="https://forge.example.org", subject=subject, publisher=RELEASE)
    full = Publisher.of(URL, issuer="https://forge.example.org", identity=subject)
    assert identity.is_one_of(full)
    assert identity.is_one_of(RELEASE)
    for issuer, name in (("https://forge.example.org", ""), ("https://evil.example.org", subject)):
        assert not identity.is_one_of(Publisher.of(URL, issuer=issuer, identity=name))


def test_a_name_cannot_speak_to_the_terminal() -> None:
    assert str(RELEASE) == "GitHub example/web release.yml"
    assert str(Publisher.of("Google", email="a\x1b[2Jb")) == "Google a?[2Jb"
