from __future__ import annotations

import pytest

from bundler.errors import NoSolutionError
from bundler.model.target import parse_target
from bundler.resolve.catalogue import Catalogue, Shelves
from bundler.resolve.clash import describe
from bundler.resolve.dependencies import Dependencies
from bundler.resolve.hopeless import Prospects
from bundler.resolve.solution import Conflict, Solution
from bundler.resolve.solve import solve
from tests.fakes.planning import LINUX, MemoryIndex, make_terms, plan, resolved

TARGET = parse_target("3.12", LINUX)


def causes(index: MemoryIndex, *requirements: str, constraints: tuple[str, ...] = ()) -> list[str]:
    terms = make_terms(*requirements, target=TARGET, constraints=constraints)
    prospects = Prospects(Dependencies(Shelves(Catalogue(index), terms)))
    return [f"{cause.requirement} < {cause.parent or 'profile'}" for cause in prospects.causes()]


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


def test_a_requirement_is_hopeless_when_every_version_is_dead(index: MemoryIndex) -> None:
    index.add("a", "2", "b")
    index.add("a", "1", "b>1")
    index.add("b", "1", "gone")
    assert causes(index, "a") == [
        "a < profile",
        "b < a 2",
        "b>1 < a 1",
        "gone < b 1",
    ]


def test_one_live_version_is_enough_and_the_walk_stops_there(index: MemoryIndex) -> None:
    index.add("a", "3", "gone")
    index.add("a", "2")
    index.add("a", "1", "elsewhere")
    assert causes(index, "a") == []
    assert not index.asked["elsewhere"]


def test_a_cycle_counts_as_alive(index: MemoryIndex) -> None:
    index.add("a", "1", "b")
    index.add("b", "1", "a")
    assert causes(index, "a") == []
    index.add("c", "1", "c", "gone")
    assert causes(index, "c") == ["c < profile", "gone < c 1"]


def test_a_chain_too_deep_counts_as_alive(index: MemoryIndex) -> None:
    for number in range(150):
        index.add(f"p{number}", "1", f"p{number + 1}")
    assert causes(index, "p0") == []
    assert causes(index, "p100")[-1] == "p150 < p149 1"


def test_the_profile_bounds_every_version(index: MemoryIndex) -> None:
    index.add("a", "1", "b>=5")
    index.add("b", "5")
    index.add("b", "4")
    assert causes(index, "a") == []
    assert causes(index, "a", constraints=("b<5",)) == ["a < profile", "b>=5 < a 1"]
    assert causes(index, "a", "b<5") == ["a < profile", "b>=5 < a 1", "b<5 < profile"]


def test_an_extra_is_lost_with_its_project(index: MemoryIndex) -> None:
    index.add("a", "1", "gone", extras=("x",))
    assert causes(index, "a[x]") == ["a < profile", "a[x] < profile", "gone < a 1"]


def test_versions_that_another_requirement_could_let_in_count(index: MemoryIndex) -> None:
    index.add("a", "2rc1")
    index.add("a", "1", "gone")
    index.add("b", "2", yanked="")
    index.add("b", "1", "gone")
    index.add("c", "1", "a>=2rc1", "b==2")
    assert causes(index, "a", "b") == []
    assert resolved(index, "a", "b", "c==1") == {"a": "2rc1", "b": "2", "c": "1"}


def test_a_search_through_unrelated_versions_ends_soon(index: MemoryIndex) -> None:
    for name in "abc":
        for version in range(40):
            index.add(name, str(version))
    for version in range(10):
        index.add("z", str(version), "nowheel>=1")
    index.list_file("nowheel-1.tar.gz", b"")
    index.add("r", "1", "a", "b", "c")
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "r", "z")
    assert str(caught.value).splitlines()[1:] == [
        "  z (required by the profile)",
        "    there are wheels for this target of 9, 8, 7, 6, 5 and 5 older",
        "  nowheel>=1 (required by z 9 and 9 older)",
        "    would fit, but cannot be taken: 1: a source distribution only, no wheel",
    ]


def test_a_long_search_with_hope_goes_on(index: MemoryIndex) -> None:
    for version in range(30):
        index.add("a", str(version), f"b=={version}")
        index.add("b", str(version), f"c=={version}")
    index.add("c", "0")
    index.add("d", "1", "c")
    assert resolved(index, "a", "d") == {"a": "0", "b": "0", "c": "0", "d": "1"}


def test_all_hopeless_requirements_are_named(index: MemoryIndex) -> None:
    index.add("six", "1")
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "nosuch", "six>99")
    assert str(caught.value).splitlines()[1:] == [
        "  nosuch (required by the profile)",
        "    the index 'memory' has no project nosuch",
        "  six>99 (required by the profile)",
        "    there are wheels for this target of 1",
    ]


def test_a_search_that_does_not_end_is_given_up_with_its_last_trouble(index: MemoryIndex) -> None:
    for version in range(5):
        index.add("a", str(version), f"c=={version}")
        index.add("b", str(version), f"c=={version + 5}")
    for version in range(10):
        index.add("c", str(version))
    catalogue = Catalogue(index)
    outcome = solve(make_terms("a", "b", target=TARGET), catalogue, max_rounds=4)
    assert isinstance(outcome, Conflict)
    told = list(describe([outcome], catalogue))
    assert told[0] == f"no solution for {TARGET.name}:"
    assert told[1].startswith("  none was found in 4 rounds; give narrower requirements")
    assert any("c==" in line and "(required by a " in line for line in told)


def test_metadata_of_many_versions_is_asked_for_side_by_side(index: MemoryIndex) -> None:
    for version in range(20):
        index.add("a", str(version), "gone" if version > 14 else "b")
    index.add("b", "1")
    assert isinstance(solve(make_terms("a", target=TARGET), Catalogue(index)), Solution)
    asked = sorted(v for v in range(20) if index.asked[f"a-{v}-py3-none-any.whl"])
    assert asked == list(range(asked[0], 20))
    assert asked[0] in range(5, 14)


def test_nothing_is_asked_ahead_when_the_first_version_does(index: MemoryIndex) -> None:
    index.add("a", "2")
    index.add("a", "1")
    assert resolved(index, "a") == {"a": "2"}
    assert not index.asked["a-1-py3-none-any.whl"]
