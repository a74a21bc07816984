from __future__ import annotations

import re
import sys
import sysconfig
from types import SimpleNamespace

import packaging.tags
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag, platform_tags, sys_tags

from bundler.model.pythons import (
    CPYTHON,
    FREE_THREADED,
    PYPY,
    Python,
    parse_python,
    word_of_label,
)

PLATFORMS = ["manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64"]
WORDS = [
    *(f"3.{minor}" for minor in CPYTHON),
    *(f"3.{minor}t" for minor in FREE_THREADED),
    *(f"pypy3.{minor}" for minor in PYPY),
    "3.12.4",
    "3.13.2t",
    "pypy3.10.14",
]


def seen_by_packaging(monkeypatch: pytest.MonkeyPatch, word: str) -> list[Tag]:
    """What `packaging` answers when it is made to believe that it runs on that Python."""
    pypy, minor, threading = (
        word.startswith("pypy"),
        int(word.removeprefix("pypy").rstrip("t").split(".")[1]),
        word.endswith("t"),
    )
    variables = {
        "EXT_SUFFIX": f".pypy3{minor}-pp73-x86_64-linux-gnu.so",
        "Py_GIL_DISABLED": int(threading),
        "py_version_nodot": f"3{minor}",
    }

    def variable(name: str, warn: bool = False) -> object:  # noqa: ARG001, FBT001, FBT002 - as theirs
        return variables.get(name, 0)

    monkeypatch.setattr(packaging.tags, "_get_config_var", variable)
    implementation = SimpleNamespace(name="pypy" if pypy else "cpython")
    system = SimpleNamespace(version_info=(3, minor, 0), implementation=implementation)
    monkeypatch.setattr(packaging.tags, "sys", system)
    monkeypatch.setattr(packaging.tags, "platform_tags", lambda: iter(PLATFORMS))
    return list(dict.fromkeys(sys_tags()))


@pytest.mark.parametrize("word", WORDS)
def test_tags_are_those_that_packaging_finds_there(
    monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    ours = list(dict.fromkeys(parse_python(word).tags(PLATFORMS)))
    assert ours == seen_by_packaging(monkeypatch, word)


@pytest.mark.skipif(
    sys.implementation.name != "cpython" or hasattr(sys, "gettotalrefcount"),
    reason="this Python is none that a word names",
)
def test_the_python_that_runs_the_tests() -> None:
    word = f"3.{sys.version_info.minor}" + (
        "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    )
    ours = dict.fromkeys(parse_python(word).tags(list(platform_tags())))
    assert list(ours) == list(dict.fromkeys(sys_tags()))


def test_pypy() -> None:
    tags = list(parse_python("pypy3.10").tags(["win_amd64"]))
    assert str(tags[0]) == "pp310-pypy310_pp73-win_amd64"
    assert Tag("pp3", "none", "any") in tags
    assert not any(tag.interpreter.startswith("cp") for tag in tags)


def test_free_threaded_has_its_own_abi_and_no_abi3() -> None:
    tags = list(parse_python("3.13t").tags(PLATFORMS))
    assert tags[0] == Tag("cp313", "cp313t", PLATFORMS[0])
    assert not any(tag.abi in {"cp313", "abi3"} for tag in tags)
    assert Tag("py3", "none", "any") in tags


@pytest.mark.parametrize(
    ("word", "environment"),
    [
        ("3.10", ("cpython", "3.10.0", "CPython", "3.10.0", "3.10")),
        ("3.13.2t", ("cpython", "3.13.2", "CPython", "3.13.2", "3.13")),
        ("pypy3.10.14", ("pypy", "7.3.0", "PyPy", "3.10.14", "3.10")),
    ],
)
def test_markers(word: str, environment: tuple[str, ...]) -> None:
    names = (
        "implementation_name",
        "implementation_version",
        "platform_python_implementation",
        "python_full_version",
        "python_version",
    )
    assert parse_python(word).environment() == dict(zip(names, environment, strict=True))


@pytest.mark.parametrize(
    ("word", "python", "label"),
    [
        ("3.12", Python("3.12", "cpython", 12), "cp312"),
        ("3.12.0", Python("3.12.0", "cpython", 12, 0), "cp312_0"),
        ("3.13.4t", Python("3.13.4t", "cpython", 13, 4, free_threaded=True), "cp313t_4"),
        ("pypy3.11", Python("pypy3.11", "pypy", 11), "pp311"),
        ("pypy3.10.14", Python("pypy3.10.14", "pypy", 10, 14), "pp310_14"),
    ],
)
def test_words(word: str, python: Python, label: str) -> None:
    assert parse_python(word) == python
    assert python.label == label


@pytest.mark.parametrize(
    "word",
    [
        "3",
        "3.8",
        "3.16",
        "2.7",
        "3.12t",
        "3.13tt",
        "cp312",
        "",
        "3.012",
        "3.12.04",
        "3.12.",
        "3.1٢",
        "pypy3.8",
        "pypy3.12",
        "pypy3.10t",
        "pypy310",
        "3.12\n",
        " 3.12",
        "3.12.100",
        "3.15.0rc1",
    ],
)
def test_unknown_python(word: str) -> None:
    known = (
        '3.9 to 3.15, 3.13 to 3.15 with "t" behind it for the free-threaded build,'
        ' and 3.9 to 3.11 with "pypy" in front'
    )
    with pytest.raises(ValueError, match=re.escape(f"unknown Python {word!r}; known are {known}")):
        parse_python(word)


@st.composite
def words(draw: st.DrawFn) -> str:
    patch = draw(st.none() | st.integers(0, 99))
    kind, minors, threading = draw(
        st.sampled_from([("", CPYTHON, ""), ("", FREE_THREADED, "t"), ("pypy", PYPY, "")])
    )
    release = f"3.{draw(st.sampled_from(minors))}" + ("" if patch is None else f".{patch}")
    return kind + release + threading


@given(words(), words())
def test_a_label_has_one_word(word: str, other: str) -> None:
    label = parse_python(word).label
    assert word_of_label(label) == word
    assert re.fullmatch(r"(cp|pp)3\d+t?(_\d+)?", label)
    assert (label == parse_python(other).label) == (word == other)


@given(st.text(alphabet="3.019tpyc_٣", max_size=9) | st.text(max_size=12))
def test_any_text_is_a_word_or_a_clear_error(text: str) -> None:
    try:
        assert parse_python(text).name == text
    except ValueError as error:
        assert str(error).startswith(f"unknown Python {text!r}; known are ")  # noqa: PT017 - it may also be a target


@pytest.mark.parametrize("label", ["", "cp3", "3.12", "cp312t_", "cp312_04", "cp312x", "py312"])
def test_no_label(label: str) -> None:
    with pytest.raises(ValueError, match="is no label of a Python, such as cp312"):
        word_of_label(label)
