from __future__ import annotations

import pytest

from bundler.errors import NoSolutionError
from bundler.model.target import parse_target
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.clash import describe, smallest_clash
from bundler.resolve.dependencies import Dependencies
from bundler.resolve.solution import Conflict
from bundler.resolve.solve import solve
from tests.fakes.planning import LINUX, WINDOWS, MemoryIndex, make_terms, plan

TARGET = parse_target("3.12", LINUX)


@pytest.fixture
def index() -> MemoryIndex:
    """Requirements x0 … x9 that get on with each other; each needs `shared` within its bounds."""
    found = MemoryIndex()
    for version in range(6):
        found.add("shared", str(version))
    for number in range(10):
        found.add(f"x{number}", "1", "shared<5")
    found.add("low", "1", "shared<2")
    found.add("middle", "1", "shared!=2", "shared>1")
    found.add("high", "1", "shared>=4", "shared<6")
    return found


def clash(index: MemoryIndex, *asked: str) -> set[str]:
    catalogue = Catalogue(index)
    outcome = solve(make_terms(*asked, target=TARGET), catalogue)
    assert isinstance(outcome, Conflict)
    return {str(wanted) for wanted in smallest_clash(outcome, catalogue)}


@pytest.mark.parametrize("first", range(0, 11, 2))
def test_the_guilty_are_found_wherever_they_stand(index: MemoryIndex, first: int) -> None:
    asked = [f"x{number}" for number in range(10)]
    asked.insert(first, "low")
    asked.insert(5, "high")
    assert clash(index, *asked) == {"low", "high"}


def test_one_requirement_can_be_enough(index: MemoryIndex) -> None:
    index.add("self", "1", "shared<1", "x1", "shared>3")
    assert clash(index, "x1", "self", "x2") == {"self"}


def test_three_that_only_together_clash(index: MemoryIndex) -> None:
    index.add("p", "1", "shared<4")
    index.add("q", "1", "shared>2")
    index.add("r", "1", "shared!=3")
    assert clash(index, "x1", "p", "x2", "q", "x3", "r", "x4") == {"p", "q", "r"}


def test_the_story_names_the_guilty_only_and_all_targets_that_share_it(
    index: MemoryIndex,
) -> None:
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "x1", "low", "x2", "middle", "x3", platforms=(LINUX, WINDOWS))
    message = caught.value.message
    assert message.startswith(f"no solution for cp312-{LINUX}, cp312-{WINDOWS}:\n")
    assert "shared<2 (required by low 1)" in message
    assert "(required by middle 1)" in message
    assert "x" not in {line.strip()[:1] for line in message.splitlines()}


def test_without_requirements_there_is_nothing_to_name(index: MemoryIndex) -> None:
    catalogue = Catalogue(index)
    outcome = solve(make_terms("low", "high", target=TARGET), catalogue)
    assert isinstance(outcome, Conflict)
    empty = solve(make_terms("gone", target=TARGET), catalogue)
    assert isinstance(empty, Conflict)
    assert smallest_clash(Conflict([], solve_nothing(index)), catalogue) == ()
    assert "has no project gone" in "\n".join(describe([empty], catalogue))


def solve_nothing(index: MemoryIndex) -> Dependencies:
    outcome = solve(make_terms(target=TARGET), Catalogue(index))
    return outcome.dependencies
