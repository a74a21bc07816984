from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.errors import ProfileError
from bundler.model.profile import parse_profile
from bundler.model.profile_faults import KEYS_HINT

HEAD = '[profile]\nname = "web"\nrequirements = ["requests"]\n'
TARGETS = '[targets]\npython = ["3.12"]\nplatforms = ["linux"]\n'
ALL_TABLES = (
    "[profile], [[index]], [targets], [[target]], [[publisher]], [attestations], [policy],"
    " [[accept]], [expiry]"
)


def faults_of(text: str) -> list[str]:
    with pytest.raises(ProfileError) as caught:
        parse_profile(text.encode(), "web.toml")
    assert caught.value.hint == KEYS_HINT
    assert "docs/profile.md" in KEYS_HINT
    return [line.removeprefix("web.toml: ") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            f'{HEAD}cutof = "7 days"\n{TARGETS}',
            "profile.cutof: there is no such key; did you mean cutoff?",
        ),
        (
            f"{HEAD}requirement_files = []\n{TARGETS}",
            "profile.requirement_files: there is no such key; did you mean requirement-files?",
        ),
        (
            f'{HEAD}requirement-files = ["a", {{path = "b", extra = []}}]\n{TARGETS}',
            "profile.requirement-files[1].extra: there is no such key; did you mean extras?",
        ),
        (
            f'{HEAD}{TARGETS}[[index]]\nurls = "pip"\n',
            "index[0].urls: there is no such key; did you mean url?",
        ),
        (
            f"{HEAD}{TARGETS}[expiry]\nroot = 1\n",
            "expiry.root: there is no such key; there are targets, packing, snapshot, timestamp",
        ),
        (
            f'{HEAD}{TARGETS}requirements = ["numpy"]\n',
            "targets.requirements: there is no such key here; it belongs into [profile]",
        ),
        (
            f'reason = "harmless"\n{HEAD}{TARGETS}',
            "reason: there is no such key here; it belongs into [[accept]]",
        ),
        (
            f"{HEAD}{TARGETS}[targets.index]\n",
            "targets.index: there is no such key here; did you mean [[index]]?",
        ),
    ],
)
def test_a_key_that_is_not_known(text: str, fault: str) -> None:
    assert faults_of(text) == [fault]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (
            f'[profil]\nname = "web"\n{TARGETS}',
            [
                "profile: this table is missing",
                "profil: there is no such table; did you mean [profile]?",
            ],
        ),
        (
            f"{HEAD}{TARGETS}[[publishers]]\n",
            ["publishers: there is no such table; did you mean [[publisher]]?"],
        ),
        (
            f"{HEAD}{TARGETS}[zone]\n",
            [f"zone: there is no such table; there are {ALL_TABLES}"],
        ),
        (
            HEAD + TARGETS.replace("targets", "target"),
            ["target: this table is written [[target]]; did you mean [targets]?"],
        ),
        (
            f'{HEAD}[[targets]]\npython = "3.12"\nplatform = "linux"\n',
            ["targets: this table is written [targets]; did you mean [[target]]?"],
        ),
        (
            f'{HEAD}{TARGETS}[index]\nurl = "pip"\n',
            ["index: this table is written [[index]]"],
        ),
        (
            f"{HEAD}{TARGETS}".replace("[targets]", "[[targets]]"),
            ["targets: this table is written [targets]"],
        ),
        ("policy = 3\n" + HEAD + TARGETS, ["policy: this table is written [policy]"]),
        ("policy = []\n" + HEAD + TARGETS, ["policy: this table is written [policy]"]),
    ],
)
def test_a_table_that_is_not_known(text: str, faults: list[str]) -> None:
    assert faults_of(text) == faults


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='"\\'), min_size=1),
    st.sampled_from(["profile", "targets", "[index]", "[publisher]", "policy", "expiry"]),
)
def test_any_other_key_is_named_with_its_table(key: str, table: str) -> None:
    """As an error of the profile, whatever the key is."""
    line = f'[{table}]\n"{key}-x" = 1\n'
    text = line if table == "profile" else f"{HEAD}{line}"
    if table != "targets":
        text += TARGETS
    faults = faults_of(text)
    assert any("there is no such " in fault for fault in faults)
