"""Plans over random tiny indexes, held against a solver that tries every combination.

The solver here knows nothing of the code under test, nor of the library that reads specifiers,
markers and tags: each text that can stand in an index has its meaning beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from bundler.errors import NoSolutionError, ProfileError
from bundler.model.plan import Plan
from bundler.model.profile import Profile
from bundler.resolve.lock import Locks, select_files
from bundler.resolve.plan import plan_of
from tests.fakes.planning import LINUX, WINDOWS, MemoryIndex, make_plan, profile, resolve


class Place(NamedTuple):
    """A target, as far as markers and tags here tell targets apart."""

    python: str
    platform: str

    @property
    def name(self) -> str:
        return f"cp{self.python.replace('.', '')}-{self.platform}"


PLACES = [Place(python, platform) for python in ("3.11", "3.12") for platform in (LINUX, WINDOWS)]
PROJECTS = ("a", "b", "c", "d")
VERSIONS = {"1": 1.0, "2": 2.0, "3": 3.0, "4a1": 3.5}
SPECIFIERS: dict[str, Callable[[float], bool]] = {
    "": lambda _: True,
    "<2": lambda v: v < 2,
    "<=2": lambda v: v <= 2,
    "<3": lambda v: v < 3,
    ">=2": lambda v: v >= 2,
    "==1": lambda v: v == 1,
    "==3": lambda v: v == 3,
    "!=2": lambda v: v != 2,
    "!=3": lambda v: v != 3,
    ">=4a1": lambda v: v >= 3.5,
}
MARKERS: dict[str, Callable[[Place], bool]] = {
    "": lambda _: True,
    'sys_platform == "linux"': lambda place: place.platform == LINUX,
    'os_name == "nt"': lambda place: place.platform == WINDOWS,
    'python_version >= "3.12"': lambda place: place.python == "3.12",
}
TAGS: dict[str, Callable[[Place], bool]] = {
    "py3-none-any": lambda _: True,
    "py3-none-win_amd64": lambda place: place.platform == WINDOWS,
    "cp311-abi3-manylinux_2_17_x86_64": lambda place: place.platform == LINUX,
    "cp312-cp312-manylinux1_x86_64": lambda place: place == ("3.12", LINUX),
}
PYTHONS: dict[str | None, Callable[[Place], bool]] = {
    None: lambda _: True,
    ">=3.12": lambda place: place.python == "3.12",
}


@dataclass(frozen=True)
class Need:
    """A requirement; `extra` is "x" or nothing."""

    project: str
    extra: str
    specifier: str
    marker: str

    def text(self, asked_by: str = "") -> str:
        marker = " and ".join(filter(None, [self.marker, asked_by and f'extra == "{asked_by}"']))
        extra = f"[{self.extra}]" if self.extra else ""
        return f"{self.project}{extra}{self.specifier}{f' ; {marker}' if marker else ''}"


@dataclass(frozen=True)
class Wheel:
    """A wheel; each has an extra "x" with requirements of its own."""

    needs: tuple[Need, ...]
    extra_needs: tuple[Need, ...]
    tags: str
    python: str | None


@dataclass(frozen=True)
class World:
    """An index and what is asked of it."""

    wheels: Mapping[tuple[str, str], Wheel]
    roots: tuple[Need, ...]

    def index(self, order: Random | None = None) -> MemoryIndex:
        """The index, its pages in the given order."""
        index = MemoryIndex()
        wheels = list(self.wheels.items())
        if order is not None:
            order.shuffle(wheels)
        for (project, version), wheel in wheels:
            index.add(
                project,
                version,
                *(need.text() for need in wheel.needs),
                *(need.text("x") for need in wheel.extra_needs),
                tags=wheel.tags,
                extras=("x",),
                requires_python=wheel.python,
            )
        return index

    def profile(self, **keys: Any) -> Profile:
        """The profile for every place."""
        return profile(
            *(need.text() for need in self.roots),
            python=("3.11", "3.12"),
            platforms=(LINUX, WINDOWS),
            **keys,
        )

    def plan(self, order: Random | None = None, **keys: Any) -> Plan:
        """Our plan for every place."""
        return make_plan(self.profile(**keys), self.index(order))

    def closure(self, pins: Mapping[str, str], place: Place) -> dict[str, set[str]] | None:
        """Who asks for each project that is needed; None when `pins` are no solution."""
        askers: dict[str, set[str]] = {}
        seen: set[tuple[str, str]] = set()
        rest = [("profile", need) for need in self.roots]
        while rest:
            asker, need = rest.pop()
            if not MARKERS[need.marker](place):
                continue
            version = pins.get(need.project)
            if version is None or not SPECIFIERS[need.specifier](VERSIONS[version]):
                return None
            wheel = self.wheels[need.project, version]
            if not (TAGS[wheel.tags](place) and PYTHONS[wheel.python](place)):
                return None
            askers.setdefault(need.project, set()).update({asker} - {need.project})
            if (need.project, "") not in seen:
                rest += [(need.project, further) for further in wheel.needs]
            if need.extra and (need.project, need.extra) not in seen:
                rest += [(need.project, further) for further in wheel.extra_needs]
            seen |= {(need.project, ""), (need.project, need.extra)}
        return askers

    def solvable(self, place: Place) -> bool:
        """Whether any combination of versions is a solution."""
        offered = [[v for p, v in self.wheels if p == project] or [""] for project in PROJECTS]
        return any(
            self.closure({p: v for p, v in zip(PROJECTS, versions, strict=True) if v}, place)
            is not None
            for versions in product(*offered)
        )


needs = st.builds(
    Need,
    project=st.sampled_from(PROJECTS),
    extra=st.sampled_from(["", "", "", "x"]),
    specifier=st.sampled_from([*SPECIFIERS]),
    marker=st.sampled_from(["", "", *MARKERS]),
)
wheels = st.builds(
    Wheel,
    needs=st.lists(needs, max_size=3).map(tuple),
    extra_needs=st.lists(needs, max_size=1).map(tuple),
    tags=st.sampled_from(["py3-none-any", "py3-none-any", *TAGS]),
    python=st.sampled_from([None, None, *PYTHONS]),
)
worlds = st.builds(
    World,
    wheels=st.dictionaries(
        st.tuples(st.sampled_from(PROJECTS), st.sampled_from([*VERSIONS])),
        wheels,
        min_size=2,
        max_size=12,
    ),
    roots=st.lists(needs, min_size=1, max_size=3).map(tuple),
)


def _with_a_way_out(world: World) -> World:
    """The same, but every project has a plain version 1: most such worlds have a plan."""
    plain = {(project, "1"): Wheel((), (), "py3-none-any", None) for project in PROJECTS}
    return World({**world.wheels, **plain}, world.roots)


hopeful = worlds.map(_with_a_way_out)
few = settings(max_examples=25)


def planned(world: World) -> Plan:
    """A plan, or an example that tells nothing."""
    try:
        return world.plan()
    except (NoSolutionError, ProfileError):
        assume(False)  # noqa: FBT003 - hypothesis's signature
        raise


@few
@given(hopeful)
def test_a_plan_meets_every_requirement_has_nothing_else_and_says_why(world: World) -> None:
    made = planned(world)
    reasons: dict[str, set[str]] = {file.remote.filename: set() for file in made.files}
    for place in PLACES:
        mine = [file for file in made.files if place.name in file.targets]
        askers = world.closure({file.project: str(file.version) for file in mine}, place)
        assert askers is not None
        assert sorted(askers) == [file.project for file in mine]
        for file in mine:
            reasons[file.remote.filename] |= askers[file.project]
    assert reasons == {file.remote.filename: {*file.required_by} for file in made.files}


@given(worlds)
def test_there_is_a_plan_exactly_when_some_combination_is_a_solution(world: World) -> None:
    hopeless = [place.name for place in PLACES if not world.solvable(place)]
    asked = any(MARKERS[need.marker](place) for need in world.roots for place in PLACES)
    if hopeless:
        event("no solution")
        with pytest.raises(NoSolutionError) as caught:
            world.plan()
        named = {
            name
            for line in caught.value.message.splitlines()
            if line.startswith("no solution for ")
            for name in line.removeprefix("no solution for ").rstrip(":").split(", ")
        }
        assert named == set(hopeless)
    elif asked:
        event("a plan")
        assert world.plan().files
    else:
        with pytest.raises(ProfileError, match="no requirement applies to any target"):
            world.plan()


@few
@given(hopeful, st.randoms(use_true_random=False))
def test_the_order_of_a_page_changes_nothing(world: World, order: Random) -> None:
    made = planned(world)
    again = world.plan(order)
    assert again.locks == made.locks
    assert again.files == made.files


@few
@given(hopeful, st.data())
def test_a_constraint_that_the_plan_meets_changes_nothing(
    world: World, data: st.DataObject
) -> None:
    made = planned(world)
    versions: dict[str, set[float]] = {project: set() for project in PROJECTS}
    for file in made.files:
        versions[file.project].add(VERSIONS[str(file.version)])
    met = [
        f"{project}{specifier}"
        for project, found in versions.items()
        for specifier, allows in SPECIFIERS.items()
        # A bound that names a pre-release lets pre-releases in.
        if specifier and "a" not in specifier and all(allows(version) for version in found)
    ]
    constraint = data.draw(st.sampled_from(met))
    assert world.plan(constraints=(constraint,)).files == made.files


def files_of(made: Plan, place: Place) -> list[str]:
    return [file.remote.filename for file in made.files if place.name in file.targets]


@settings(max_examples=80)  # few of them have a solution
@given(worlds)
def test_aligned_targets_have_solutions_and_never_more_versions(world: World) -> None:
    try:
        made = world.plan()
    except (NoSolutionError, ProfileError):
        return
    aligned = world.plan(align=True)
    count, before = (len({file.release for file in each.files}) for each in (aligned, made))
    assert count <= before
    event("fewer" if count < before else "as many")
    for place in PLACES:
        mine = [file for file in aligned.files if place.name in file.targets]
        askers = world.closure({file.project: str(file.version) for file in mine}, place)
        assert askers is not None
        assert sorted(askers) == [file.project for file in mine]


@settings(max_examples=80)  # few of them have a solution
@given(worlds)
def test_locks_that_were_just_made_fit_and_give_the_same(world: World) -> None:
    try:
        made = world.plan()
    except (NoSolutionError, ProfileError):
        return
    names = {target: f"pylock.test-{target.name}.toml" for target in made.targets}
    locks = Locks(
        Path("locks"),
        "test",
        {t.name: select_files(made.locks[name], t, name) for t, name in names.items()},
    )
    again = resolve(world.profile(), world.index(), locks=locks)
    assert plan_of(again, "test 1", lambda _: None).locks == made.locks
