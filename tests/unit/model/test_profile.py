from __future__ import annotations

import pytest

from bundler.errors import ProfileError
from bundler.model.profile import Profile, parse_profile

GOOD = """
[profile]
name = "web"
requirements = ["requests>=2", "Django[argon2]; python_version >= '3.12'"]
constraints = ["urllib3<3"]
[[index]]
name = "rebuilt"
url = "https://example.org/simple/"
[targets]
python = ["3.11", "3.12", "3.12"]
platforms = ["x86_64-manylinux_2_28", "windows"]
"""


def test_a_good_profile() -> None:
    profile = parse_profile(GOOD.encode(), "web.toml")
    assert profile.stream == "web"
    assert [str(r) for r in profile.parsed_requirements()] == [
        "requests>=2",
        'Django[argon2]; python_version >= "3.12"',
    ]
    assert [str(r) for r in profile.parsed_constraints()] == ["urllib3<3"]
    assert profile.index[0].url == "https://example.org/simple/"
    assert [target.name for target in profile.parsed_targets()] == [
        "cp311-x86_64-manylinux_2_28",
        "cp311-windows",
        "cp312-x86_64-manylinux_2_28",
        "cp312-windows",
    ]


def test_the_index_may_be_left_out() -> None:
    text = GOOD.replace('[[index]]\nname = "rebuilt"\nurl = "https://example.org/simple/"\n', "")
    assert parse_profile(text.encode(), "p").index[0].url == "pip"


def test_the_index_may_be_the_one_of_pip() -> None:
    text = GOOD.replace("https://example.org/simple/", "pip")
    assert parse_profile(text.encode(), "p").index[0].url == "pip"


def test_a_json_schema_can_be_published() -> None:
    assert set(Profile.model_json_schema()["properties"]) == {
        *(
            "profile",
            "index",
            "targets",
            "target",
            "publisher",
            "attestations",
            "policy",
            "accept",
            "expiry",
        ),
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "web"', 'name = "Web"', "p.toml: profile.name: 'Web' is not a stream name"),
        ('name = "web"', "name = 1", "p.toml: profile.name: Input should be a valid string"),
        ('name = "web"', 'nam = "web"', "p.toml: profile.name: this key is missing"),
        ('name = "web"', 'name = "web"\nx = 1', "p.toml: profile.x: there is no such key"),
        ('"requests>=2"', '"requests >>2"', "p.toml: profile.requirements[0]: "),
        ('"requests>=2"', '"a @ https://example.org/a.whl"', "a URL requirement comes from no"),
        (
            """"requests>=2\"""",
            "\"a; os_name ~= 'x'\"",
            "profile.requirements[0]: its marker cannot",
        ),
        ('"urllib3<3"', '"urllib3[x]<3"', "profile.constraints[0]: a constraint on urllib3 cannot"),
        ('"3.11"', '"3.7"', "p.toml: targets.python[0]: unknown Python '3.7'"),
        ('"windows"', '"beos"', "p.toml: targets.platforms[1]: unknown platform 'beos'"),
        ('"windows"', '"x86_64-manylinux_2_4"', "unknown platform 'x86_64-manylinux_2_4'"),
        ("https://example.org", "https://me:pw@example.org", "credentials do not belong"),
        ("https://example.org/simple/", "ftp://example.org", "give an https:// address"),
        ("[targets]", "[[targets]]", "p.toml: targets: "),
        ("[targets]", "[targets", "p.toml: not TOML: "),
    ],
)
def test_each_fault_names_its_place(old: str, new: str, message: str) -> None:
    text = GOOD.replace(old, new, 1)
    with pytest.raises(ProfileError) as caught:
        parse_profile(text.encode(), "p.toml")
    assert message in str(caught.value)
    assert "pw@" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://u:s3/cret@example.org/", "credentials do not belong into a profile"),
        ("https://u:s3#cret@example.org/", "credentials do not belong into a profile"),
        ("https://u:s3/cret", "the address is no address: its host or its port is wrong"),
        ("https://[s3cret", "the address is no address: its host or its port is wrong"),
        ("https://example.org/?token=s3cret", 'the address has a "?" or "#" in it'),
        ("https://exam ple.org/s3cret", "the address has a space or a control character"),
        ("https:///s3cret", "the address names no host"),
    ],
)
def test_an_address_that_cannot_be_used_is_not_quoted(url: str, message: str) -> None:
    text = GOOD.replace("https://example.org/simple/", url)
    with pytest.raises(ProfileError) as caught:
        parse_profile(text.encode(), "p.toml")
    assert f"p.toml: index[0].url: {message}" in str(caught.value)
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_requirements_may_be_kept_in_files() -> None:
    files = (
        'requirement-files = ["a.txt", {path = "uv.lock", extras = ["x"], groups = ["y"]}]\n'
        'constraint-files = ["bounds.txt"]\n'
    )
    text = GOOD.replace("requirements =", f"{files}# requirements =")
    table = parse_profile(text.encode(), "p.toml").profile
    assert not table.requirements
    assert [(file.path, file.extras, file.groups) for file in table.requirement_files] == [
        ("a.txt", [], []),
        ("uv.lock", ["x"], ["y"]),
    ]
    assert table.constraint_files == ["bounds.txt"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "profile: requirements and requirement-files are both empty"),
        ("requirements = []", "profile: requirements and requirement-files are both empty"),
        ('requirement_files = ["a"]', "profile.requirement_files: there is no such key"),
        ("requirement-files = [1]", "profile.requirement-files[0]: Input should be a valid dict"),
        ('requirement-files = [""]', "profile.requirement-files[0].path: String should have at"),
        (
            'requirement-files = [{path = "a", extra = []}]',
            "profile.requirement-files[0].extra: there is no such key",
        ),
        ('requirement-files = [{path = "a", groups = [1]}]', "profile.requirement-files[0].groups"),
        ("constraint-files = [1]", "profile.constraint-files[0]: Input should be a valid string"),
    ],
)
def test_faults_of_files_name_their_place(line: str, message: str) -> None:
    text = GOOD.replace("requirements =", f"{line}\n# requirements =")
    with pytest.raises(ProfileError) as caught:
        parse_profile(text.encode(), "p.toml")
    assert str(caught.value).startswith(f"p.toml: {message}")


