from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from bundler.resolve.window import Window

_RELEASES = st.sampled_from(["0", "0.9", "1", "1.0.0", "1.1", "1.1.1", "1.10", "2", "2.0.1", "1!0"])
_SUFFIXES = st.sampled_from(["", "", ".dev0", "a1", "rc2", ".post0", ".post1", "a1.dev2"])
_LOCALS = st.sampled_from(["", "", "", "+1", "+cgr.1"])
_VERSIONS = st.builds("{}{}{}".format, _RELEASES, _SUFFIXES, _LOCALS)
_OPERATORS = st.sampled_from([">=", ">", "<", "<=", "==", "!=", "~=", "==="])
_CLAUSES = st.builds("{}{}{}".format, _OPERATORS, _VERSIONS, st.sampled_from(["", "", ".*"]))


@given(st.lists(_VERSIONS, max_size=12), st.lists(_CLAUSES, min_size=1, max_size=2))
def test_a_window_has_every_version_that_is_allowed(texts: list[str], clauses: list[str]) -> None:
    versions = sorted({Version(text) for text in texts}, reverse=True)
    try:
        specifier = SpecifierSet(",".join(clauses))
    except InvalidSpecifier:
        return
    around = Window(versions).around(specifier)
    assert list(specifier.filter(around, prereleases=True)) == list(
        specifier.filter(versions, prereleases=True)
    )


@pytest.mark.parametrize(
    ("specifier", "left"),
    [
        ("", ["3", "2.1", "2.0+x", "2.0", "1.5", "1"]),
        (">=2", ["3", "2.1", "2.0+x", "2.0"]),
        (">2,<3", ["2.1", "2.0+x", "2.0"]),
        ("<=2", ["2.0+x", "2.0", "1.5", "1"]),
        ("==2", ["2.0+x", "2.0"]),
        ("==2.0+x", ["2.0+x"]),
        ("===2.0", ["2.0+x", "2.0"]),
        ("===nothing", ["3", "2.1", "2.0+x", "2.0", "1.5", "1"]),
        ("==2.*", ["2.1", "2.0+x", "2.0"]),
        ("~=2.0", ["2.1", "2.0+x", "2.0"]),
        ("!=2", ["3", "2.1", "2.0+x", "2.0", "1.5", "1"]),
        (">3,<1", []),
    ],
)
def test_a_window_is_narrow(specifier: str, left: list[str]) -> None:
    versions = [Version(text) for text in ["3", "2.1", "2.0+x", "2.0", "1.5", "1"]]
    assert [str(v) for v in Window(versions).around(SpecifierSet(specifier))] == left
