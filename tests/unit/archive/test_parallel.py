from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event

import pytest

from bundler.archive.parallel import (
    Budget,
    Leftovers,
    StoppedError,
    in_order,
)

Task = Callable[[Event], int]


def returns(number: int) -> Task:
    return lambda _stop: number


def test_results_come_in_the_order_of_the_tasks() -> None:
    second_done = Event()

    def first(_stop: Event) -> int:
        assert second_done.wait(5)
        return 1

    def second(_stop: Event) -> int:
        second_done.set()
        return 2

    assert list(in_order([first, second], 2)) == [1, 2]
    assert list(in_order([returns(n) for n in range(50)], 3)) == list(range(50))


def test_only_a_few_tasks_are_taken_ahead() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[Task]:
        for number in range(20):
            taken.append(number)
            yield returns(number)

    with closing(in_order(tasks(), 2)) as results:
        assert next(results) == 0
        assert taken == list(range(9))


def test_the_first_failure_stops_the_others_and_is_raised_once() -> None:
    ran: list[int] = []

    def waits(stop: Event) -> int:
        assert stop.wait(5)
        raise StoppedError

    def fails(_stop: Event) -> int:
        raise LookupError("the second one")

    def counts(_stop: Event) -> int:
        ran.append(1)
        return 0

    before = threading.active_count()
    with pytest.raises(LookupError, match="the second one"):
        list(in_order([waits, fails, *[counts] * 100], 2))
    assert len(ran) < 3
    assert threading.active_count() == before


def test_a_later_task_that_fails_stops_the_one_that_is_waited_for() -> None:
    nobody = Event()

    def waits(stop: Event) -> int:
        assert stop.wait(5)
        raise StoppedError

    def fails(_stop: Event) -> int:
        nobody.wait(0.05)
        raise LookupError("the later one")

    with pytest.raises(LookupError, match="the later one"):
        list(in_order([waits, fails], 2))


def test_after_a_failure_no_further_task_is_taken() -> None:
    failed = Event()

    def fails(_stop: Event) -> int:
        try:
            raise LookupError("at once")
        finally:
            failed.set()

    def waits(stop: Event) -> int:
        stop.wait(5)
        return 0

    def tasks() -> Iterator[Task]:
        yield waits
        yield fails
        assert failed.wait(5)
        while True:
            yield returns(0)

    with pytest.raises(LookupError, match="at once"):
        list(in_order(tasks(), 8))


def test_a_failure_of_the_source_of_tasks_ends_the_threads() -> None:
    def waits(stop: Event) -> int:
        stop.wait(5)
        return 0

    def tasks() -> Iterator[Task]:
        yield waits
        yield waits
        raise LookupError("no more")

    before = threading.active_count()
    with pytest.raises(LookupError, match="no more"):
        list(in_order(tasks(), 2))
    assert threading.active_count() == before


def test_a_queued_task_does_not_run_after_a_failure() -> None:
    ran: list[int] = []
    nobody = Event()

    def fails(_stop: Event) -> int:
        nobody.wait(0.05)
        raise LookupError

    def late(_stop: Event) -> int:
        ran.append(1)
        return 0

    with pytest.raises(LookupError):
        list(in_order([fails, late, late], 1))
    assert ran == []


def test_a_budget_makes_the_greedy_wait() -> None:
    budget = Budget(10)
    order: list[str] = []
    started = Event()

    def greedy() -> None:
        started.set()
        with budget.hold(6):
            order.append("second")

    thread = threading.Thread(target=greedy)
    with budget.hold(3), budget.hold(3):
        thread.start()
        assert started.wait(5)
        thread.join(0.05)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_a_budget_grants_the_impossible_to_one_alone() -> None:
    budget = Budget(10)
    with budget.hold(1000):
        pass
    with budget.hold(10):
        pass


def test_leftovers_are_closed() -> None:
    with Leftovers() as leftovers:
        released, left = leftovers.add(io.BytesIO()), leftovers.add(io.BytesIO())
        leftovers.release(released)
        assert (released.closed, left.closed) == (True, False)
    assert left.closed
