from __future__ import annotations

import threading
import tomllib
from concurrent.futures import Future
from dataclasses import replace

import pytest
from packaging.pylock import Pylock
from packaging.utils import NormalizedName, canonicalize_name

from bundler.errors import NetworkError, NoSolutionError, ProfileError
from bundler.events import Advanced, Event, Finished, Noticed, Started, ignore
from bundler.model.page import ProjectPage
from tests.fakes.planning import LINUX, WINDOWS, MemoryIndex, make_plan, plan, profile, resolved


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


def test_dependencies_are_followed(index: MemoryIndex) -> None:
    index.add("a", "1", "b>=2", "C_d")
    index.add("b", "1")
    index.add("b", "2")
    index.add("c_d", "1")
    assert resolved(index, "a") == {"a": "1", "b": "2", "c-d": "1"}


def test_backtracks_to_an_older_version_that_fits(index: MemoryIndex) -> None:
    index.add("a", "2", "b<2")
    index.add("a", "1", "b")
    index.add("b", "2")
    assert resolved(index, "a", "b>=2") == {"a": "1", "b": "2"}


def test_unnamed_pre_releases_are_the_last_resort_of_a_whole_search(index: MemoryIndex) -> None:
    index.add("a", "2a1")
    index.add("a", "1", "b<2")
    index.add("b", "2")
    index.add("b", "1")
    assert resolved(index, "a") == {"a": "1", "b": "1"}
    events: list[Event] = []
    made = make_plan(profile("a", "b>=2"), index, tool="test 1", observe=events.append)
    assert [str(file.version) for file in made.files] == ["2a1", "2"]
    assert Noticed(f"no final versions fit together for cp312-{LINUX}: it gets a 2a1") in events


def test_a_version_is_given_up_whose_own_project_is_in_trouble(index: MemoryIndex) -> None:
    index.add("a", "2", "b[x]")
    index.add("a", "1")
    index.add("b", "1", 'd ; extra == "x"', extras=("x",))
    index.add("c", "3", extras=("x",))
    index.add("d", "3", "a>=4")
    assert resolved(index, "c[x]", "a") == {"a": "1", "c": "3"}


def test_a_conflict_that_no_pre_release_heals_is_told_as_it_was(index: MemoryIndex) -> None:
    index.add("a", "2a1", "b<2")
    index.add("a", "1", "b<2")
    index.add("c", "1", "b>=2")
    index.add("b", "2")
    index.add("b", "1")
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "a", "c")
    assert "b<2 (required by a 1)" in caught.value.message
    assert "2a1" not in caught.value.message


def test_what_a_version_needed_that_was_given_up_is_left_out(index: MemoryIndex) -> None:
    index.add("a", "2", "loop")
    index.add("a", "1")
    index.add("loop", "1", "ring")
    index.add("ring", "1", "loop")
    index.add("z", "1", "a<2")
    made = plan(index, "a", "z")
    assert [(file.project, file.required_by) for file in made.files] == [
        ("a", ("profile", "z")),
        ("z", ("profile",)),
    ]


def test_constraints_bound_but_add_nothing(index: MemoryIndex) -> None:
    index.add("a", "1", "b")
    index.add("b", "1")
    index.add("b", "2")
    index.add("c", "1")
    constraints = ("b<2", "c<9", "a>5; sys_platform == 'win32'")
    assert resolved(index, "a", constraints=constraints) == {"a": "1", "b": "1"}


def test_each_target_gets_its_own_versions_and_shared_files_stand_once(index: MemoryIndex) -> None:
    index.add("a", "2", tags="cp312-cp312-manylinux_2_17_x86_64")
    index.add("a", "1", tags="cp311-cp311-manylinux_2_17_x86_64")
    index.add("b", "1", "a")
    found = plan(index, "b", python=("3.11", "3.12"))
    assert [(f.remote.filename, f.targets, f.required_by) for f in found.files] == [
        ("a-1-cp311-cp311-manylinux_2_17_x86_64.whl", (f"cp311-{LINUX}",), ("b",)),
        ("a-2-cp312-cp312-manylinux_2_17_x86_64.whl", (f"cp312-{LINUX}",), ("b",)),
        ("b-1-py3-none-any.whl", (f"cp311-{LINUX}", f"cp312-{LINUX}"), ("profile",)),
    ]
    assert index.asked["a"] <= 4


