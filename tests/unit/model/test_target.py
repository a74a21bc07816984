from __future__ import annotations

import pytest
from packaging.tags import Tag

from bundler.model.target import parse_platform, parse_target


def test_glibc_tags_go_down_to_the_oldest_with_their_aliases() -> None:
    tags = parse_platform("x86_64-manylinux_2_28").tags
    assert tags[0] == "manylinux_2_28_x86_64"
    assert tags[-1] == "linux_x86_64"
    assert tags[tags.index("manylinux_2_17_x86_64") + 1] == "manylinux2014_x86_64"
    assert tags[tags.index("manylinux_2_12_x86_64") + 1] == "manylinux2010_x86_64"
    assert tags[tags.index("manylinux_2_5_x86_64") + 1] == "manylinux1_x86_64"
    assert "manylinux_2_29_x86_64" not in tags


def test_aarch64_has_no_glibc_below_2_17() -> None:
    tags = parse_platform("aarch64-manylinux_2_28").tags
    assert tags[-3:] == ("manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64")


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("linux", "x86_64-manylinux_2_28"),
        ("x86_64-unknown-linux-gnu", "x86_64-manylinux_2_28"),
        ("aarch64-unknown-linux-gnu", "aarch64-manylinux_2_28"),
        ("x86_64-manylinux2014", "x86_64-manylinux_2_17"),
        ("windows", "x86_64-pc-windows-msvc"),
        ("macos", "aarch64-apple-darwin"),
    ],
)
def test_names_of_uv_without_a_version(name: str, same_as: str) -> None:
    platform, other = parse_platform(name), parse_platform(same_as)
    assert platform.name == name
    assert platform.tags == other.tags
    assert platform.machine == other.machine


def test_musl() -> None:
    assert parse_platform("aarch64-unknown-linux-musl").tags == (
        "musllinux_1_2_aarch64",
        "musllinux_1_1_aarch64",
        "musllinux_1_0_aarch64",
        "linux_aarch64",
    )


def test_macos_arm64_takes_universal2_and_older() -> None:
    tags = parse_platform("aarch64-apple-darwin").tags
    assert tags[0] == "macosx_13_0_arm64"
    assert "macosx_11_0_arm64" in tags
    assert "macosx_10_9_universal2" in tags
    assert "macosx_14_0_arm64" not in tags


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("windows", ("nt", "win32", "Windows", "AMD64")),
        ("aarch64-pc-windows-msvc", ("nt", "win32", "Windows", "ARM64")),
        ("i686-pc-windows-msvc", ("nt", "win32", "Windows", "x86")),
        ("macos", ("posix", "darwin", "Darwin", "arm64")),
        ("x86_64-apple-darwin", ("posix", "darwin", "Darwin", "x86_64")),
        ("linux", ("posix", "linux", "Linux", "x86_64")),
    ],
)
def test_marker_environment(platform: str, expected: tuple[str, ...]) -> None:
    environment = parse_target("3.12", platform).environment
    found = (
        environment["os_name"],
        environment["sys_platform"],
        environment["platform_system"],
        environment["platform_machine"],
    )
    assert found == expected
    assert environment["python_version"] == "3.12"
    assert environment["python_full_version"] == "3.12.0"
    assert environment["implementation_name"] == "cpython"


def test_python_3_10_is_no_decimal_number() -> None:
    assert parse_target("3.10", "linux").environment["python_version"] == "3.10"


def test_free_threaded_has_its_own_abi_and_no_abi3() -> None:
    target = parse_target("3.13t", "linux")
    assert target.name == "cp313t-linux"
    assert next(iter(target.tags)) == Tag("cp313", "cp313t", "manylinux_2_28_x86_64")
    assert not any(tag.abi in {"cp313", "abi3"} for tag in target.tags)
    assert Tag("py3", "none", "any") in target.tags


@pytest.mark.parametrize("python", ["3", "3.8", "3.16", "2.7", "3.12tt", "cp312", "", "3.012"])
def test_unknown_python(python: str) -> None:
    with pytest.raises(ValueError, match=r"known are 3\.9 to 3\.15"):
        parse_target(python, "linux")


@pytest.mark.parametrize(
    "name", ["", "beos", "x86_64-manylinux_2_16", "sparc-unknown-linux-gnu", "ppc-apple-darwin"]
)
def test_unknown_platform(name: str) -> None:
    with pytest.raises(ValueError, match="known are uv's names, such as x86_64-manylinux_2_28"):
        parse_platform(name)
