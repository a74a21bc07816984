from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.mirror.rates import PLACES, Bound


def _bound(rate: float, burst: int) -> Bound:
    return Bound(rate, burst, array("d", bytes(8 * PLACES)), b"secret")


def test_a_burst_and_then_the_steady_rate() -> None:
    bound = _bound(2, 3)
    assert [bound.wait("a", 100) for _ in range(3)] == [0, 0, 0]
    assert bound.blocked("a", 100) == pytest.approx(0.5)
    assert bound.wait("a", 100) == pytest.approx(0.5)
    # A refusal does not make the wait longer.
    assert bound.wait("a", 100) == pytest.approx(0.5)
    assert bound.wait("a", 100.5) == 0
    assert bound.wait("a", 100.5) == pytest.approx(0.5)
    assert bound.wait("b", 100.5) == 0


def test_after_a_pause_all_is_forgiven() -> None:
    bound = _bound(1, 2)
    bound.wait("a", 10)
    bound.wait("a", 10)
    assert bound.blocked("a", 10) > 0
    assert bound.blocked("a", 1000) == 0
    assert [bound.wait("a", 1000) for _ in range(2)] == [0, 0]


def test_processes_share_a_table() -> None:
    table = array("d", bytes(8 * PLACES))
    one, other = Bound(1, 1, table, b"secret"), Bound(1, 1, table, b"secret")
    assert one.wait("a", 5) == 0
    assert other.wait("a", 5) == pytest.approx(1)


@given(st.floats(0.1, 100), st.integers(1, 50), st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_never_more_than_the_bound(rate: float, burst: int, pauses: list[float]) -> None:
    bound = _bound(rate, burst)
    now, begun, passed = 1000.0, 1000.0, 0
    for pause in pauses:
        now += pause
        passed += bound.wait("a", now) == 0
    assert passed <= burst + rate * (now - begun) + 1e-6