def test_markers_are_those_of_the_target(index: MemoryIndex) -> None:
    index.add("a", "1", "w; sys_platform == 'win32'", "u; platform_machine == 'x86_64'")
    index.add("w", "1")
    index.add("u", "1")
    only_windows = "a; os_name == 'nt'"
    found = plan(index, only_windows, "u", platforms=(LINUX, WINDOWS))
    assert {str(file.project): file.targets for file in found.files} == {
        "a": (f"cp312-{WINDOWS}",),
        "u": (f"cp312-{LINUX}", f"cp312-{WINDOWS}"),
        "w": (f"cp312-{WINDOWS}",),
    }


def test_extras_recursive_and_in_any_spelling(index: MemoryIndex) -> None:
    index.add(
        "a",
        "1",
        "b; extra == 'Small_one'",
        "c; extra == 'other'",
        "a[small-one,other]; extra == 'all'",
        extras=("small-one", "other", "all"),
    )
    index.add("b", "1")
    index.add("c", "1")
    assert resolved(index, "a") == {"a": "1"}
    assert resolved(index, "A[small_One]") == {"a": "1", "b": "1"}
    assert resolved(index, "a[all]") == {"a": "1", "b": "1", "c": "1"}


def test_an_extra_and_its_project_meet_in_one_version(index: MemoryIndex) -> None:
    index.add("a", "2", "b; extra == 'x'", extras=("x",))
    index.add("a", "1", "b; extra == 'x'", extras=("x",))
    index.add("b", "1", "a<2")
    assert resolved(index, "a[x]") == {"a": "1", "b": "1"}


def test_an_unknown_extra_is_noticed(index: MemoryIndex) -> None:
    index.add("a", "1")
    events: list[Event] = []
    make_plan(profile("a[nope]"), index, tool="test 1", observe=events.append)
    assert Noticed("a 1 has no extra 'nope'") in events
    assert Started("resolve", 1, "targets") in events
    assert Finished("resolve", "1 wheel for 1 target") in events


def test_requires_python_in_metadata_counts_when_the_page_is_silent(index: MemoryIndex) -> None:
    index.add("a", "2", requires_python=">=3.13")
    index.add("a", "1", requires_python=">=3.9")
    assert resolved(index, "a") == {"a": "1"}
    assert resolved(index, "a", python=("3.13",)) == {"a": "2"}
    with pytest.raises(NoSolutionError, match=r"a 2 cannot be used: it requires Python >=3.13"):
        plan(index, "a>=2")


def test_unknown_project_and_who_asked_down_the_chain(index: MemoryIndex) -> None:
    index.add("a", "1", "gone>=1")
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "a", platforms=(LINUX, WINDOWS))
    assert str(caught.value) == (
        f"no solution for cp312-{LINUX}, cp312-{WINDOWS}:\n"
        "  a (required by the profile)\n"
        "    there are wheels for this target of 1\n"
        "  gone>=1 (required by a 1)\n"
        "    the index 'memory' has no project gone"
    )
    assert caught.value.exit_code == 3
    assert caught.value.hint is not None


def test_conflict_names_both_sides(index: MemoryIndex) -> None:
    index.add("a", "1", "c<2")
    index.add("b", "1", "c>=2")
    for version in range(1, 9):
        index.add("c", str(version))
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "a", "b")
    message = str(caught.value)
    assert "c<2 (required by a 1)" in message
    assert "c>=2 (required by b 1)" in message
    assert "there are wheels for this target of 8, 7, 6, 5, 4 and 3 older" in message


