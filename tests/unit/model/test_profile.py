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
    assert set(Profile.model_json_schema()["properties"]) == {"profile", "index", "targets"}


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


def test_all_faults_are_told_at_once() -> None:
    text = GOOD.replace('"3.11"', '"4"').replace('"windows"', '"dos"')
    with pytest.raises(ProfileError) as caught:
        parse_profile(text.encode(), "p.toml")
    assert len(str(caught.value).splitlines()) == 2


def test_not_text() -> None:
    with pytest.raises(ProfileError, match=r"^p\.toml: not UTF-8 text"):
        parse_profile(b"\xff", "p.toml")
