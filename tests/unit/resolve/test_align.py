from __future__ import annotations

from collections.abc import Iterable

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundler.resolve.align import align
from bundler.resolve.request import Preferences
from bundler.resolve.resolution import Resolution
from bundler.resolve.solution import Conflict
from bundler.resolve.terms import Terms
from bundler.resolve.why import tell_why
from tests.fakes.planning import LINUX, WINDOWS, MemoryIndex, profile, resolve, versions_of

PYTHONS = ("3.10", "3.11", "3.12")


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


def found(resolution: Resolution) -> list[dict[str, str]]:
    return [versions_of(solution) for solution in resolution.solutions]


def wheels(index: MemoryIndex, name: str, version: str, *pythons: str, **more: str) -> None:
    """A wheel of its own for each of these Pythons."""
    for python in pythons:
        tag = f"cp3{python}"
        index.add(name, version, tags=f"{tag}-{tag}-manylinux_2_17_x86_64", **more)  # type: ignore[arg-type]


def both(index: MemoryIndex, *asked: str, **keys: object) -> tuple[list[dict[str, str]], ...]:
    """Without and with `align`."""
    pythons = {"python": PYTHONS, **keys}
    return tuple(
        found(resolve(profile(*asked, align=align, **pythons), index))  # type: ignore[arg-type]
        for align in (False, True)
    )


def test_targets_share_the_newest_version_that_all_can_have(index: MemoryIndex) -> None:
    wheels(index, "a", "3", "12")
    wheels(index, "a", "2", "12", "11", "10")
    wheels(index, "a", "1", "12", "11", "10")
    assert both(index, "a") == (
        [{"a": "2"}, {"a": "2"}, {"a": "3"}],
        [{"a": "2"}, {"a": "2"}, {"a": "2"}],
    )


def test_a_version_that_no_target_had_is_found(index: MemoryIndex) -> None:
    wheels(index, "a", "5", "12")
    wheels(index, "a", "4", "11")
    wheels(index, "a", "3", "12", "11", "10")
    wheels(index, "a", "2", "10")
    assert both(index, "a")[1] == [{"a": "3"}, {"a": "3"}, {"a": "3"}]


def test_where_not_all_can_share_the_fewest_do(index: MemoryIndex) -> None:
    wheels(index, "a", "4", "12")
    wheels(index, "a", "3", "12", "11")
    wheels(index, "a", "1", "10")
    assert both(index, "a") == (
        [{"a": "1"}, {"a": "3"}, {"a": "4"}],
        [{"a": "1"}, {"a": "3"}, {"a": "3"}],
    )


def test_nothing_changes_where_nothing_can_be_shared(index: MemoryIndex) -> None:
    wheels(index, "a", "2", "12")
    wheels(index, "a", "1", "11", "10")
    one, other = both(index, "a")
    assert one == other


def test_what_is_required_comes_before_what_is_shared(index: MemoryIndex) -> None:
    index.add("a", "1", "b>=2; python_version >= '3.12'", "b<2; python_version < '3.12'")
    index.add("b", "1")
    index.add("b", "2")
    one, other = both(index, "a")
    assert one == other == [{"a": "1", "b": "1"}, {"a": "1", "b": "1"}, {"a": "1", "b": "2"}]


def test_a_proposal_that_costs_more_than_it_saves_is_not_taken(index: MemoryIndex) -> None:
    wheels(index, "a", "2", "12")
    for python in ("10", "11", "12"):
        index.add("a", "1", f"x{python}", tags=f"cp3{python}-cp3{python}-manylinux_2_17_x86_64")
        index.add(f"x{python}", "1")
    one, other = both(index, "a")
    assert one == other
    assert other[2] == {"a": "2"}


def test_one_bad_proposal_does_not_spoil_a_good_one(index: MemoryIndex) -> None:
    wheels(index, "a", "2", "12")
    for python in ("10", "11", "12"):
        needs = [f"{name}{python}" for name in "xyz"]
        index.add("a", "1", *needs, tags=f"cp3{python}-cp3{python}-manylinux_2_17_x86_64")
        for name in needs:
            index.add(name, "1")
    wheels(index, "b", "2", "12")
    wheels(index, "b", "1", "12", "11", "10")
    other = both(index, "a", "b")[1]
    assert other[2] == {"a": "2", "b": "1"}


def test_a_version_that_cannot_be_had_after_all_is_given_up(index: MemoryIndex) -> None:
    wheels(index, "a", "2", "12")
    wheels(index, "a", "1", "10", "11")
    index.add("a", "1", "gone", tags="cp312-cp312-manylinux_2_17_x86_64")
    one, other = both(index, "a")
    assert one == other


