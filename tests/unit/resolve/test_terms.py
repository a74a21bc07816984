from __future__ import annotations

from datetime import UTC, datetime

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from bundler.errors import NoSolutionError
from bundler.model.artifact import RemoteFile, Sha256
from bundler.model.asked import THE_PROFILE, AskedRequirement, Inputs, Lock, LockedPin
from bundler.model.target import parse_target
from bundler.resolve import terms
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.explain import explain
from bundler.resolve.request import make_request
from bundler.resolve.solution import Conflict, Solution
from bundler.resolve.solve import solve
from bundler.resolve.terms import Rules, Terms
from tests.fakes.planning import (
    LINUX,
    NOW,
    WINDOWS,
    MemoryIndex,
    plan,
    profile,
    resolved,
    versions_of,
)

TARGET = parse_target("3.12", LINUX)


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


def digest(index: MemoryIndex, filename: str) -> Sha256:
    files = (file for found in index.files.values() for file in found)
    found = next(file.sha256 for file in files if file.filename == filename)
    assert found is not None
    return found


def solved(wanted: Terms, index: MemoryIndex) -> dict[str, str]:
    outcome = solve(wanted, Catalogue(index))
    assert isinstance(outcome, Solution)
    return versions_of(outcome)


def told(wanted: Terms, index: MemoryIndex) -> list[str]:
    outcome = solve(wanted, Catalogue(index))
    assert isinstance(outcome, Conflict)
    return list(explain(outcome.causes, outcome.dependencies))


# Overrides


def test_an_override_takes_the_place_of_every_requirement(index: MemoryIndex) -> None:
    index.add("a", "1", "b<2")
    for version in "123":
        index.add("b", version)
    assert resolved(index, "a", "b!=3") == {"a": "1", "b": "1"}
    assert resolved(index, "a", "b!=3", overrides=["B==3"]) == {"a": "1", "b": "3"}


def test_an_override_adds_nothing_by_itself(index: MemoryIndex) -> None:
    index.add("a", "1")
    index.add("b", "1")
    assert resolved(index, "a", overrides=["b"]) == {"a": "1"}


def test_constraints_bound_what_an_override_asks_for(index: MemoryIndex) -> None:
    index.add("a", "1")
    index.add("a", "2")
    index.add("a", "3")
    found = resolved(index, "a<2", overrides=["a>1"], constraints=("a<3",))
    assert found == {"a": "2"}


def test_an_override_keeps_the_extras_that_were_asked_for_and_adds_its_own(
    index: MemoryIndex,
) -> None:
    index.add("a", "1", "b; extra == 'x'", "c; extra == 'y'", extras=("x", "y"))
    index.add("a", "2", "b; extra == 'x'", "c; extra == 'y'", extras=("x", "y"))
    index.add("b", "1")
    index.add("c", "1")
    assert resolved(index, "a[x]>=2", overrides=["a<2"]) == {"a": "1", "b": "1"}
    assert resolved(index, "a[x]", overrides=["a[y]"]) == {"a": "2", "b": "1", "c": "1"}


def test_an_override_counts_where_its_marker_holds_and_removes_elsewhere(
    index: MemoryIndex,
) -> None:
    index.add("a", "1", "b")
    index.add("b", "1")
    index.add("b", "2")
    overrides = ["b==1; sys_platform == 'win32'"]
    found = plan(index, "a", overrides=overrides, platforms=(LINUX, WINDOWS))
    assert [(str(file.project), str(file.version), file.targets) for file in found.files] == [
        ("a", "1", (f"cp312-{LINUX}", f"cp312-{WINDOWS}")),
        ("b", "1", (f"cp312-{WINDOWS}",)),
    ]


def test_one_override_for_each_platform(index: MemoryIndex) -> None:
    index.add("a", "1")
    index.add("a", "2")
    overrides = ["a==1; sys_platform == 'win32'", "a==2; sys_platform != 'win32'"]
    found = plan(index, "a", overrides=overrides, platforms=(LINUX, WINDOWS))
    assert [(str(file.version), file.targets) for file in found.files] == [
        ("1", (f"cp312-{WINDOWS}",)),
        ("2", (f"cp312-{LINUX}",)),
    ]


