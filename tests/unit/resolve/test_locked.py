from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundler.errors import DigestMismatchError, NetworkError, ProfileError
from bundler.events import Advanced, Event, Noticed, Started
from bundler.model.artifact import Sha256
from bundler.model.target import parse_target
from bundler.resolve.lock import Locks
from bundler.resolve.locked import preferences
from bundler.resolve.plan import plan_of
from tests.fakes.planning import (
    LINUX,
    WINDOWS,
    MemoryIndex,
    plan,
    profile,
    resolve,
    versions_of,
)

TARGET = parse_target("3.12", LINUX)
NAME = f"cp312-{LINUX}"
LOCK = f"locks/pylock.test-{NAME}.toml"
HINT = "run `bundle lock` to make the locks anew, and look at what has changed"


@pytest.fixture
def index() -> MemoryIndex:
    found = MemoryIndex()
    found.add("a", "1", "b")
    found.add("b", "1")
    return found


def locks_of(index: MemoryIndex, *asked: str, **keys: Any) -> Locks:
    """The locks that a plan makes."""
    made = plan(index, *asked, **keys)
    return Locks(
        Path("locks"),
        "test",
        {
            target.name: {
                file.remote.filename: file.blob.sha256
                for file in made.files
                if target.name in file.targets
            }
            for target in made.targets
        },
    )


def kept(index: MemoryIndex, locks: Locks, *asked: str, **keys: Any) -> dict[str, str]:
    (solution,) = resolve(profile(*asked, **keys), index, locks=locks).solutions
    return versions_of(solution)


def misfit(index: MemoryIndex, locks: Locks, *asked: str, **keys: Any) -> str:
    with pytest.raises(ProfileError) as caught:
        resolve(profile(*asked, **keys), index, locks=locks)
    assert caught.value.hint == HINT
    return caught.value.message


def test_a_lock_is_kept_whatever_has_come_since(index: MemoryIndex) -> None:
    locks = locks_of(index, "a")
    index.add("a", "2")
    index.add("b", "1", tags="cp312-cp312-manylinux_2_17_x86_64")
    assert kept(index, locks, "a") == {"a": "1", "b": "1"}
    resolution = resolve(profile("a"), index, locks=locks)
    assert plan_of(resolution, "test 1", lambda _: None).locks.keys() == {Path(LOCK).name}


def test_what_does_not_contradict_may_change(index: MemoryIndex) -> None:
    locks = locks_of(index, "a")
    for keys in ({"constraints": ("b<2",)}, {"align": True}, {"overrides": ["b>=1"]}):
        assert kept(index, locks, "a", **keys) == {"a": "1", "b": "1"}
    assert kept(index, locks, "a>=1", "b") == {"a": "1", "b": "1"}


def test_a_lock_with_yanked_files_and_pre_releases_is_kept(index: MemoryIndex) -> None:
    index.add("c", "1rc1")
    locks = locks_of(index, "a", "c")
    index.add("c", "1")
    name = canonicalize_name("a")
    index.files[name] = [replace(file, yanked="bad") for file in index.files[name]]
    assert kept(index, locks, "a", "c") == {"a": "1", "b": "1", "c": "1rc1"}


@pytest.mark.parametrize(
    ("asked", "keys", "message"),
    [
        (
            ("a>1",),
            {},
            (
                "no longer fits the profile:\n"
                "  a>1 (required by the profile)\n"
                "    would fit, but cannot be taken: 2: it is not in the lock;"
                " there are wheels for this target of 1"
            ),
        ),
        (
            ("a", "new"),
            {},
            (
                "no longer fits the profile:\n"
                "  new (required by the profile)\n"
                "    would fit, but cannot be taken: 1: it is not in the lock"
            ),
        ),
        (
            ("a", "nosuch"),
            {},
            (
                "no longer fits the profile:\n"
                "  nosuch (required by the profile)\n"
                "    the index 'memory' has no project nosuch"
            ),
        ),
        (("b",), {}, "no longer fits the profile: nothing requires a"),
        (("a",), {"exclude": ["b"]}, "no longer fits the profile: nothing requires b"),
        (
            ("a",),
            {"constraints": ("b>1",)},
            (
                "no longer fits the profile:\n"
                "  a (required by the profile)\n"
                "    there are wheels for this target of 1\n"
                "  b (required by a 1)\n"
                "  b>1 (a constraint)\n"
                "    would fit, but cannot be taken: 2: it is not in the lock;"
                " there are wheels for this target of 1"
            ),
        ),
        (
            ("a",),
            {"cutoff": "2025-01-01"},
            (
                "no longer fits the profile:\n"
                "  a (required by the profile)\n"
                "    would fit, but cannot be taken: 2: it is not in the lock,"
                " 1: uploaded 2026-01-02T03:04:05Z, after the cutoff"
            ),
        ),
    ],
)
def test_a_lock_that_does_not_fit_the_profile_any_more(
    index: MemoryIndex, asked: tuple[str, ...], keys: dict[str, Any], message: str
) -> None:
    locks = locks_of(index, "a")
    for name in ("a", "b"):
        index.add(name, "2")
    index.add("new", "1")
    found = misfit(index, locks, *asked, **keys)
    assert found.replace("; 1: uploaded", ", 1: uploaded") == f"{LOCK} {message}"


