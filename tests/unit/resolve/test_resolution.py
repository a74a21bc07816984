from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundler.errors import DigestMismatchError, NoSolutionError, ProfileError
from bundler.events import Event, Noticed
from bundler.model.artifact import RemoteFile
from bundler.model.plan import PlannedFile
from bundler.model.target import parse_target
from bundler.resolve.catalogue import Catalogue, Shelves
from bundler.resolve.dependencies import Dependencies
from bundler.resolve.index import WheelFacts
from bundler.resolve.provider import Provider
from bundler.resolve.request import Preferences
from bundler.resolve.resolution import Resolution
from bundler.resolve.wanted import Candidate, Key
from tests.fakes.planning import (
    LINUX,
    WINDOWS,
    MemoryIndex,
    make_plan,
    make_terms,
    plan,
    profile,
    resolve,
    versions_of,
)

ON_LINUX, ON_WINDOWS = f"cp312-{LINUX}", f"cp312-{WINDOWS}"


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


def notices(index: MemoryIndex, *asked: str, **keys: Any) -> tuple[Resolution, list[str]]:
    events: list[Event] = []
    resolution = resolve(profile(*asked, **keys), index, observe=events.append)
    return resolution, [event.message for event in events if isinstance(event, Noticed)]


# Targets that may be missing


def test_a_target_that_may_be_missing_is_told_and_left_out(index: MemoryIndex) -> None:
    index.add("a", "1", tags="cp312-cp312-manylinux_2_17_x86_64")
    keys = {"platforms": (LINUX, WINDOWS), "may_be_missing": (ON_WINDOWS,)}
    resolution, told = notices(index, "a", **keys)
    assert [solution.target.name for solution in resolution.solutions] == [ON_LINUX]
    (notice,) = told
    assert notice.startswith(f"no solution for {ON_WINDOWS}:\n  a (required by the profile)\n")
    assert notice.endswith("\nthe profile lets them be missing")
    assert set(plan(index, "a", **keys).locks) == {f"pylock.test-{ON_LINUX}.toml"}


def test_a_target_that_may_not_be_missing_fails_all_and_both_are_told(index: MemoryIndex) -> None:
    index.add("a", "1", tags="py3-none-macosx_11_0_arm64")
    index.add("b", "1", tags="py3-none-win_amd64")
    asked = ("a; sys_platform == 'win32'", "b; sys_platform == 'linux'")
    with pytest.raises(NoSolutionError) as caught:
        notices(index, *asked, platforms=(LINUX, WINDOWS), may_be_missing=(ON_WINDOWS,))
    assert f"no solution for {ON_LINUX}:\n" in caught.value.message
    assert f"no solution for {ON_WINDOWS}:\n" in caught.value.message


def test_all_may_be_missing_but_not_all_at_once(index: MemoryIndex) -> None:
    with pytest.raises(NoSolutionError, match="has no project a"):
        notices(index, "a", may_be_missing=(ON_LINUX,))


# Breadth


def versions(index: MemoryIndex, *asked: str, **keys: Any) -> list[tuple[str, str]]:
    files = plan(index, *asked, **keys).files
    return [(str(file.project), str(file.version)) for file in files]


@pytest.fixture
def stocked(index: MemoryIndex) -> MemoryIndex:
    for version in "1234":
        index.add("a", version, f"b=={version}")
        index.add("b", version)
    return index


def test_breadth_carries_the_newest_versions_each_with_its_closure(stocked: MemoryIndex) -> None:
    assert versions(stocked, "a") == [("a", "4"), ("b", "4")]
    assert versions(stocked, "a", breadth=2) == [("a", "3"), ("a", "4"), ("b", "3"), ("b", "4")]
    assert len(versions(stocked, "a", breadth=100)) == 8


def test_locks_have_one_version_all_the_same(stocked: MemoryIndex) -> None:
    assert plan(stocked, "a", breadth=3).locks == plan(stocked, "a").locks


def test_breadth_is_within_what_the_profile_allows(stocked: MemoryIndex) -> None:
    stocked.add("a", "5rc1")
    stocked.add("a", "2.5", yanked="bad")
    found = versions(stocked, "a<4", "a>1", breadth=9, constraints=("a!=3",))
    assert found == [("a", "2"), ("b", "2")]
    assert ("a", "2.5") not in versions(stocked, "a", breadth=9)
    assert ("a", "5rc1") not in versions(stocked, "a", breadth=9)


def test_breadth_is_of_direct_requirements_with_their_extras(index: MemoryIndex) -> None:
    index.add("a", "1", "b; extra == 'x'", extras=("x",))
    index.add("a", "2", "c; extra == 'x'", extras=("x",))
    for name in "bc":
        index.add(name, "1")
        index.add(name, "2")
    assert versions(index, "a[x]", breadth=2) == [("a", "1"), ("a", "2"), ("b", "2"), ("c", "2")]


def test_breadth_counts_from_the_newest_whatever_an_earlier_lock_has(
    stocked: MemoryIndex,
) -> None:
    earlier = {ON_LINUX: {canonicalize_name("a"): Version("1")}}
    resolution = resolve(profile("a", breadth=2), stocked, preferences=Preferences(earlier))
    assert [versions_of(found) for found in resolution.solutions] == [{"a": "1", "b": "1"}]
    assert [versions_of(found) for found in resolution.wider] == [
        {"a": "4", "b": "4"},
        {"a": "3", "b": "3"},
    ]