def test_no_wheel_for_one_target_fails_the_whole(index: MemoryIndex) -> None:
    index.add("a", "2", tags="cp312-cp312-manylinux_2_17_x86_64")
    index.add("a", "1", tags="cp312-cp312-win_amd64")
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "a>=2", platforms=(LINUX, WINDOWS))
    assert str(caught.value) == (
        f"no solution for cp312-{WINDOWS}:\n"
        "  a>=2 (required by the profile)\n"
        "    would fit, but cannot be taken: 2: no wheel for this platform, only for"
        " manylinux_2_17_x86_64; there are wheels for this target of 1"
    )


def test_constraint_is_named_in_a_conflict(index: MemoryIndex) -> None:
    index.add("a", "1")
    with pytest.raises(NoSolutionError, match=r"a>1 \(a constraint\)"):
        plan(index, "a", constraints=("a>1",))


def test_project_with_sdists_only(index: MemoryIndex) -> None:
    index.list_file("a-1.tar.gz", b"")
    with pytest.raises(NoSolutionError, match="1: a source distribution only, no wheel"):
        plan(index, "a")


def test_a_yanked_version_is_called_yanked(index: MemoryIndex) -> None:
    index.add("a", "1.0", yanked="bad")
    index.add("a", "0.9")
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "a>=1")
    assert str(caught.value).endswith(
        "would fit, but cannot be taken: 1.0: yanked (bad); only an exact == takes it;"
        " there are wheels for this target of 0.9"
    )


def test_requirements_that_apply_to_no_target_are_an_error(index: MemoryIndex) -> None:
    with pytest.raises(ProfileError, match=r"^no requirement applies to any target$"):
        plan(index, "a; sys_platform == 'win32'")


def test_a_target_without_requirements_is_noticed(index: MemoryIndex) -> None:
    index.add("a", "1")
    events: list[Event] = []
    request = profile("a; sys_platform == 'win32'", platforms=(LINUX, WINDOWS))
    found = make_plan(request, index, tool="test 1", observe=events.append)
    assert [file.targets for file in found.files] == [(f"cp312-{WINDOWS}",)]
    assert Noticed(f"no requirement applies to cp312-{LINUX}") in events
    assert Finished("resolve", "1 wheel for 2 targets") in events


def test_the_index_is_closed_before_threads_that_wait_for_it_are_awaited() -> None:
    class Silent(MemoryIndex):
        def __init__(self) -> None:
            super().__init__()
            self.answer: Future[ProjectPage] = Future()

        def page(self, project: NormalizedName) -> Future[ProjectPage]:
            return self.answer if project == "silent" else super().page(project)

        def close(self) -> None:
            super().close()
            interrupted.append(self.answer.cancel())

    def interrupt(event: Event) -> None:
        if isinstance(event, Advanced):
            raise KeyboardInterrupt

    interrupted: list[bool] = []
    index = Silent()
    index.add("a", "1")
    rescue = threading.Timer(5, index.answer.cancel)  # so that a failure is no endless test
    rescue.start()
    request = profile(
        "a; os_name == 'posix'", "silent; os_name == 'nt'", platforms=(LINUX, WINDOWS)
    )
    with pytest.raises(KeyboardInterrupt):
        make_plan(request, index, tool="test 1", observe=interrupt)
    rescue.cancel()
    rescue.join()
    assert interrupted == [True]


def test_network_error_ends_the_plan() -> None:
    class Broken(MemoryIndex):
        def page(self, project: NormalizedName) -> Future[ProjectPage]:
            raise NetworkError(f"no answer for {project}")

    with pytest.raises(NetworkError, match="no answer for a"):
        plan(Broken(), "a")


def test_upload_time_that_is_none_stays_out_of_the_lock(index: MemoryIndex) -> None:
    index.add("a", "1")
    name = canonicalize_name("a")
    index.files[name] = [replace(index.files[name][0], upload_time="last week")]
    (lock,) = plan(index, "a").locks.values()
    assert b"upload-time" not in lock


