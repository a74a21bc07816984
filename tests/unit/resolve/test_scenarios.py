"""Every resolver scenario through the real planner, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundler.archive.store import BlobStore
from bundler.errors import BundlerError, NoSolutionError, ProfileError
from tests.fakes.index import FakeIndex
from tests.fakes.scenarios import FOLDER, Scenario, pinned, resolve, scenarios, serve

SCENARIOS = list(scenarios())
absent = pytest.mark.skipif(not SCENARIOS, reason=f"no scenarios: {FOLDER} is not there")


@dataclass(frozen=True, slots=True)
class Instead:
    """Another policy: why, and what we do; either versions on every target, or an error."""

    why: str
    versions: Mapping[str, str] | None = None
    error: type[BundlerError] | None = None
    message: str = ""


def _pip(**versions: str) -> Instead:
    why = "a specifier that names a pre-release lets all of them in, as pip does; uv prefers finals"
    return Instead(why, versions=versions)


def _lowest(forkdep: str) -> Instead:
    why = "there is no mode for lowest versions"
    return Instead(why, versions={"forkroot": "3.0.0", "forkdep": forkdep, "forkleaf": "1.1.0"})


def _no_wheel(message: str) -> Instead:
    why = "source distributions are not used: all targets need wheels, or there is no plan"
    return Instead(why, error=NoSolutionError, message=message)


_NOTHING = Instead(
    "a profile of which nothing applies anywhere is taken for a mistake",
    error=ProfileError,
    message="no requirement applies to any target",
)
_UNFIT = "would fit, but cannot be taken: 1.0.0: no wheel for this Python, only for "
_SDIST = "would fit, but cannot be taken: 1.0.0: a source distribution only, no wheel"

OTHER_POLICY = {
    "extras/lock-without-metadata": Instead(
        "its expectation is that of a workspace with members, groups and extras of its own",
        versions={"httpx": "1.0.0", "six": "1.0.0", "tqdm": "4.0.0"},
    ),
    "fork/conflict-in-fork": _NOTHING,
    "fork/lowest-direct-fork-max-python": _lowest("3.1"),
    "fork/lowest-fork-max-python": _lowest("3.1"),
    "fork/lowest-fork-min-python": _lowest("3.1"),
    "fork/remaining-universe-partitioning": _NOTHING,
    "fork/requires-python": _NOTHING,
    "fork/requires-python-full": _NOTHING,
    "fork/requires-python-patch-overlap": _NOTHING,
    "prereleases/package-prerelease-specified-mixed-available": _pip(a="1.0.0a1"),
    "prereleases/package-prereleases-specifier-boundary": _pip(a="0.2.0a1"),
    "prereleases/prerelease-base-extra-stable-preference-after-backtrack": _pip(
        a="1.0.0", c="2.0.0a1", d="1.0.0"
    ),
    "prereleases/prerelease-equivalent-stable-preference-explicit-first": _pip(c="2.0.0a1"),
    "prereleases/prerelease-equivalent-stable-preference-plain-first": _pip(c="2.0.0a1"),
    "prereleases/prerelease-extra-stable-preference": _pip(c="2.0.0a1"),
    "prereleases/prerelease-multiple-redundant-stable-preference": _pip(c="2.0.0a1"),
    "prereleases/prerelease-multiple-redundant-stable-preference-explicit-first": _pip(c="2.0.0a1"),
    "prereleases/prerelease-redundant-stable-preference-plain-first": _pip(c="2.0.0a1"),
    "prereleases/transitive-prerelease-equivalent-stable-preference-explicit-first": _pip(
        a="1.0.0", c="2.0.0a1"
    ),
    "prereleases/transitive-prerelease-equivalent-stable-preference-plain-first": _pip(
        a="1.0.0", c="2.0.0a1"
    ),
    "prereleases/transitive-prerelease-prefers-stable": _pip(a="1.0.0", c="2.0.0a1"),
    "requires_python/incompatible-python-compatible-override-available-no-wheels": _no_wheel(
        _SDIST
    ),
    "requires_python/incompatible-python-compatible-override-no-compatible-wheels": _no_wheel(
        _UNFIT
    ),
    "requires_python/incompatible-python-compatible-override-other-wheel": _no_wheel(
        "would fit, but cannot be taken: 2.0.0: it requires Python >=3.12; 1.0.0: a source dist"
    ),
    "tag_and_markers/requires-python-wheels": _no_wheel(_UNFIT),
    "tag_and_markers/unreachable-wheels": _no_wheel(
        "no solution for cp312-aarch64-apple-darwin:\n  c==1.0.0 (required by the profile)"
    ),
    "wheels/no-wheels": _no_wheel(_SDIST),
    "wheels/no-wheels-with-matching-platform": _no_wheel(_UNFIT),
    "wheels/only-wheels-no-binary": Instead(
        "there is no option against wheels", versions={"a": "1.0.0"}
    ),
    "yanked/transitive-yanked-and-unyanked-dependency": Instead(
        "a pin lets a yanked file in whoever has it, as PEP 592 says and pip does;"
        " uv wants the pin among the direct requirements",
        versions={"a": "1.0.0", "b": "1.0.0", "c": "2.0.0"},
    ),
}
PER_TARGET = {
    "fork/non-local-fork-marker-direct": {
        "x86_64-unknown-linux-gnu": {"a": "1.0.0", "c": "1.0.0"},
        "x86_64-pc-windows-msvc": {},
        "aarch64-apple-darwin": {"b": "1.0.0", "c": "2.0.0"},
    }
}
"""Conflicts of one lock for all targets, which are none for a lock of each target."""


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    with FakeIndex() as index:
        yield index


def _named(scenario: Scenario) -> str:
    return scenario.name


@absent
def test_all_scenarios_are_there_and_those_with_another_policy_exist() -> None:
    assert len(SCENARIOS) == 140
    assert OTHER_POLICY.keys() | PER_TARGET.keys() < {scenario.name for scenario in SCENARIOS}


@absent
@pytest.mark.parametrize("scenario", SCENARIOS, ids=_named)
def test_the_plan_is_what_the_scenario_expects(
    scenario: Scenario, index: FakeIndex, tmp_path: Path
) -> None:
    serve(scenario, index)
    store = BlobStore(tmp_path)
    instead = OTHER_POLICY.get(scenario.name)
    if instead is not None and instead.error is not None:
        with pytest.raises(instead.error) as caught:
            resolve(scenario, index, store)
        assert instead.message in caught.value.message
    elif instead is not None:
        found = pinned(resolve(scenario, index, store))
        assert found == dict.fromkeys(scenario.platforms, instead.versions)
    elif scenario.name in PER_TARGET:
        assert pinned(resolve(scenario, index, store)) == PER_TARGET[scenario.name]
    elif scenario.satisfiable:
        _check(scenario, pinned(resolve(scenario, index, store)))
    else:
        with pytest.raises(NoSolutionError, match=r"^no solution for "):
            resolve(scenario, index, store)


def _check(scenario: Scenario, found: Mapping[str, Mapping[str, str]]) -> None:
    """Each target has a part of a universal expectation; all of them together have all of it."""
    assert set(found) == set(scenario.platforms)
    if scenario.packages is not None:
        union = {name: version for pins in found.values() for name, version in pins.items()}
        assert union == scenario.packages
        for pins in found.values():
            assert pins.items() <= scenario.packages.items()
