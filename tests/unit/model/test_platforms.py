from __future__ import annotations

import re
import sysconfig

import packaging._manylinux
import packaging._musllinux
import packaging.tags
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import mac_platforms

from bundler.model.platforms import FORMS, NAMES, OLDEST_GLIBC, parse_platform

MACHINES = list(OLDEST_GLIBC)


def seen_by_packaging(
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    glibc: int | None = None,
    musl: int | None = None,
) -> tuple[str, ...]:
    """What `packaging` answers when it is made to believe that it runs on that Linux."""
    manylinux, musllinux = packaging._manylinux, packaging._musllinux
    version = (-1, -1) if glibc is None else (2, glibc)
    monkeypatch.setattr(sysconfig, "get_platform", lambda: f"linux-{machine}")
    monkeypatch.setattr(manylinux, "_have_compatible_abi", lambda _executable, _archs: True)
    monkeypatch.setattr(manylinux, "_get_glibc_version", lambda: version)
    found = None if musl is None else musllinux._MuslVersion(1, musl)
    monkeypatch.setattr(musllinux, "_get_musl_version", lambda _executable: found)
    return tuple(packaging.tags._linux_platforms(is_32bit=False))


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("minor", [17, 28, 34, 50, 99])
def test_glibc_tags_are_those_that_packaging_finds_there(
    monkeypatch: pytest.MonkeyPatch, machine: str, minor: int
) -> None:
    expected = seen_by_packaging(monkeypatch, machine, glibc=minor)
    assert len(expected) > minor - 17
    for word in (f"{machine}-manylinux_2_{minor}", f"manylinux_2_{minor}_{machine}"):
        platform = parse_platform(word)
        assert platform.tags == expected
        assert platform.name == word
        assert platform.machine == machine


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("minor", [0, 1, 2, 12])
def test_musl_tags_are_those_that_packaging_finds_there(
    monkeypatch: pytest.MonkeyPatch, machine: str, minor: int
) -> None:
    expected = seen_by_packaging(monkeypatch, machine, musl=minor)
    assert len(expected) == minor + 2
    for word in (f"{machine}-musllinux_1_{minor}", f"musllinux_1_{minor}_{machine}"):
        assert parse_platform(word).tags == expected


def test_a_machine_that_no_manylinux_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    platform = parse_platform("linux_armv6l")
    assert platform.tags == seen_by_packaging(monkeypatch, "armv6l")
    assert platform.machine == "armv6l"


@pytest.mark.parametrize(
    ("word", "same_as"),
    [
        ("manylinux1_i686", "i686-manylinux_2_5"),
        ("manylinux2010_x86_64", "x86_64-manylinux_2_12"),
        ("manylinux2014_s390x", "s390x-manylinux_2_17"),
        ("aarch64-manylinux2014", "manylinux_2_17_aarch64"),
        ("pyodide_2024_0_wasm32", "wasm32-pyodide2024"),
        ("macosx_13_5_arm64", "macosx_13_0_arm64"),
        *((name, word.tag) for name, word in NAMES.items()),
    ],
)
def test_other_words_for_the_same(word: str, same_as: str) -> None:
    platform, other = parse_platform(word), parse_platform(same_as)
    assert platform.name == word
    assert platform.tags == other.tags
    assert platform.machine == other.machine
    assert platform != other


@pytest.mark.parametrize("word", ["linux", "macos", "windows"])
def test_short_names_say_which_long_one_they_stand_for(word: str) -> None:
    assert parse_platform(NAMES[word].meaning).tags == parse_platform(word).tags


def test_macos_arm64_takes_universal2_and_older() -> None:
    tags = parse_platform("macosx_14_0_arm64").tags
    assert tags[0] == "macosx_14_0_arm64"
    assert {"macosx_11_0_arm64", "macosx_10_9_universal2"} < set(tags)
    assert "macosx_15_0_arm64" not in tags
    assert "macosx_11_0_x86_64" not in tags


@pytest.mark.parametrize(("version", "word"), [((10, 9), "10_9"), ((10, 15), "10_15")])
def test_macos_10_on_intel(version: tuple[int, int], word: str) -> None:
    tags = parse_platform(f"macosx_{word}_x86_64").tags
    assert tags == tuple(mac_platforms(version, "x86_64"))
    assert tags[0] == f"macosx_{word}_x86_64"


