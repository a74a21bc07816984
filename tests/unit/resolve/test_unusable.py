from __future__ import annotations

from concurrent.futures import Future

import pytest

from bundler.errors import DigestMismatchError, NetworkError, NoSolutionError
from bundler.events import Event, Noticed
from bundler.model.artifact import RemoteFile
from bundler.resolve.index import WheelFacts
from tests.fakes.planning import LINUX, WINDOWS, MemoryIndex, make_plan, plan, profile, resolved

HERE = f"cp312-{LINUX}"


def notices(index: MemoryIndex, *requirements: str, **options: tuple[str, ...]) -> list[str]:
    events: list[Event] = []
    make_plan(profile(*requirements, **options), index, tool="test 1", observe=events.append)
    return [event.message for event in events if isinstance(event, Noticed)]


@pytest.fixture
def index() -> MemoryIndex:
    found = MemoryIndex()
    found.add("a", "1")
    return found


@pytest.mark.parametrize(
    ("dependency", "reason"),
    [
        ("b (>dev)", "its METADATA cannot be read: 'b (>dev)': Expected matching"),
        ("b; os_name ~= 'x'", "its METADATA cannot be read: Undefined "),
        ("b @ https://example.org/b-9.whl", "it requires b from a URL, which no index vouches for"),
    ],
)
def test_a_version_with_a_bad_dependency_is_left_out_with_a_notice(
    index: MemoryIndex, dependency: str, reason: str
) -> None:
    index.add("a", "2", dependency)
    index.add("b", "1")
    assert resolved(index, "a") == {"a": "1"}
    (notice,) = notices(index, "a")
    assert notice.startswith(f"a 2 is left out for {HERE}: {reason}")
    assert "\n" not in notice
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "a>=2")
    assert f"\n  a 2 cannot be used: {reason}" in str(caught.value)


def test_a_bad_dependency_for_other_targets_or_extras_does_not_count(index: MemoryIndex) -> None:
    index.add(
        "a",
        "2",
        "b @ https://example.org/b.whl ; sys_platform == 'win32'",
        "b @ https://example.org/b.whl ; extra == 'x'",
        extras=("x",),
    )
    assert resolved(index, "a") == {"a": "2"}
    assert notices(index, "a") == []
    with pytest.raises(NoSolutionError, match=r"a\[x\] 2 cannot be used: it requires b from a URL"):
        plan(index, "a[x]>=2")


def test_unreadable_requires_python_is_left_out(index: MemoryIndex) -> None:
    index.add("a", "2", requires_python=">=3.6.*")
    assert notices(index, "a") == [
        f"a 2 is left out for {HERE}: its METADATA cannot be read: Invalid specifier: '>=3.6.*'"
    ]


def test_another_python_is_no_fault_to_be_told(index: MemoryIndex) -> None:
    index.add("a", "2", requires_python=">=3.13")
    assert notices(index, "a") == []


def test_a_wheel_that_is_none_is_left_out_once_for_all_targets(index: MemoryIndex) -> None:
    index.list_file("a-2-py3-none-any.whl", b"zip?")
    (notice,) = notices(index, "a", platforms=(LINUX, WINDOWS))
    assert notice.startswith(f"a 2 is left out for {HERE}, cp312-{WINDOWS}: a-2-py3-none-any.whl:")
    assert notice.endswith(": not a readable wheel: File is not a zip file")


def test_a_wheel_whose_metadata_lies_is_left_out(index: MemoryIndex) -> None:
    index.list_file("a-2-py3-none-any.whl", index.contents["a-1-py3-none-any.whl"])
    (notice,) = notices(index, "a")
    assert "a-2-py3-none-any.whl: carries the metadata folder" in notice


def test_backtracking_passes_a_bad_version(index: MemoryIndex) -> None:
    index.add("a", "3", "c>5")
    index.add("a", "2", "b (>dev)")
    index.add("c", "1")
    assert resolved(index, "a") == {"a": "1"}


@pytest.mark.parametrize("error", [DigestMismatchError("bad digest"), NetworkError("no answer")])
def test_faults_of_the_index_end_the_plan(error: Exception) -> None:
    class Broken(MemoryIndex):
        def facts(self, file: RemoteFile) -> Future[WheelFacts]:
            future = super().facts(file)
            if file.filename.startswith("a-2"):
                future = Future()
                future.set_exception(error)
            return future

    index = Broken()
    index.add("a", "1")
    index.add("a", "2")
    with pytest.raises(type(error), match=str(error)):
        plan(index, "a")