def test_a_requirement_whose_marker_does_not_hold_is_not_overridden(index: MemoryIndex) -> None:
    index.add("a", "1", "b; sys_platform == 'win32'")
    index.add("b", "1")
    assert resolved(index, "a", overrides=["b==1"]) == {"a": "1"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"overrides": ["b==1"]}, {"a": "1", "b": "1"}),
        ({"exclude": ["b"]}, {"a": "1"}),
    ],
)
def test_a_requirement_with_a_url_does_not_matter_when_it_does_not_count(
    index: MemoryIndex, keys: dict[str, list[str]], expected: dict[str, str]
) -> None:
    index.add("a", "1", "b @ https://example.org/b-9-py3-none-any.whl")
    index.add("b", "1")
    assert resolved(index, "a", **keys) == expected


def test_a_clash_with_an_override_says_so(index: MemoryIndex) -> None:
    index.add("a", "1", "b")
    index.add("b", "1")
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "a", overrides=["b>5"])
    assert "  b>5 (required by a 1, as an override says)\n" in caught.value.message


# Exclusions


def test_what_is_excluded_is_required_by_nobody(index: MemoryIndex) -> None:
    index.add("a", "1", "B_x>=1", "c")
    index.add("c", "1", "b-x>=2")
    index.add("b_x", "1")
    assert resolved(index, "a", exclude=["b.X"]) == {"a": "1", "c": "1"}
    assert not index.asked["b-x"]


# The cutoff


@pytest.mark.parametrize(
    ("uploaded", "counts"),
    [
        ("2026-03-01T00:00:00Z", True),
        ("2026-03-01T00:00:00.000001Z", False),
        ("2026-03-01T01:00:00+02:00", True),
        ("2026-02-28", False),
        ("nonsense", False),
        (None, False),
    ],
)
def test_the_cutoff(index: MemoryIndex, uploaded: str | None, *, counts: bool) -> None:
    index.add("a", "1", uploaded="2025-01-01T00:00:00Z")
    index.add("a", "2", uploaded=uploaded)
    assert resolved(index, "a", cutoff="2026-03-01") == {"a": "2" if counts else "1"}
    assert resolved(index, "a") == {"a": "2"}


@pytest.mark.parametrize(
    ("uploaded", "reason"),
    [
        ("2026-05-31T00:00:00Z", "uploaded 2026-05-31T00:00:00Z, after the cutoff"),
        (None, "the index does not say when it was uploaded, so the cutoff leaves it out"),
        ("soon", "its upload time 'soon' cannot be read, so the cutoff leaves it out"),
    ],
)
def test_what_the_cutoff_leaves_out_is_told(
    index: MemoryIndex, uploaded: str | None, reason: str
) -> None:
    index.add("a", "2", uploaded=uploaded)
    with pytest.raises(NoSolutionError) as caught:
        plan(index, "a", cutoff="7 days")
    assert caught.value.message.endswith(f"would fit, but cannot be taken: 2: {reason}")


# Digests


def hashed(*asked: tuple[str, frozenset[Sha256]], require: bool = False) -> Terms:
    inputs = Inputs(
        requirements=tuple(
            AskedRequirement(Requirement(text), THE_PROFILE, sha256s) for text, sha256s in asked
        ),
        require_hashes=require,
    )
    return terms.make_terms(inputs, Rules(), TARGET)


def test_a_file_must_have_one_of_the_digests(index: MemoryIndex) -> None:
    old, new = index.add("a", "1"), index.add("a", "2")
    assert solved(hashed(("a", frozenset({digest(index, old)}))), index) == {"a": "1"}
    both = frozenset({digest(index, old), digest(index, new)})
    assert solved(hashed(("a", both)), index) == {"a": "2"}
    assert told(hashed(("a", frozenset({Sha256("00" * 32)}))), index)[1].endswith(
        "2, 1: its sha256 is not among those that are given"
    )


def test_a_file_without_a_digest_is_not_taken_for_one_that_has_it(index: MemoryIndex) -> None:
    index.add("a", "1")
    name = canonicalize_name("a")
    index.files[name] = [RemoteFile(filename="a-1-py3-none-any.whl", url="https://example.org/a")]
    assert told(hashed(("a", frozenset({Sha256("00" * 32)}))), index)[1].endswith(
        "1: the index does not say its sha256, and the requirements demand one"
    )


