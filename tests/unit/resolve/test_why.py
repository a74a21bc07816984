from __future__ import annotations

from typing import Any

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundler.model.asked import THE_PROFILE
from bundler.resolve.locked import preferences
from bundler.resolve.resolution import Resolution
from bundler.resolve.why import Story, tell_why
from tests.fakes.planning import LINUX, WINDOWS, MemoryIndex, profile, resolve


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


def story(resolution: Resolution, name: str) -> Story:
    (found,) = tell_why(resolution, canonicalize_name(name))
    return found


def why(index: MemoryIndex, name: str, *asked: str, **keys: Any) -> Story:
    return story(resolve(profile(*asked, **keys), index), name)


def others(found: Story) -> dict[str, str]:
    return {str(version): reason for version, reason in found.others}


# Who asked


def test_who_asked_for_it_down_from_the_profile(index: MemoryIndex) -> None:
    index.add("a", "1", "b>=1")
    index.add("b", "1", "c<9")
    index.add("c", "1")
    assert why(index, "c", "a").chains == (f"{THE_PROFILE} → a 1 → b 1 → c<9",)
    assert why(index, "c", "a", "c>0", "b").chains == (
        f"{THE_PROFILE} → c>0",
        f"{THE_PROFILE} → b 1 → c<9",
    )


def test_extras_on_the_way(index: MemoryIndex) -> None:
    index.add("a", "1", "b[y]; extra == 'x'", extras=("x",))
    index.add("b", "1", "c; extra == 'y'", extras=("y",))
    index.add("c", "1")
    assert why(index, "c", "a[x]").chains == (f"{THE_PROFILE} → a[x] 1 → b[y] 1 → c",)


def test_a_cycle_is_no_way(index: MemoryIndex) -> None:
    index.add("a", "1", "z")
    index.add("z", "1", "b")
    index.add("b", "1", "c", "z")
    index.add("c", "1", "b", "z")
    assert why(index, "b", "a").chains == (
        f"{THE_PROFILE} → a 1 → z 1 → b",
        f"{THE_PROFILE} → a 1 → z 1 → b 1 → c 1 → b",
    )


def test_what_is_not_needed_has_no_story_and_targets_share_theirs(index: MemoryIndex) -> None:
    index.add("a", "1", "b; os_name == 'nt'")
    index.add("b", "1")
    resolution = resolve(profile("a", platforms=(LINUX, WINDOWS)), index)
    on_linux, on_windows = f"cp312-{LINUX}", f"cp312-{WINDOWS}"
    assert tell_why(resolution, canonicalize_name("b")) == {
        Story(None, (), ()): [on_linux],
        Story(Version("1"), (f"{THE_PROFILE} → a 1 → b",), ()): [on_windows],
    }
    (targets,) = tell_why(resolution, canonicalize_name("a")).values()
    assert targets == [on_linux, on_windows]


# Why not another version


def test_versions_that_are_out_of_bounds(index: MemoryIndex) -> None:
    for version in "12345":
        index.add("a", version)
    index.add("b", "1", "a!=4")
    assert others(why(index, "a", "a<5", "b", constraints=("a<3",))) == {
        "5": "the profile requires a<5",
        "4": "b 1 requires a!=4",
        "3": "a constraint says <3",
        "1": "older",
    }


def test_versions_that_cannot_be_installed(index: MemoryIndex) -> None:
    index.add("a", "1")
    index.add("a", "2rc1")
    index.add("a", "3", yanked="bad")
    index.add("a", "4", tags="cp311-cp311-win32")
    index.list_file("a-5.tar.gz", b"")
    assert others(why(index, "a", "a")) == {
        "5": "a source distribution only, no wheel",
        "4": "no wheel for this Python, only for cp311",
        "3": "yanked (bad); only an exact == takes it",
        "2rc1": "a pre-release, which nothing asks for",
    }


def test_an_exact_pin_that_takes_a_yanked_file(index: MemoryIndex) -> None:
    index.add("a", "1", yanked="bad")
    index.add("a", "1+local", yanked="worse")
    found = why(index, "a", "a==1")
    assert str(found.version) == "1+local"
    assert others(found) == {"1": "older"}


def test_versions_that_the_search_passed(index: MemoryIndex) -> None:
    index.add("a", "1")
    index.add("a", "2", "b<2")
    index.add("a", "3", "gone")
    index.add("a", "4", requires_python=">=3.13")
    index.add("a", "5", "d<2")
    index.add("b", "1")
    index.add("b", "2")
    index.add("d", "1", "b<2")
    index.add("d", "2")
    assert others(why(index, "a", "a", "b>=2", constraints=("d>0",))) == {
        "5": "it does not fit together with what others require",
        "4": "it requires Python >=3.13",
        "3": "it requires gone, which is not there for this target",
        "2": "it requires b<2, and b 2 is taken",
    }


def test_a_constraint_can_leave_nothing_of_what_a_version_requires(index: MemoryIndex) -> None:
    index.add("a", "1")
    index.add("a", "2", "b")
    index.add("b", "2")
    found = why(index, "a", "a", constraints=("b<2",))
    assert others(found) == {"2": "it requires b, which is not there for this target"}


def test_an_extra_can_be_to_blame(index: MemoryIndex) -> None:
    index.add("a", "2", "a[y]==2; extra == 'x'", "b<2; extra == 'x'", extras=("x", "y"))
    index.add("a", "1", extras=("x",))
    index.add("b", "1")
    index.add("b", "2")
    assert others(why(index, "a", "a[x]", "b>=2")) == {"2": "it requires b<2, and b 2 is taken"}


def test_an_earlier_lock_is_to_blame(index: MemoryIndex) -> None:
    for version in "123":
        index.add("a", version)
    digest = index.files[canonicalize_name("a")][0].sha256
    assert digest is not None
    earlier = preferences({f"cp312-{LINUX}": {"a-2-py3-none-any.whl": digest}})
    found = story(resolve(profile("a"), index, preferences=earlier), "a")
    assert others(found) == {"3": "an earlier lock has 2", "1": "older"}


def test_versions_that_breadth_carries_as_well(index: MemoryIndex) -> None:
    for version in "123":
        index.add("a", version)
    index.add("b", "1")
    found = why(index, "a", "a", "b", breadth=2)
    assert others(found) == {"2": "carried as well, for breadth", "1": "older"}
