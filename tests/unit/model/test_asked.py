from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from bundler.model.asked import AskedRequirement, parse_constraint, parse_requirement
from bundler.model.target import parse_target


def test_a_requirement_counts_where_its_marker_holds() -> None:
    asked = AskedRequirement(Requirement("Some_App>1; sys_platform == 'win32'"), "profile")
    assert asked.project == "some-app"
    assert asked.applies(parse_target("3.12", "windows"))
    assert not asked.applies(parse_target("3.12", "linux"))
    assert AskedRequirement(Requirement("a"), "profile").applies(parse_target("3.12", "linux"))


@pytest.mark.parametrize("text", ["a", "a[b,c]>=1,!=2; python_version < '3.12'", "A.b ===1.x"])
def test_what_an_index_can_meet(text: str) -> None:
    assert parse_requirement(text) == Requirement(text)


@pytest.mark.parametrize("text", ["~/a", "../a", "/a", "a.tar.gz", "A-1.ZIP", "a.tgz"])
def test_paths(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a path comes from no index"):
        parse_requirement(text)


def test_a_constraint_names_no_extras() -> None:
    assert parse_constraint("a<2") == Requirement("a<2")
    with pytest.raises(ValueError, match=r"^a constraint on a-b cannot ask for extras$"):
        parse_constraint("A_b[c]<2")