def test_a_project_without_a_digest_where_all_must_have_one(index: MemoryIndex) -> None:
    wheel = index.add("a", "1", "b")
    index.add("b", "1")
    asked = ("a", frozenset({digest(index, wheel)}))
    assert solved(hashed(asked), index) == {"a": "1", "b": "1"}
    assert told(hashed(asked, require=True), index)[-1].endswith(
        "1: no digest of it is given, and the requirements demand one of everything"
    )


# Locks that the profile names


def locked(
    index: MemoryIndex, *pins: tuple[str, str], asked: tuple[str, ...] = (), **rules: object
) -> Terms:
    found = tuple(
        LockedPin(
            project=canonicalize_name(name),
            version=Version(version),
            sha256s=frozenset({digest(index, f"{name}-{version}-py3-none-any.whl")}),
            sdists=frozenset(),
            origin=f"uv.lock, package {name}",
        )
        for name, version in pins
    )
    inputs = Inputs(
        requirements=tuple(AskedRequirement(Requirement(r), THE_PROFILE) for r in asked),
        locks=(Lock("uv.lock", {TARGET.name: found}),),
    )
    return terms.make_terms(inputs, Rules(**rules), TARGET)  # type: ignore[arg-type]


@pytest.fixture
def stocked(index: MemoryIndex) -> MemoryIndex:
    index.add("a", "1", "b>=2", "c; extra == 'x'", extras=("x",))
    index.add("a", "2")
    index.add("b", "1")
    index.add("b", "2")
    index.add("c", "1")
    return index


def test_pins_are_taken_exactly_and_need_nothing_besides(stocked: MemoryIndex) -> None:
    assert solved(locked(stocked, ("a", "1")), stocked) == {"a": "1"}
    assert solved(locked(stocked, ("a", "1"), ("b", "1")), stocked) == {"a": "1", "b": "1"}


def test_an_extra_that_is_asked_for_besides_a_lock_is_complete(stocked: MemoryIndex) -> None:
    found = solved(locked(stocked, ("a", "1"), asked=("a[x]",)), stocked)
    assert found == {"a": "1", "c": "1"}


def test_two_locks_with_other_files_of_one_version_have_none_in_common(
    stocked: MemoryIndex,
) -> None:
    wanted = locked(stocked, ("a", "1"), ("a", "1"))
    assert solved(wanted, stocked) == {"a": "1"}
    assert wanted.digests["a"] == {digest(stocked, "a-1-py3-none-any.whl")}  # type: ignore[index]


def test_an_excluded_project_is_left_out_of_a_lock_too(stocked: MemoryIndex) -> None:
    excluded = frozenset({NormalizedName("b")})
    wanted = locked(stocked, ("a", "1"), ("b", "1"), excluded=excluded)
    assert solved(wanted, stocked) == {"a": "1"}


def test_an_override_against_a_lock_is_told_and_not_lost(stocked: MemoryIndex) -> None:
    agrees = locked(stocked, ("b", "1"), overrides=(Requirement("b<2"), Requirement("z")))
    assert solved(agrees, stocked) == {"b": "1"}
    against = locked(stocked, ("b", "1"), overrides=(Requirement("b>=2"),))
    assert told(against, stocked)[:2] == [
        "b===1 (required by uv.lock, package b)",
        "b>=2 (required by the profile, as an override says)",
    ]


# The request


def test_a_request_has_what_the_profile_says() -> None:
    wanted = profile(
        "a",
        overrides=["b<2"],
        exclude=["C.x"],
        cutoff="7 days",
        breadth=3,
        align=True,
        wheels="all",
        platforms=(LINUX, WINDOWS),
        may_be_missing=(f"cp312-{WINDOWS}",),
    )
    inputs = Inputs(requirements=(AskedRequirement(Requirement("a"), THE_PROFILE),))
    request = make_request(wanted, inputs, NOW)
    assert (request.stream, request.breadth, request.align) == ("test", 3, True)
    assert request.all_wheels
    assert request.optional == {f"cp312-{WINDOWS}"}
    assert [target.name for target in request.targets] == [f"cp312-{LINUX}", f"cp312-{WINDOWS}"]
    for found in request.terms:
        assert found.excluded == {"c-x"}
        assert found.overrides == {"b": (Requirement("b<2"),)}
        assert found.cutoff == datetime(2026, 5, 25, tzinfo=UTC)
        assert found.preferred == {}