def test_every_lock_that_does_not_fit_is_told(index: MemoryIndex) -> None:
    locks = locks_of(index, "a", platforms=(LINUX, WINDOWS))
    found = misfit(index, locks, "b", platforms=(LINUX, WINDOWS))
    assert found.splitlines() == [
        f"{LOCK} no longer fits the profile: nothing requires a",
        f"locks/pylock.test-cp312-{WINDOWS}.toml no longer fits the profile: nothing requires a",
    ]


@pytest.mark.parametrize("gone", ["file", "project", "quarantine"])
def test_a_file_that_the_index_has_no_longer(index: MemoryIndex, gone: str) -> None:
    locks, name = locks_of(index, "a"), canonicalize_name("b")
    if gone == "file":
        index.files[name] = []
    elif gone == "project":
        del index.files[name]
    else:
        index.statuses[name] = ("quarantined", None)
    found = misfit(index, locks, "a")
    assert found == f"{LOCK}: the index 'memory' no longer has b-1-py3-none-any.whl"


@pytest.mark.parametrize("stated", [True, False])
def test_a_file_that_has_changed_is_refused(index: MemoryIndex, *, stated: bool) -> None:
    """Also when the index does not say its digest, and it shows after METADATA was read."""
    locks, name = locks_of(index, "a"), canonicalize_name("b")
    index.files[name] = []
    index.add("b", "1", "evil", requires_python=">=3.0")
    index.add("evil", "1")
    locks.by_target[NAME]["evil-1-py3-none-any.whl"] = digest(index, "evil")  # type: ignore[index]
    if not stated:
        index.files[name] = [replace(file, sha256=None) for file in index.files[name]]
    with pytest.raises(DigestMismatchError) as caught:
        resolve(profile("a"), index, locks=locks)
    was = locks.by_target[NAME]["b-1-py3-none-any.whl"]
    assert caught.value.message.startswith(
        f"b-1-py3-none-any.whl: {LOCK} has sha256 {was}, the index has "
    )
    assert caught.value.hint == "find out why the file changed before you make the lock anew"


def digest(index: MemoryIndex, name: str) -> Sha256:
    found = index.files[canonicalize_name(name)][0].sha256
    assert found is not None
    return found


def test_locks_that_are_not_there_are_all_named(index: MemoryIndex) -> None:
    with pytest.raises(ProfileError) as caught:
        resolve(
            profile("a", platforms=(LINUX, WINDOWS)),
            index,
            locks=Locks(Path("locks"), "test", {}),
        )
    assert caught.value.message == f"locks has no lock for {NAME}, cp312-{WINDOWS}"
    assert caught.value.hint == "run `bundle lock` to make it"
    assert index.asked.total() == 0


def test_a_target_that_may_be_missing_needs_no_lock(index: MemoryIndex) -> None:
    events: list[Event] = []
    wanted = profile(
        "a", platforms=(LINUX, WINDOWS), may_be_missing=(NAME, f"cp312-{WINDOWS}"), breadth=2
    )
    locks = locks_of(index, "a")
    found = resolve(wanted, index, locks=locks, observe=events.append)
    assert [solution.target.name for solution in found.solutions] == [NAME]
    assert events == [
        Started("resolve", 2, "locks"),
        Noticed(f"cp312-{WINDOWS} has no lock; the profile lets it be missing"),
        Advanced("resolve", 1),
        Advanced("resolve", 1),
        Noticed("breadth counts for nothing here: a lock has one version of a project"),
    ]
    with pytest.raises(ProfileError, match=f"^locks has no lock for {NAME}, cp312-{WINDOWS}$"):
        resolve(wanted, index, locks=replace(locks, by_target={}))


def test_further_wheels_of_a_locked_version_may_come_along(index: MemoryIndex) -> None:
    index.add("a", "1", "b", tags="cp312-cp312-manylinux_2_17_x86_64")
    locks = locks_of(index, "a")
    resolution = resolve(profile("a", wheels="all"), index, locks=locks)
    made = plan_of(resolution, "test 1", lambda _: None)
    assert [file.remote.filename for file in made.files] == [
        "a-1-cp312-cp312-manylinux_2_17_x86_64.whl",
        "a-1-py3-none-any.whl",
        "b-1-py3-none-any.whl",
    ]


def test_a_failing_index_is_no_fault_of_a_lock(index: MemoryIndex) -> None:
    class Broken(MemoryIndex):
        def page(self, project: Any) -> Any:
            raise NetworkError(f"no answer for {project}")

    with pytest.raises(NetworkError, match="no answer for a"):
        resolve(profile("a"), Broken(), locks=locks_of(index, "a"))


def test_versions_of_earlier_locks_are_preferred_but_for_those_to_upgrade() -> None:
    digest = Sha256("00" * 32)
    locks = {"one": {"a_b-1-py3-none-any.whl": digest, "c-2rc1-py3-none-any.whl": digest}}
    name, other = canonicalize_name("a-b"), canonicalize_name("c")
    assert preferences(locks).by_target == {"one": {name: Version("1"), other: Version("2rc1")}}
    assert preferences(locks, ["A.b", "x"]).by_target == {"one": {other: Version("2rc1")}}
    assert preferences(locks).of(TARGET) == {}


def test_earlier_versions_are_kept_where_they_fit(index: MemoryIndex) -> None:
    earlier = preferences(locks_of(index, "a").by_target)
    index.add("a", "2", "b")
    index.add("b", "2")
    (kept,) = resolve(profile("a"), index, preferences=earlier).solutions
    assert versions_of(kept) == {"a": "1", "b": "1"}
    (moved,) = resolve(profile("a", "b>1"), index, preferences=earlier).solutions
    assert versions_of(moved) == {"a": "1", "b": "2"}