def test_all_faults_are_told_at_once() -> None:
    text = GOOD.replace('"3.11"', '"4"').replace('"windows"', '"dos"')
    with pytest.raises(ProfileError) as caught:
        parse_profile(text.encode(), "p.toml")
    assert len(str(caught.value).splitlines()) == 2


def test_not_text() -> None:
    with pytest.raises(ProfileError, match=r"^p\.toml: not UTF-8 text"):
        parse_profile(b"\xff", "p.toml")


# Targets.


def with_targets(text: str) -> Profile:
    start = '[profile]\nname = "web"\nrequirements = ["a"]\n'
    return parse_profile((start + text).encode(), "p.toml")


def test_single_targets_come_behind_the_others() -> None:
    profile = with_targets(
        """
        [targets]
        python = ["3.12", "3.13t"]
        platforms = ["linux"]
        markers = {platform_release = "5.15"}
        may-be-missing = ["cp313t-linux"]
        [[target]]
        python = "3.12.4"
        platform = "manylinux_2_34_s390x"
        [[target]]
        name = "Line_7-controller"
        python = "pypy3.10"
        platform = "win_amd64"
        markers = {platform_machine = "x86"}
        may-be-missing = true
        """
    )
    targets = profile.parsed_targets()
    assert [target.name for target in targets] == [
        "cp312-linux",
        "cp313t-linux",
        "cp312_4-manylinux_2_34_s390x",
        "Line_7-controller",
    ]
    assert profile.optional_targets == {"cp313t-linux", "Line_7-controller"}
    assert [target.environment["platform_release"] for target in targets] == ["5.15"] * 2 + [""] * 2
    assert targets[3].environment["platform_machine"] == "x86"
    assert targets[3].environment["implementation_name"] == "pypy"


def test_a_single_target_is_enough() -> None:
    profile = with_targets('[[target]]\npython = "3.12"\nplatform = "linux"')
    assert [target.name for target in profile.parsed_targets()] == ["cp312-linux"]
    assert profile.optional_targets == set()


