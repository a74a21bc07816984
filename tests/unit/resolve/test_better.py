from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundler.model.target import parse_target
from bundler.resolve.better import better_versions, is_newer
from bundler.resolve.catalogue import Catalogue, Shelves
from bundler.resolve.dependencies import Dependencies
from bundler.resolve.solution import Solution
from bundler.resolve.solve import solve
from tests.fakes.planning import LINUX, MemoryIndex, make_terms, versions_of

TARGET = parse_target("3.12", LINUX)
A, B = canonicalize_name("a"), canonicalize_name("b")


def index_of(*releases: str) -> MemoryIndex:
    """One of releases such as "a 1: b>1, c"; each may have the extra x."""
    index = MemoryIndex()
    for release in releases:
        name, _, rest = release.partition(" ")
        version, _, requires = rest.partition(":")
        index.add(name, version, *filter(None, map(str.strip, requires.split(","))), extras=("x",))
    return index


def solved(index: MemoryIndex, *asked: str, **preferred: str) -> Solution:
    """A solution that prefers some versions, as if nobody had asked it to."""
    terms = make_terms(*asked, target=TARGET)
    wishes = {canonicalize_name(name): Version(version) for name, version in preferred.items()}
    found = solve(replace(terms, preferred=wishes), Catalogue(index))
    assert isinstance(found, Solution)
    return replace(found, dependencies=Dependencies(Shelves(Catalogue(index), terms)))


def better(solution: Solution) -> dict[str, str]:
    return {name: str(version) for name, version in better_versions(solution).items()}


@pytest.mark.parametrize(
    ("releases", "asked", "expected"),
    [
        (
            # a 3 cannot be had; with it, a 2 was given up as well.
            ("a 1", "a 2", "a 3: d==1", "c 1", "c 2", "c 3", "d 1: a==1", "d 2", "d 3: a>=2"),
            ("a", "c<3"),
            {"a": "2", "c": "2"},
        ),
        (
            # The search leaves d behind, which nothing needs once c is newer.
            ("a 1: b<=1", "a 2: c==1", "b 1", "b 2", "c 1: d", "c 2", "d 1", "d 2", "d 3: a<=1"),
            ("a", "c<3"),
            {"a": "1", "b": "1", "c": "2"},
        ),
    ],
)
def test_a_search_does_not_stay_behind(
    releases: tuple[str, ...], asked: tuple[str, ...], expected: dict[str, str]
) -> None:
    found = solve(make_terms(*asked, target=TARGET), Catalogue(index_of(*releases)))
    assert isinstance(found, Solution)
    assert versions_of(found) == expected


def test_the_newest_that_is_content_with_the_rest() -> None:
    index = index_of("a 1", "a 2", "a 3", "a 4: b>1", "a 5: c", "a 6: b[x]", "b 1", "b 2", "c 1")
    assert better(solved(index, "a", "b<2", a="1")) == {"a": "3"}
    assert better(solved(index, "a<3", "b<2", a="1")) == {"a": "2"}
    assert better(solved(index, "a", "b[x]<2", a="1")) == {"a": "6"}
    assert better(solved(index, "a", "b", a="1", b="1")) == {"a": "3", "b": "2"}


def test_an_extra_must_be_content_as_well() -> None:
    index = index_of("a 1", "a 2: b>1; extra == 'x'", "b 1", "b 2")
    assert better(solved(index, "a[x]", "b<2", a="1")) == {}
    assert better(solved(index, "a", "b<2", a="1")) == {"a": "2"}
    assert better(solved(index, "a[x]", "b", a="1")) == {"a": "2"}


def test_nothing_is_better_than_the_newest_or_than_what_is_wanted() -> None:
    index = index_of("a 1", "a 2")
    assert better(solved(index, "a")) == {}
    kept = solved(index, "a", a="1")
    for terms in (
        replace(kept.terms, preferred={A: Version("1")}),
        replace(kept.terms, shared={A: Version("1")}),
        replace(kept.terms, pinned=frozenset({A})),
    ):
        dependencies = Dependencies(Shelves(Catalogue(index), terms))
        assert better(replace(kept, dependencies=dependencies)) == {}


def test_what_counts_as_newer() -> None:
    index = index_of("a 1", "a 2", "b 1", "b 2", "c 1")
    old, new = solved(index, "a", "b", a="1", b="1"), solved(index, "a", "b")
    mixed = solved(index, "a", "b", a="1")
    assert is_newer(old, new)
    assert is_newer(old, mixed)
    assert not is_newer(new, mixed)
    assert not is_newer(old, old)
    assert is_newer(mixed, solved(index, "a", "c"))