def test_a_lock_names_no_secret_of_an_address(index: MemoryIndex) -> None:
    index.add("a", "1", requires_python=">=3.9", listed_python=">=3.8")
    name = canonicalize_name("a")
    url = f"{index.files[name][0].url}?X-Token=s3cret"
    index.files[name] = [replace(index.files[name][0], url=url)]
    found = plan(index, "a")
    (lock,) = found.locks.values()
    assert b"s3cret" not in lock
    assert b'requires-python = ">=3.9"' in lock  # what METADATA says, not the page
    assert found.files[0].remote.url == url


def test_status_is_carried(index: MemoryIndex) -> None:
    index.add("a", "1")
    index.statuses[canonicalize_name("a")] = ("archived", "done")
    assert plan(index, "a").statuses == {"a": ("archived", "done")}


def test_lock_selects_exactly_the_planned_files_for_its_target(index: MemoryIndex) -> None:
    index.add("a", "1", "b", tags="cp312-cp312-manylinux_2_17_x86_64", listed_python=">=3.9")
    index.add("a", "1", "b", tags="cp312-cp312-win_amd64", listed_python="nonsense")
    index.add("b", "1")
    request = profile("a", platforms=(LINUX, WINDOWS))
    found = make_plan(request, index, tool="test 1", observe=ignore)
    assert set(found.locks) == {
        f"pylock.test-cp312-{LINUX}.toml",
        f"pylock.test-cp312-{WINDOWS}.toml",
    }
    for target in found.targets:
        lock = Pylock.from_dict(
            tomllib.loads(found.locks[f"pylock.test-{target.name}.toml"].decode())
        )
        selected = lock.select(environment=target.environment, tags=list(target.tags))  # type: ignore[arg-type]
        names = sorted(wheel.filename for _, wheel in selected)  # type: ignore[union-attr]
        planned = [f.remote.filename for f in found.files if target.name in f.targets]
        assert names == sorted(planned)


def test_what_cannot_be_used_is_not_told_early(index: MemoryIndex) -> None:
    index.add("a", "4")
    index.contents["a-4-py3-none-any.whl"] = b"no wheel"
    index.add("a", "3", "no requirement, this")
    index.add("a", "2", requires_python=">=3.99")
    index.add("a", "1")
    told: list[str] = []
    make_plan(profile("a"), index, likely=lambda file: told.append(file.remote.filename))
    assert set(told) == {"a-1-py3-none-any.whl"}


def test_the_first_try_of_each_project_is_told_early(index: MemoryIndex) -> None:
    index.add("a", "2", "b<2")
    index.add("a", "1", "b")
    index.add("b", "2")
    told: list[str] = []
    make_plan(
        profile("a", "b>=2"),
        index,
        tool="test 1",
        observe=ignore,
        likely=lambda file: told.append(file.remote.filename),
    )
    assert sorted(told) == ["a-2-py3-none-any.whl", "b-2-py3-none-any.whl"]


def test_plan_is_deterministic(index: MemoryIndex) -> None:
    for number in range(8):
        index.add(f"p{number}", "1", *(f"p{n}" for n in range(number)))
    platforms = (LINUX, WINDOWS, "aarch64-apple-darwin")
    assert plan(index, "p7", platforms=platforms) == plan(index, "p7", platforms=platforms)


@pytest.mark.parametrize(("reason", "told"), [("malware", ": malware"), (None, "")])
def test_a_project_in_quarantine(index: MemoryIndex, reason: str | None, told: str) -> None:
    index.add("a", "1")
    index.statuses[canonicalize_name("a")] = ("quarantined", reason)
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "a")
    assert caught.value.message.endswith(f"    the index 'memory' holds a in quarantine{told}")


def test_a_page_without_any_release_of_its_project(index: MemoryIndex) -> None:
    index.list_file("a-1.exe", b"")
    index.files[canonicalize_name("a")] += [
        replace(index.files[canonicalize_name("a")][0], filename="evil-1.tar.gz")
    ]
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "a")
    assert caught.value.message.endswith("    the index 'memory' lists no wheel of a")
