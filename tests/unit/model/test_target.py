from __future__ import annotations

from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Environment
from packaging.tags import Tag
from packaging.version import Version

from bundler.model.target import MARKERS, parse_target, parse_target_name


def test_a_target_of_two_words() -> None:
    target = parse_target("3.12", "windows")
    assert target.name == "cp312-windows"
    assert target.environment == {
        "implementation_name": "cpython",
        "implementation_version": "3.12.0",
        "os_name": "nt",
        "platform_machine": "AMD64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Windows",
        "platform_version": "",
        "python_full_version": "3.12.0",
        "python_version": "3.12",
        "sys_platform": "win32",
    }
    assert target.python_version == Version("3.12.0")
    assert target.tags[Tag("cp312", "cp312", "win_amd64")] == 0
    assert list(target.tags.values()) == list(range(len(target.tags)))


def test_every_marker_that_there_is() -> None:
    assert sorted(MARKERS) == sorted(get_type_hints(Environment))
    assert set(parse_target("pypy3.10", "linux").environment) == set(MARKERS)


def test_markers_can_be_set() -> None:
    given = {"python_full_version": "3.12.7", "platform_release": "5.15", "os_name": "beos"}
    target, plain = (
        parse_target("3.12", "linux", markers=given.items()),
        parse_target("3.12", "linux"),
    )
    assert target.environment == plain.environment | given
    assert target.python_version == Version("3.12.7")
    assert target.tags == plain.tags
    assert target != plain


def test_equal_targets() -> None:
    markers = [("os_name", "a"), ("sys_platform", "b")]
    first = parse_target("3.12", "linux", markers=markers)
    same = parse_target("3.12", "linux", markers=reversed(markers))
    assert first == same
    assert hash(first) == hash(same)
    assert len({first, same, parse_target("3.12", "linux")}) == 2
    assert first != parse_target("3.12", "linux", name="other", markers=markers)


def test_a_target_works_its_values_out_once() -> None:
    target = parse_target("3.12", "macos")
    assert target.tags is target.tags
    assert target.environment is target.environment
    assert target.python_version is target.python_version


@pytest.mark.parametrize(
    ("marker", "value"),
    [
        ("python_full_version", "3.11.9"),
        ("python_full_version", "newest"),
        ("python_full_version", ""),
        ("python_version", "3.12.1"),
        ("python_version", "3.11"),
    ],
)
def test_a_marker_of_another_python(marker: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"the marker {marker} = {value!r} is no version of"):
        parse_target("3.12", "linux", markers=[(marker, value)])


def test_a_prerelease_of_the_python() -> None:
    markers = [("python_full_version", "3.15.0rc1"), ("python_version", "3.15")]
    target = parse_target("3.15", "linux", markers=markers)
    assert target.python_version < Version("3.15")


@given(
    st.sampled_from(["3.9", "3.12.4", "3.14t", "3.13.2t", "pypy3.11", "pypy3.10.14"]),
    st.sampled_from(["linux", "aarch64-manylinux_2_34", "win32", "macosx_26_0_arm64"]),
)
def test_a_derived_name_says_what_the_target_is(python: str, platform: str) -> None:
    target = parse_target(python, platform)
    assert parse_target_name(target.name) == target
    assert "." not in target.name


@pytest.mark.parametrize("name", ["", "cp312", "cp312-", "linux", "cp38-linux", "cp312-beos"])
def test_no_derived_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name!r} is no target's name: "):
        parse_target_name(name)
