from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from packaging.requirements import Requirement

from bundler.errors import ProfileError
from bundler.model.profile import Profile, parse_profile
from bundler.model.publisher import Publisher
from bundler.trust.pinned_keys import key_fingerprint
from bundler.trust.policy import Expected, Mode, Rules
from bundler.trust.rules import pinned_keys, rules_of
from tests.fakes.fulcio import new_key
from tests.fakes.trust import digest

PEM = new_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
NO_NAME = 'no project\'s name, also not with "*" and "?" in it'
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def profile(text: str) -> Profile:
    start = '[profile]\nname = "web"\nrequirements = ["web"]\n'
    end = '\n[targets]\npython = ["3.12"]\nplatforms = ["linux"]\n'
    return parse_profile(f"{start}{text}{end}".encode(), "web.toml")


def faults(text: str) -> list[str]:
    with pytest.raises(ProfileError) as caught:
        profile(text)
    return str(caught.value).splitlines()


def test_a_profile_that_says_nothing() -> None:
    rules = rules_of(profile(""), None, {})
    assert rules == Rules(
        modes={"default": Mode.AVAILABLE},
        project_modes={Mode.REQUIRED: (), Mode.AVAILABLE: (), Mode.NONE: ()},
    )
    assert pinned_keys(profile("")) == ()


def test_a_profile_that_says_all() -> None:
    asked = profile(f'''
[[index]]
name = "rebuilt"
url = "https://example.org/simple/"
provenance = "required"
passed-through = ["https://example.org/upstream/"]
require-rebuilt = true
[attestations]
trusted-root = "root.json"
required = ["Web_*"]
available = ["sea"]
none = ["sky.?"]
[policy]
deny = ["evil", "old<2", "sha256:{digest(b"x")}"]
yanked = "refuse"
[[publisher]]
projects = ["*"]
index = "rebuilt"
kind = "URL"
issuer = "https://i.example.org"
identity = "https://i.example.org/3"
[[publisher]]
projects = ["sea"]
kind = "CircleCI"
project-id = "1"
pipeline-definition-id = "2"
[[publisher]]
projects = ["sky"]
kind = "key"
key = """{PEM}"""
''')
    (key,) = pinned_keys(asked)
    assert rules_of(asked, NOON, {}) == Rules(
        modes={"rebuilt": Mode.REQUIRED},
        project_modes={
            Mode.REQUIRED: ("web-*",),
            Mode.AVAILABLE: ("sea",),
            Mode.NONE: ("sky-?",),
        },
        expected=(
            Expected(
                projects=("*",),
                publisher=Publisher.of(
                    "URL", issuer="https://i.example.org", identity="https://i.example.org/3"
                ),
                index="rebuilt",
            ),
            Expected(
                projects=("sea",),
                publisher=Publisher.of("CircleCI", project_id="1", pipeline_definition_id="2"),
            ),
            Expected(
                projects=("sky",), publisher=Publisher.of("key", fingerprint=key_fingerprint(key))
            ),
        ),
        denied=(Requirement("evil"), Requirement("old<2")),
        denied_digests=frozenset({digest(b"x")}),
        rebuilt_only=frozenset({"rebuilt"}),
        allow_yanked=False,
        cutoff=NOON,
    )


def test_a_key_that_is_none() -> None:
    bad = profile(
        '[[publisher]]\nprojects = ["a"]\nkind = "key"\nkey = "-----BEGIN PUBLIC KEY-----"\n'
    )
    for read in (pinned_keys, lambda asked: rules_of(asked, None, {})):
        with pytest.raises(ProfileError, match=r"publisher\[0\]\.key: not a public key in PEM"):
            read(bad)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[[index]]\nprovenance = "maybe"',
            ["index[0].provenance: Input should be 'required', 'available' or 'none'"],
        ),
        (
            "[[index]]\nrequire-rebuilt = true",
            [
                "index 'default': require-rebuilt needs passed-through, to tell files apart",
            ],
        ),
        (
            '[[index]]\npassed-through = ["https://example.org/a", "/a/"]',
            [
                "index[0].passed-through[0]: give an https:// address that ends in /",
                "index[0].passed-through[1]: give an https:// address that ends in /",
            ],
        ),
        (
            '[[publisher]]\nprojects = ["a"]\nkind = "GitHub"\nemail = "a@example.org"',
            [
                "publisher[0].repository: this key is missing for a publisher of kind GitHub",
                "publisher[0].email: a publisher of kind GitHub has no such key",
            ],
        ),
        (
            '[[publisher]]\nprojects = ["a"]\nkind = "key"\nkey = "abc"\nindex = "other"',
            [
                f'publisher[0].key: not a public key in PEM, which begins with "{PEM[:26]}"',
                "publisher[0].index: there is no index 'other'",
            ],
        ),
        (
            '[[publisher]]\nprojects = ["a"]\nkind = "key"',
            ["publisher[0].key: this key is missing for a publisher of kind key"],
        ),
        (
            '[[publisher]]\nprojects = ["a b"]\nkind = "Google"\nemail = "a@example.org"',
            [
                f"publisher[0].projects[0]: 'a b' is {NO_NAME}",
            ],
        ),
        (
            '[attestations]\nrequired = ["A_b"]\nnone = ["a-b"]',
            ["attestations: 'a-b' stands in more than one list"],
        ),
        (
            '[policy]\ndeny = ["sha256:00"]',
            ["policy.deny[0]: not a sha256 digest: '00'"],
        ),
        ('[policy]\nyanked = "no"', ["policy.yanked: Input should be 'allow' or 'refuse'"]),
    ],
)
def test_what_is_wrong_is_said(text: str, expected: list[str]) -> None:
    assert faults(text) == [f"web.toml: {line}" for line in expected]
