"""`bundle target`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundler.cli import detect_target
from bundler.model.platforms import NAMES, parse_platform
from bundler.model.pythons import parse_python
from tests.fakes.command import bundle, read_json, succeed

PROFILE = """
[profile]
name = "web"
requirements = ["a"]
[targets]
python = ["3.12"]
platforms = ["linux", "windows"]
may-be-missing = ["cp312-windows"]
[[target]]
name = "plant"
python = "pypy3.10"
platform = "musllinux_1_2_aarch64"
markers = {platform_release = "5.15"}
"""


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "web.toml"
    path.write_text(PROFILE)
    return path


def test_list_has_every_word() -> None:
    document = read_json(succeed("target", "list", "--json"))
    named = [row for row in document["platforms"] if "name" in row]
    assert [row["name"] for row in named] == list(NAMES)
    for row in named:
        assert parse_platform(row["name"]).tags == parse_platform(row["tag"]).tags
        assert row["meaning"]
    text = succeed("target", "list").stdout
    for row in [*document["platforms"], *document["pythons"]]:
        assert row.get("name", row.get("form")) in text
        assert row["meaning"] in text
    first, _, last = document["pythons"][0]["form"].split()
    assert parse_python(first).minor < parse_python(last).minor
    assert f"MACHINE is one of {', '.join(document['machines'])}\n" in text


def test_list_of_a_profile(profile: Path) -> None:
    assert succeed("target", "list", "--profile", profile).stdout == (
        "cp312-linux    3.12      linux\n"
        "cp312-windows  3.12      windows                may be missing\n"
        "plant          pypy3.10  musllinux_1_2_aarch64  platform_release = '5.15'\n"
    )
    document = read_json(succeed("target", "list", "--profile", profile, "--json"))
    assert document["targets"][2] == {
        "name": "plant",
        "python": "pypy3.10",
        "platform": "musllinux_1_2_aarch64",
        "markers": {"platform_release": "5.15"},
        "may-be-missing": False,
    }
    assert [target["may-be-missing"] for target in document["targets"]] == [False, True, False]


def test_list_of_a_profile_that_is_wrong(profile: Path) -> None:
    profile.write_text(PROFILE.replace("3.12", "3.2"))
    result = bundle("target", "list", "--profile", profile)
    assert result.exit_code == 3
    assert f"error: {profile}: targets.python[0]: unknown Python '3.2'" in result.stderr


def test_show_is_short_unless_all_is_wanted() -> None:
    text = succeed("target", "show", "3.12", "windows").stdout
    lines = text.splitlines()
    assert lines[0] == "cp312-windows"
    assert "  platform_machine                'AMD64'" in lines
    assert "  42 tags, the most preferred first:" in lines
    assert lines[-9] == "    cp312-cp312-win_amd64"
    assert lines[-5] == "    … 34 more; --all shows them"
    assert lines[-1] == "    py30-none-any"
    whole = succeed("target", "show", "3.12", "windows", "--all").stdout.splitlines()
    tags = read_json(succeed("target", "show", "3.12", "windows", "--json"))["targets"][0]["tags"]
    assert [line.strip() for line in whole[-42:]] == tags
    assert len(set(tags)) == 42


def test_show_takes_several_platforms_or_names() -> None:
    by_words = succeed("target", "show", "3.13.2t", "linux", "macos").stdout
    assert by_words == succeed("target", "show", "cp313t_2-linux", "cp313t_2-macos").stdout
    assert by_words.count("python_full_version             '3.13.2'") == 2


def test_show_of_a_profile(profile: Path) -> None:
    found = read_json(succeed("target", "show", "plant", "--profile", profile, "--json"))
    (target,) = found["targets"]
    assert target["tags"][0] == "pp310-pypy310_pp73-linux_aarch64"
    assert target["environment"]["platform_release"] == "5.15"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("plant",), "'plant' is no target's name"),
        (("3.12",), "'3.12' is no label of a Python"),
        (("3.7", "linux"), "unknown Python '3.7'"),
        (("3.12", "linux", "beos"), "unknown platform 'beos'"),
        (("cp312-linux", "cp312-beos"), "unknown platform 'beos'"),
    ],
)
def test_show_of_what_there_is_not(words: tuple[str, ...], message: str) -> None:
    result = bundle("target", "show", *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_show_of_what_a_profile_has_not(profile: Path) -> None:
    result = bundle("target", "show", "cp311-linux", "--profile", profile)
    assert result.exit_code == 2
    assert "the profile has no target 'cp311-linux'; it has" in result.stderr


def test_detect_prints_the_script() -> None:
    source = Path(detect_target.__file__).read_text()
    result = succeed("target", "detect")
    assert result.stdout == source
    assert result.stderr == "run it on the far machine: python3 SCRIPT\n"
    quiet = succeed("target", "detect", "--quiet", "--json")
    assert json.loads(quiet.stdout) == {"script": source}
    assert quiet.stderr == ""
