"""Every row of the policy."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.errors import PolicyError
from bundler.model.publisher import Identity, Publisher
from bundler.model.verdict import ABSENT, Outcome, Verdict
from bundler.trust.advice import publisher_table
from bundler.trust.policy import (
    Decision,
    Expected,
    FileFacts,
    Former,
    Mode,
    Rules,
    check,
    decide,
    mode_of,
)
from tests.fakes.trust import digest

WEB = NormalizedName("web")
FACTS = FileFacts(
    project=WEB,
    version=Version("1.1"),
    filename="web-1.1-py3-none-any.whl",
    sha256=digest(b"web 1.1"),
    index="main",
)
RELEASE = Publisher.of("GitHub", repository="example/web", workflow="release.yml")
NIGHTLY = Publisher.of("GitHub", repository="example/web", workflow="nightly.yml")
MALLORY = Publisher.of("GitHub", repository="mallory/web", workflow="release.yml")
REBUILDER = Publisher.of("URL", issuer="https://i.example.org", identity="https://i.example.org/3")


def verified(publisher: Publisher) -> Verdict:
    words = dict(publisher.words)
    identity = Identity(
        issuer=words.get("issuer", "https://forge.example.org"),
        subject=words.get("identity", str(publisher)),
        publisher=publisher,
    )
    return Verdict(outcome=Outcome.VERIFIED, identity=identity)


FAILED = Verdict(outcome=Outcome.FAILED, reason="the statement is about 'x'")
ATTESTED = Former(
    sequence=6,
    publishers=frozenset({RELEASE}),
    outcomes={digest(b"web 1.0"): Outcome.VERIFIED},
)
UNATTESTED = Former(sequence=6, outcomes={digest(b"web 1.0"): Outcome.ABSENT})
SAME_FILE = replace(ATTESTED, outcomes={FACTS.sha256: Outcome.ABSENT})
LOST_IT = replace(ATTESTED, outcomes={FACTS.sha256: Outcome.VERIFIED})

REQUIRED = Rules(modes={"main": Mode.REQUIRED})
NONE = Rules(modes={"main": Mode.NONE})
OPEN = Rules(modes={"main": Mode.AVAILABLE})


def listed(mode: Mode, *patterns: str, **rules: Any) -> Rules:
    return Rules(project_modes={mode: patterns}, **rules)


def expecting(*publishers: Publisher, index: str | None = None, **rules: Any) -> Rules:
    named = tuple(Expected(projects=("we*",), publisher=each, index=index) for each in publishers)
    return Rules(expected=named, **rules)


ANY_WORKFLOW = Publisher.of("GitHub", repository="Example/Web")


@pytest.mark.parametrize("mode", [None, Mode.REQUIRED, Mode.AVAILABLE])
@pytest.mark.parametrize("former", [None, UNATTESTED, ATTESTED])
def test_what_was_attested_by_the_same_one_enters(mode: Mode | None, former: Former | None) -> None:
    rules = Rules() if mode is None else Rules(modes={"main": mode})
    assert decide(FACTS, verified(RELEASE), former, rules) == Decision()


@pytest.mark.parametrize(
    ("verdict", "former", "rules"),
    [
        # absent
        (ABSENT, None, Rules()),
        (ABSENT, None, OPEN),
        (ABSENT, UNATTESTED, OPEN),
        (ABSENT, SAME_FILE, OPEN),
        (ABSENT, None, NONE),
        (ABSENT, None, listed(Mode.AVAILABLE, "web", modes={"main": Mode.REQUIRED})),
        (ABSENT, None, listed(Mode.AVAILABLE, "w*", modes={"main": Mode.REQUIRED})),
        (ABSENT, ATTESTED, listed(Mode.AVAILABLE, "web")),
        (ABSENT, ATTESTED, listed(Mode.NONE, "web")),
        (
            ABSENT,
            None,
            Rules(project_modes={Mode.REQUIRED: ("*",), Mode.AVAILABLE: ("web",)}),
        ),
        (ABSENT, None, expecting(RELEASE, index="other")),
        (ABSENT, None, expecting(RELEASE, project_modes={Mode.AVAILABLE: ("web",)})),
        # failed, where nobody asks
        (FAILED, None, NONE),
        # verified
        (verified(MALLORY), None, OPEN),
        (verified(MALLORY), UNATTESTED, REQUIRED),
        (verified(RELEASE), None, expecting(RELEASE)),
        (verified(RELEASE), None, expecting(ANY_WORKFLOW)),
        (verified(NIGHTLY), ATTESTED, expecting(ANY_WORKFLOW)),
        (verified(REBUILDER), ATTESTED, expecting(RELEASE, REBUILDER)),
        (verified(MALLORY), None, expecting(RELEASE, index="other")),
    ],
)
def test_these_enter(verdict: Verdict, former: Former | None, rules: Rules) -> None:
    assert decide(FACTS, verdict, former, rules) == Decision()


FREE = '[attestations]\navailable = ["web"]'
NOT_REQUIRED = Decision("it has no attestation, and one is required", FREE)
EXPLAIN = "have its publisher or the operator of the index 'main' explain it"


def table(repository: str, workflow: str = "release.yml") -> str:
    return (
        f'[[publisher]]\nprojects = ["web"]\nkind = "GitHub"\nrepository = "{repository}"\n'
        f'workflow = "{workflow}"'
    )


@pytest.mark.parametrize(
    ("verdict", "former", "rules", "decision"),
    [
        (ABSENT, None, REQUIRED, NOT_REQUIRED),
        (ABSENT, SAME_FILE, REQUIRED, NOT_REQUIRED),
        (ABSENT, None, listed(Mode.REQUIRED, "we?"), NOT_REQUIRED),
        (ABSENT, None, listed(Mode.REQUIRED, "web", modes={"main": Mode.NONE}), NOT_REQUIRED),
        (
            ABSENT,
            None,
            Rules(project_modes={Mode.REQUIRED: ("w*",), Mode.AVAILABLE: ("*",)}),
            NOT_REQUIRED,
        ),
        (ABSENT, None, expecting(RELEASE), NOT_REQUIRED),
        *(
            (
                ABSENT,
                former,
                rules,
                Decision(
                    "it has no attestation, but web was attested in sequence 6 by"
                    " GitHub example/web release.yml",
                    FREE,
                ),
            )
            for former in (ATTESTED, LOST_IT)
            for rules in (Rules(), OPEN, NONE)
        ),
        *(
            (
                FAILED,
                former,
                rules,
                Decision("its attestation is not valid: the statement is about 'x'", EXPLAIN),
            )
            for former in (None, ATTESTED, UNATTESTED)
            for rules in (OPEN, REQUIRED, expecting(RELEASE))
        ),
        (
            verified(MALLORY),
            ATTESTED,
            OPEN,
            Decision(
                "it is attested by GitHub mallory/web release.yml, but in sequence 6 it was"
                " GitHub example/web release.yml",
                table("mallory/web"),
            ),
        ),
        (
            verified(NIGHTLY),
            ATTESTED,
            REQUIRED,
            Decision(
                "it is attested by GitHub example/web nightly.yml, but in sequence 6 it was"
                " GitHub example/web release.yml",
                table("example/web", "nightly.yml"),
            ),
        ),
        (
            verified(MALLORY),
            None,
            expecting(REBUILDER, RELEASE),
            Decision(
                "it is attested by GitHub mallory/web release.yml, but the profile or its locks"
                " expect"
                " GitHub example/web release.yml or URL https://i.example.org"
                " https://i.example.org/3",
                table("mallory/web"),
            ),
        ),
        # What was good last time is not enough when the profile expects somebody else.
        (
            verified(RELEASE),
            ATTESTED,
            expecting(REBUILDER),
            Decision(
                "it is attested by GitHub example/web release.yml, but the profile or its locks"
                " expect"
                " URL https://i.example.org https://i.example.org/3",
                table("example/web"),
            ),
        ),
    ],
)
def test_these_do_not(
    verdict: Verdict, former: Former | None, rules: Rules, decision: Decision
) -> None:
    assert decide(FACTS, verdict, former, rules) == decision
    assert not decision.allowed


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ONE = datetime(2026, 1, 31, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "rules", "reason", "fix"),
    [
        ({}, {"denied": (Requirement("Web"),)}, '"Web" is on the profile\'s deny list', None),
        ({}, {"denied": (Requirement("web<2"),)}, '"web<2" is on the profile\'s deny list', None),
        (
            {"version": Version("2.0rc1")},
            {"denied": (Requirement("web>=2.0rc1"),)},
            '"web>=2.0rc1" is on the profile\'s deny list',
            None,
        ),
        ({}, {"denied": (Requirement("web>2"), Requirement("other"))}, None, None),
        (
            {},
            {"denied_digests": frozenset({FACTS.sha256})},
            f"sha256 {FACTS.sha256} is on the profile's deny list",
            None,
        ),
        ({"status": "quarantined"}, {}, "the index has quarantined the project", None),
        ({"status": "archived"}, {}, None, None),
        (
            {"uploaded": ONE},
            {"cutoff": NOON},
            f"it was uploaded at {ONE.isoformat()}, after the cutoff {NOON.isoformat()}",
            None,
        ),
        ({"uploaded": NOON}, {"cutoff": NOON}, None, None),
        ({"uploaded": None}, {"cutoff": NOON}, None, None),
        ({"uploaded": ONE}, {}, None, None),
        ({"yanked": ""}, {}, None, None),
        (
            {"yanked": ""},
            {"allow_yanked": False},
            "it is yanked",
            '[policy] yanked = "allow"',
        ),
        (
            {"yanked": "it eats files"},
            {"allow_yanked": False},
            "it is yanked (it eats files)",
            '[policy] yanked = "allow"',
        ),
        ({"passed_through": True}, {}, None, None),
        ({"passed_through": True}, {"rebuilt_only": frozenset({"other"})}, None, None),
        ({}, {"rebuilt_only": frozenset({"main"})}, None, None),
        (
            {"passed_through": True},
            {"rebuilt_only": frozenset({"main"})},
            "the index 'main' did not build it but passes it through",
            "take web from another [[index]], or ask the index to build it",
        ),
    ],
)
def test_what_the_index_says_counts_before_any_attestation(
    facts: Mapping[str, Any], rules: Mapping[str, Any], reason: str | None, fix: str | None
) -> None:
    asked = replace(FACTS, **facts)
    for verdict in (ABSENT, verified(RELEASE)):
        assert decide(asked, verdict, None, Rules(**rules)) == Decision(reason, fix)


def test_the_mode_of_a_project_outweighs_that_of_its_index() -> None:
    rules = Rules(
        modes={"main": Mode.REQUIRED},
        project_modes={Mode.AVAILABLE: ("web", "we*"), Mode.NONE: ("w*",)},
    )
    assert mode_of(FACTS, rules) is Mode.AVAILABLE
    assert mode_of(replace(FACTS, project=NormalizedName("worm")), rules) is Mode.NONE
    assert mode_of(replace(FACTS, project=NormalizedName("sea")), rules) is Mode.REQUIRED
    assert mode_of(replace(FACTS, index="other", project=NormalizedName("sea")), rules) is (
        Mode.AVAILABLE
    )


# Attacks


def test_a_hijacked_release_without_attestation_is_refused() -> None:
    """As with Ultralytics in 2024: a stolen token uploads what no workflow has built."""
    decision = decide(FACTS, ABSENT, ATTESTED, OPEN)
    assert decision.reason == (
        "it has no attestation, but web was attested in sequence 6 by"
        " GitHub example/web release.yml"
    )


def test_a_hijacked_release_with_a_foreign_attestation_is_refused() -> None:
    for rules in (OPEN, expecting(RELEASE), expecting(ANY_WORKFLOW)):
        assert not decide(FACTS, verified(MALLORY), ATTESTED, rules).allowed


def file(name: str) -> FileFacts:
    return replace(FACTS, project=NormalizedName(name), filename=f"{name}.whl")


def test_what_is_refused_is_listed_with_what_to_write() -> None:
    files = [(file(name), ABSENT) for name in "ba"]
    drift = f"it is attested by {MALLORY}, but in sequence 6 it was {RELEASE}"
    with pytest.raises(PolicyError) as caught:
        check(
            [*files, (FACTS, verified(MALLORY)), (file("c"), verified(RELEASE))],
            {WEB: ATTESTED},
            REQUIRED,
        )
    assert str(caught.value).splitlines() == [
        "b.whl: refused: it has no attestation, and one is required",
        "a.whl: refused: it has no attestation, and one is required",
        f"{FACTS.filename}: refused: {drift}",
    ]
    assert caught.value.hint is not None
    start, _, lines = caught.value.hint.partition("\n")
    assert start == "if these shall enter nevertheless, write into the profile:"
    assert tomllib.loads(lines) == {
        "attestations": {"available": ["a", "b"]},
        "publisher": [
            {
                "projects": ["web"],
                "kind": "GitHub",
                "repository": "mallory/web",
                "workflow": "release.yml",
            }
        ],
    }
    assert caught.value.exit_code == 4
    check([(FACTS, verified(RELEASE))], {WEB: ATTESTED}, REQUIRED)


def test_not_more_than_some_tables_are_written() -> None:
    files = [(file(name), verified(MALLORY)) for name in "abcdefg"]
    with pytest.raises(PolicyError) as caught:
        check(files, dict.fromkeys(map(NormalizedName, "abcdefg"), ATTESTED), OPEN)
    assert caught.value.hint is not None
    assert caught.value.hint.count("[[publisher]]") == 5
    assert caught.value.hint.endswith("… and 2 more like these")


def test_there_is_nothing_to_write_for_what_is_denied() -> None:
    with pytest.raises(PolicyError) as caught:
        check([(FACTS, ABSENT)], {}, Rules(denied=(Requirement("web"),)))
    assert caught.value.hint is None


def test_a_table_to_paste() -> None:
    odd = Publisher.of("URL", issuer='https://a.example.org/"\\', identity="x\ny")
    assert publisher_table(odd, WEB) == (
        '[[publisher]]\nprojects = ["web"]\nkind = "URL"\n'
        'issuer = "https://a.example.org/\\"\\\\"\nidentity = "x\\U0000000ay"'
    )
    key = Publisher.of("key", fingerprint="sha256:00")
    assert publisher_table(key, WEB) == "[[publisher]] with the key sha256:00"