def test_a_version_without_a_solution_is_told_once_for_all_targets(index: MemoryIndex) -> None:
    index.add("a", "2")
    index.add("a", "1", "gone")
    resolution, told = notices(index, "a", breadth=2, platforms=(LINUX, WINDOWS))
    assert resolution.wider == ()
    assert told == [f"a===1 has no solution for {ON_LINUX}, {ON_WINDOWS}: breadth is less there"]


def test_a_wider_closure_prefers_what_is_carried_anyway(index: MemoryIndex) -> None:
    index.add("a", "2")
    index.add("a", "1")
    for name in ("c", "d"):
        index.add(name, "1")
    index.add("a", "3", "c")
    index.add("b", "1", "c<2")
    index.add("c", "2")
    found = versions(index, "a", "b", breadth=2)
    assert [version for name, version in found if name == "c"] == ["1"]


# Other things


def test_nothing_asked_for_anywhere(index: MemoryIndex) -> None:
    with pytest.raises(ProfileError) as caught:
        plan(index, "a; sys_platform == 'win32'", breadth=2)
    assert caught.value.hint == "look at the markers of the requirements"


def test_yanked_files_that_are_taken_are_told(index: MemoryIndex) -> None:
    index.add("a", "1", yanked="bad luck")
    index.add("b", "1", yanked="", tags="py3-none-manylinux_2_17_x86_64")
    index.add("b", "1", yanked="", tags="py3-none-win_amd64")
    events: list[Event] = []
    wanted = profile("a==1", "b==1", platforms=(LINUX, WINDOWS))
    make_plan(wanted, index, observe=events.append)
    told = [event.message for event in events if isinstance(event, Noticed)]
    assert told == ["a 1 is yanked: bad luck", "b 1 is yanked"]


# All wheels


def filenames(index: MemoryIndex, *asked: str, **keys: Any) -> list[str]:
    return [file.remote.filename for file in plan(index, *asked, **keys).files]


def test_all_wheels_that_a_target_could_install(index: MemoryIndex) -> None:
    for tags in (
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp312-cp312-manylinux_2_34_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64",
        "py3-none-any",
    ):
        index.add("a", "1", tags=tags)
    index.add("a", "1", tags="cp312-abi3-manylinux_2_17_x86_64", yanked="bad")
    assert filenames(index, "a") == ["a-1-cp312-cp312-manylinux_2_28_x86_64.whl"]
    found = plan(index, "a", wheels="all")
    assert [file.remote.filename for file in found.files] == [
        "a-1-cp312-cp312-manylinux_2_17_x86_64.whl",
        "a-1-cp312-cp312-manylinux_2_28_x86_64.whl",
        "a-1-py3-none-any.whl",
    ]
    assert {file.targets for file in found.files} == {(ON_LINUX,)}
    assert found.locks == plan(index, "a").locks


def test_a_further_wheel_that_would_need_something_else_is_left_out(index: MemoryIndex) -> None:
    index.add("a", "1", tags="cp312-cp312-manylinux_2_28_x86_64")
    index.add("a", "1", "gone", tags="cp312-cp312-manylinux_2_17_x86_64")
    index.list_file("a-1-py3-none-any.whl", b"zip?")
    events: list[Event] = []
    made = make_plan(profile("a", wheels="all"), index, observe=events.append)
    assert [file.remote.filename for file in made.files] == [
        "a-1-cp312-cp312-manylinux_2_28_x86_64.whl"
    ]
    told = sorted(event.message for event in events if isinstance(event, Noticed))
    assert told[0] == (
        "a-1-cp312-cp312-manylinux_2_17_x86_64.whl is left out: it does not require the same as"
        " a-1-cp312-cp312-manylinux_2_28_x86_64.whl"
    )
    assert told[1].startswith("a-1-py3-none-any.whl is left out: a-1-py3-none-any.whl: not a")


def test_a_further_wheel_that_is_not_what_the_index_promised_ends_the_plan() -> None:
    class Broken(MemoryIndex):
        def facts(self, file: RemoteFile) -> Future[WheelFacts]:
            future = super().facts(file)
            if file.filename.endswith("any.whl"):
                future = Future()
                future.set_exception(DigestMismatchError("bad digest"))
            return future

    index = Broken()
    index.add("a", "1", tags="cp312-cp312-manylinux_2_28_x86_64")
    index.add("a", "1")
    assert len(filenames(index, "a")) == 1
    with pytest.raises(DigestMismatchError, match="bad digest"):
        filenames(index, "a", wheels="all")


def test_an_early_wheel_is_no_matter_once_the_index_is_closed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, told = MemoryIndex(), list[PlannedFile]()
    index.add("a", "1")
    target = parse_target("3.12", LINUX)
    dependencies = Dependencies(Shelves(Catalogue(index), make_terms("a", target=target)))
    (choice,) = dependencies.shelves.of(canonicalize_name("a")).choices(SpecifierSet())
    facts = [index.facts(choice.file)]

    def closed(_file: RemoteFile) -> Future[WheelFacts]:
        if not facts:
            raise RuntimeError("cannot schedule new futures after shutdown")
        return facts.pop()

    monkeypatch.setattr(index, "facts", closed)
    provider = Provider(dependencies, told.append)
    provider._tell_likely(Candidate(Key(canonicalize_name("a")), choice.version, choice.file))
    assert not told
    assert not provider.told
    assert not caplog.records