def test_the_same_words_with_other_markers_are_another_target() -> None:
    lines = '[[target]]\npython = "3.12"\nplatform = "linux"\n'
    profile = with_targets(f'{lines}{lines}name = "old"\nmarkers.platform_release = "4.18"\n')
    first, second = profile.parsed_targets()
    assert first != second
    assert first.tags == second.tags


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "targets: there is no target: give [targets] or a [[target]]"),
        ("[targets]\npython = ['3.12']", "targets.platforms: this key is missing"),
        ("[[target]]\npython = '3.12'", "target[0].platform: this key is missing"),
        (
            "[[target]]\npython = '3.2'\nplatform = 'dos'",
            "target[0].python: unknown Python '3.2'; known are 3.9 to",
        ),
        (
            "[[target]]\npython = '3.2'\nplatform = 'dos'",
            "target[0].platform: unknown platform 'dos'; known are",
        ),
        (
            "[[target]]\npython = '3.12'\nplatform = 'linux'\nname = 'a.b'",
            "target[0].name: 'a.b' is no target's name: letters, digits and inner underscores",
        ),
        (
            "[[target]]\npython = '3.12'\nplatform = 'linux'\nname = '-a'",
            "target[0].name: '-a' is no target's name",
        ),
        (
            "[[target]]\npython = '3.12'\nplatform = 'linux'\nmarkers = {extra = 'x'}",
            "target[0].markers.extra: Input should be 'implementation_name',",
        ),
        (
            "[[target]]\npython = '3.12'\nplatform = 'linux'\nmarkers = {platform_release = 5}",
            "target[0].markers.platform_release: Input should be a valid string",
        ),
        (
            "[[target]]\npython = '3.12'\nplatform = 'linux'\nmarkers = {python_version = '3.11'}",
            "target[0].markers: the marker python_version = '3.11' is no version of Python 3.12",
        ),
        (
            (
                "[targets]\npython = ['3.11', '3.12']\nplatforms = ['linux']\n"
                "markers = {python_full_version = '3.11.9'}"
            ),
            "targets.markers: the marker python_full_version = '3.11.9' is no version of Python",
        ),
        (
            "[targets]\npython = ['3.12', '3.11']\nplatforms = ['linux']\nmay-be-missing = ['x']",
            (
                "targets.may-be-missing[0]: 'x' is no target of this table; it has cp311-linux,"
                " cp312-linux"
            ),
        ),
        (
            "[targets]\npython = ['3.12']\nplatforms = ['linux']\nmay_be_missing = []",
            "targets.may_be_missing: there is no such key",
        ),
        (
            (
                "[targets]\npython = ['3.12']\nplatforms = ['linux']\n"
                "[[target]]\npython = '3.12'\nplatform = 'linux'"
            ),
            "target[0]: 'cp312-linux' is another target's name; give this one its own",
        ),
        (
            (
                "[[target]]\nname = 'A'\npython = '3.12'\nplatform = 'linux'\n"
                "[[target]]\nname = 'a'\npython = '3.11'\nplatform = 'linux'"
            ),
            "target[1]: 'a' is another target's name; give this one its own",
        ),
    ],
)
def test_each_fault_of_a_target_names_its_place(text: str, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        with_targets(text)
    lines = str(caught.value).splitlines()
    assert any(line.startswith(f"p.toml: {message}") for line in lines), lines


ACCEPT = """
[profile]
name = "web"
requirements = ["a"]
[targets]
python = ["3.12"]
platforms = ["linux"]
[[accept]]
sha256 = "{digest}"
reason = "{reason}"
"""


def test_one_wheel_is_accepted_by_its_digest() -> None:
    text = ACCEPT.format(digest="ab" * 32, reason="looked into")
    assert parse_profile(text.encode(), "web.toml").accepted() == {"ab" * 32: "looked into"}


@pytest.mark.parametrize(
    ("digest", "reason", "message"),
    [
        ("AB" * 32, "x", "accept[0].sha256: not a sha256 digest"),
        ("ab" * 32, "", "accept[0].reason: String should have at least 1 character"),
        ("ab" * 32, "  ", "accept[0].reason: String should match pattern"),
    ],
)
def test_an_acceptance_needs_digest_and_reason(digest: str, reason: str, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(ACCEPT.format(digest=digest, reason=reason).encode(), "web.toml")
    assert message in str(caught.value)
