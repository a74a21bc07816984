"""Killed at some of the steps, and at some moments; `python -m tests.fuzz.kill` takes all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.kill import Outcome, Sweep, Tally, run, sweeping


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    with sweeping(tmp_path_factory.mktemp("kill")) as made:
        yield made


@pytest.fixture(autouse=True)
def begin(sweep: Sweep) -> None:
    sweep.tally = Tally()


def test_what_was_unpacked_is_not_unpacked_again(sweep: Sweep) -> None:
    points = range(3, 200, 17)
    ends = [sweep.unpack(kill_at=point) for point in points]
    ends += [sweep.unpack(after=after) for after in (0.05, 0.15)]
    assert sweep.tally.faults == []
    assert sweep.tally.same == len(ends)
    assert sum(ends) > 6
    assert not sweep.unpack(kill_at=10_000), "the steps have an end"


def test_what_was_made_is_not_made_again(sweep: Sweep) -> None:
    ends = [sweep.create(kill_at=point) for point in (2, 45, 75, 100, 120, 135)]
    ends.append(sweep.create(after=0.8))
    assert sweep.tally.faults == []
    assert sweep.tally.same == len(ends)
    assert sum(ends) > 4


def test_a_fault_is_told(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "wanted", sweep.wanted | {"files/more": b"?"})
    outcome = Outcome(killed=True, blobs=(f"/x/{'a' * 64}",))
    monkeypatch.setattr("tests.fuzz.kill.run", lambda *_, **__: outcome)
    sweep.unpack(kill_at=1)
    differs, again = sweep.tally.faults
    assert differs.startswith("unpack, step 1, 0.000 s: the store differs: ")
    assert "files/more" in differs
    assert again == f"unpack, step 1, 0.000 s: done again or left over: /x/{'a' * 64}"
    assert str(sweep.tally).startswith("1 points, 1 killed, 0 resumes identical\n")


def test_a_run_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="error: "):
        run(("unpack", tmp_path / "none", "--into", tmp_path / "mirror"), tmp_path)