def test_a_shared_version_lets_its_dependencies_be_shared(index: MemoryIndex) -> None:
    index.add("a", "2", "b==2", tags="cp312-cp312-manylinux_2_17_x86_64")
    index.add("a", "1", "b==1")
    index.add("b", "2")
    index.add("b", "1")
    assert both(index, "a")[1] == [{"a": "1", "b": "1"}] * 3


def test_yanked_versions_and_pre_releases_are_not_shared(index: MemoryIndex) -> None:
    index.add("a", "3")
    index.add("a", "2", yanked="bad")
    index.add("b", "3", tags="py3-none-manylinux_2_17_x86_64")
    index.add("b", "2rc1")
    asked = ("a==2; sys_platform == 'win32'", "a; sys_platform != 'win32'", "b")
    keys = {"python": ("3.12",), "platforms": (LINUX, WINDOWS)}
    one, other = both(index, *asked, **keys)
    assert one == other == [{"a": "3", "b": "3"}, {"a": "2", "b": "2rc1"}]


def test_targets_without_the_project_do_not_matter(index: MemoryIndex) -> None:
    wheels(index, "a", "2", "12")
    wheels(index, "a", "1", "12", "11")
    index.add("b", "1")
    asked = ("b", "a; python_version > '3.10'")
    assert both(index, *asked)[1] == [{"b": "1"}, {"a": "1", "b": "1"}, {"a": "1", "b": "1"}]


def test_a_conflict_among_the_proposals_leaves_all_as_it_was(index: MemoryIndex) -> None:
    # On 3.12 both could be shared by themselves, but not together.
    index.add("a", "2", tags="cp312-cp312-manylinux_2_17_x86_64")
    index.add("a", "1", "c==1")
    index.add("b", "2", tags="cp312-cp312-manylinux_2_17_x86_64")
    index.add("b", "1", "c==2; python_version >= '3.12'", "c==1; python_version < '3.12'")
    index.add("c", "1")
    index.add("c", "2")
    one, other = both(index, "a", "b")
    assert one[2] == {"a": "2", "b": "2"}
    assert other[2] in ({"a": "1", "b": "2", "c": "1"}, {"a": "2", "b": "1", "c": "1"})
    distinct = [{pin for target in way for pin in target.items()} for way in (one, other)]
    assert len(distinct[1]) < len(distinct[0])


def test_earlier_locks_that_are_aligned_stay(index: MemoryIndex) -> None:
    wheels(index, "a", "3", "12")
    wheels(index, "a", "2", "12", "11", "10")
    wheels(index, "a", "1", "12", "11", "10")
    name = canonicalize_name("a")
    earlier = {f"cp3{minor}-{LINUX}": {name: Version("1")} for minor in (10, 11, 12)}
    wanted = profile("a", align=True, python=PYTHONS)
    assert found(resolve(wanted, index, preferences=Preferences(earlier))) == [{"a": "1"}] * 3


def test_why_says_that_a_version_is_shared(index: MemoryIndex) -> None:
    wheels(index, "a", "3", "12")
    wheels(index, "a", "2", "12", "11", "10")
    told = tell_why(
        resolve(profile("a", align=True, python=PYTHONS), index), canonicalize_name("a")
    )
    (story,) = [story for story, targets in told.items() if targets == [f"cp312-{LINUX}"]]
    assert story.others == ((Version("3"), "2 is what other targets have too"),)


def test_what_one_round_lets_be_shared_is_shared_in_the_next(index: MemoryIndex) -> None:
    """Also after the last round, project by project."""
    for name, needs in zip("abcd", "bcde", strict=True):
        index.add(name, "3", f"{needs}>=3", tags="cp312-cp312-manylinux_2_17_x86_64")
        index.add(name, "2", needs)
    index.add("e", "3")
    one, other = both(index, "a")
    assert one[2] == dict.fromkeys("abcde", "3")
    assert other[2] == other[1] == {**dict.fromkeys("abcd", "2"), "e": "3"}


def test_a_target_that_loses_its_solution_keeps_the_one_it_had(index: MemoryIndex) -> None:
    """A search may end without an answer only because it took another way."""
    wheels(index, "a", "2", "12")
    wheels(index, "a", "1", "12", "11", "10")
    before = resolve(profile("a", python=PYTHONS), index).solutions
    asked: list[Terms] = []

    def give_up(terms: Iterable[Terms]) -> list[Conflict]:
        asked.extend(terms)
        return [Conflict([], before[0].dependencies, exhausted=1) for _ in asked]

    assert align(before, give_up) == before
    assert [terms.target.name for terms in asked] == [f"cp312-{LINUX}"] * 2
