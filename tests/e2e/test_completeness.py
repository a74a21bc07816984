"""What we plan is enough: uv finds a solution among the planned files wherever it finds one at all.

uv resolves each scenario for each of its targets against the whole index; we plan for those targets
at once; then uv resolves again against an index that has the planned files only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from bundler.archive.store import BlobStore
from bundler.errors import NoSolutionError, ProfileError
from tests.fakes.index import FakeIndex
from tests.fakes.scenarios import (
    FOLDER,
    Scenario,
    pinned,
    planned_files,
    resolve,
    scenarios,
    serve,
)
from tests.fakes.uv import uv_resolve

SCENARIOS = list(scenarios())

PIP_FINDS_ONE = {"yanked/transitive-yanked-and-unyanked-dependency"}
"""uv finds no solution, yet pip does, and so do we: a dependency pins a yanked version."""

SOLVABLE, HOPELESS = 174, 52
"""Pairs of a scenario and a platform for which uv finds a solution, and for which it finds none."""

PRE_RELEASES = 15
"""Pairs that name a pre-release: pip and we take the newest, uv the newest final version."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A scenario on one platform: what uv makes of it, and what we do."""

    scenario: Scenario
    platform: str
    whole: Mapping[str, str] | None
    planned: Mapping[str, str] | None
    again: Mapping[str, str] | None

    @property
    def name(self) -> str:
        return f"{self.scenario.name} on {self.platform}"


@pytest.mark.skipif(not SCENARIOS, reason=f"no scenarios: {FOLDER} is not there")
def test_nothing_that_uv_needs_is_missing_from_a_plan(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(partial(_pairs, folder=tmp_path), SCENARIOS))
    pairs = [pair for outcome in outcomes for pair in outcome]
    solvable = [pair for pair in pairs if pair.whole is not None]
    assert [pair.name for pair in solvable if pair.planned is None] == []
    assert [pair.name for pair in solvable if pair.again is None] == []
    assert len(solvable) == SOLVABLE
    hopeless = [pair for pair in pairs if pair.whole is None]
    found = {pair.scenario.name for pair in hopeless if pair.planned is not None}
    assert found == PIP_FINDS_ONE
    assert len(hopeless) == HOPELESS
    different = [pair for pair in solvable if not pair.whole == pair.planned == pair.again]
    assert {pair.scenario.name.split("/")[0] for pair in different} == {"prereleases"}
    assert len(different) == PRE_RELEASES


def _pairs(scenario: Scenario, folder: Path) -> list[Pair]:
    with FakeIndex() as index:
        serve(scenario, index)
        ask = _asker(scenario, index, folder / "uv-cache")
        whole = {platform: ask(platform) for platform in scenario.platforms}
        solvable = tuple(platform for platform, pins in whole.items() if pins is not None)
        # Targets without a solution would take the others' away: all or nothing.
        alone = [(platform,) for platform, pins in whole.items() if pins is None]
        planned, files = _plan(scenario, solvable, index, folder)
        for platforms in alone:
            planned |= _plan(scenario, platforms, index, folder)[0]
    with FakeIndex() as index:
        serve(scenario, index, files)
        ask = _asker(scenario, index, folder / "uv-cache")
        again = {platform: ask(platform) for platform in solvable}
    return [Pair(scenario, name, whole[name], planned.get(name), again.get(name)) for name in whole]


def _plan(
    scenario: Scenario, platforms: tuple[str, ...], index: FakeIndex, folder: Path
) -> tuple[dict[str, dict[str, str]], frozenset[str]]:
    """What each platform gets, none where there is no solution; and all files."""
    if not platforms:
        return {}, frozenset()
    try:
        plan = resolve(replace(scenario, platforms=platforms), index, BlobStore(folder / "store"))
    except NoSolutionError:
        return {}, frozenset()
    except ProfileError:  # no requirement applies to any of them
        return {platform: {} for platform in platforms}, frozenset()
    return pinned(plan), planned_files(plan)


def _asker(
    scenario: Scenario, index: FakeIndex, cache: Path
) -> Callable[[str], dict[str, str] | None]:
    def ask(platform: str) -> dict[str, str] | None:
        return uv_resolve(
            scenario.requires,
            index_url=index.url,
            python=scenario.python,
            platform=platform,
            cache=cache,
        )

    return ask