@pytest.mark.parametrize(
    ("word", "markers"),
    [
        ("win_amd64", ("nt", "win32", "Windows", "AMD64", "", "")),
        ("win_arm64", ("nt", "win32", "Windows", "ARM64", "", "")),
        ("win32", ("nt", "win32", "Windows", "x86", "", "")),
        ("macosx_13_0_arm64", ("posix", "darwin", "Darwin", "arm64", "", "")),
        ("macosx_13_0_x86_64", ("posix", "darwin", "Darwin", "x86_64", "", "")),
        ("musllinux_1_2_armv7l", ("posix", "linux", "Linux", "armv7l", "", "")),
        ("android_30_arm64_v8a", ("posix", "android", "Android", "aarch64", "", "")),
        ("ios_15_2_arm64_iphoneos", ("posix", "ios", "iOS", "arm64", "", "")),
        (
            "pyemscripten_2025_0_wasm32",
            ("posix", "emscripten", "Emscripten", "wasm32", "4.0.9", "#1"),
        ),
    ],
)
def test_markers(word: str, markers: tuple[str, ...]) -> None:
    found = parse_platform(word)
    values = (found.os_name, found.sys_platform, found.system, found.machine)
    assert (*values, found.release, found.version) == markers


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_one(form: str) -> None:
    word = form.replace("MACHINE", "x86_64").replace("YEAR", "2024").replace("ABI", "arm64_v8a")
    assert parse_platform(re.sub(r"(?<=_)N(?=_|$)", "24", word)).tags


@pytest.mark.parametrize(
    "name",
    [
        "",
        "beos",
        "any",
        "x86_64-manylinux_2_4",
        "aarch64-manylinux_2_16",
        "x86_64-manylinux_2_100",
        "x86_64-manylinux_2_028",
        "x86_64-manylinux_2_2٨",
        "manylinux_2_28",
        "x86_64-manylinux1",
        "manylinux1_aarch64",
        "manylinux_1_28_x86_64",
        "x86_64-musllinux_2_0",
        "linux\n",
        "Linux",
        "sparc-unknown-linux-gnu",
        "ppc-apple-darwin",
        "macosx_10_8_x86_64",
        "macosx_10_15_arm64",
        "macosx_10_16_x86_64",
        "macosx_13_0_universal2",
        "win_ia64",
        "android_15_x86_64",
        "ios_11_0_arm64_iphoneos",
        "pyodide_2023_0_wasm32",
        "manylinux_2_28_armv6l",
    ],
)
def test_unknown_platform(name: str) -> None:
    message = (
        f"unknown platform {name!r}; known are uv's names and the platform tags of wheels, such as"
        " x86_64-manylinux_2_28, x86_64-pc-windows-msvc, macosx_14_0_arm64"
    )
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}(; did you mean [^?]+\?)?$"):
        parse_platform(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("linx", "; did you mean linux?"),
        ("x86_64-manylinux-2_28", "; did you mean x86_64-manylinux_2_28?"),
        ("x86_64-manylinux_2_4", "; did you mean x86_64-manylinux_2_28?"),
        ("x86-64", " x86_64-unknown-linux-gnu or x86_64-unknown-linux-musl?"),
        ("beos", "macosx_14_0_arm64"),
        ("", "macosx_14_0_arm64"),
    ],
)
def test_what_was_meant_is_guessed(name: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"{re.escape(meant)}$"):
        parse_platform(name)


def test_a_linux_of_which_only_the_machine_is_known() -> None:
    with pytest.raises(ValueError, match=r"'linux_x86_64' names neither glibc nor musl.*; write"):
        parse_platform("linux_x86_64")


WORDS = st.one_of(
    st.sampled_from(sorted(NAMES)),
    st.builds("{}-manylinux_2_{}".format, st.sampled_from(MACHINES), st.integers(17, 99)),
    st.builds("musllinux_1_{1}_{0}".format, st.sampled_from(MACHINES), st.integers(0, 99)),
    st.builds("macosx_{}_0_{}".format, st.integers(11, 99), st.sampled_from(["arm64", "x86_64"])),
    st.builds("android_{}_x86_64".format, st.integers(16, 99)),
    st.builds("ios_{}_{}_arm64_iphoneos".format, st.integers(12, 30), st.integers(0, 12)),
)


@given(WORDS)
def test_a_platform_takes_its_own_tag_and_all_that_its_older_ones_take(word: str) -> None:
    platform = parse_platform(word)
    assert platform.name == word
    assert len(set(platform.tags)) == len(platform.tags)
    for tag in platform.tags:
        if re.match("manylinux_|musllinux_|android_|macosx_1[1-9]_.*(arm64|x86_64)$", tag):
            assert set(parse_platform(tag).tags) <= set(platform.tags)


@given(st.text(alphabet="manylinux_2078-x86_64wostv.٣", max_size=24) | st.text(max_size=12))
def test_any_text_is_a_word_or_a_clear_error(text: str) -> None:
    try:
        assert parse_platform(text).name == text
    except ValueError as error:
        assert repr(text) in str(error)  # noqa: PT017 - it may also be a target
