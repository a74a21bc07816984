from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bundler.archive.conveyor import Conveyor


def test_items_come_in_order_from_another_thread() -> None:
    threads = set()

    def items() -> Iterator[int]:
        for number in range(100):
            threads.add(threading.current_thread())
            yield number

    with Conveyor(items()) as belt:
        assert list(belt) == list(range(100))
    assert threads.isdisjoint({threading.current_thread()})


def test_what_the_source_raises_comes_behind_its_items() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with Conveyor(items()) as belt:
        taken = iter(belt)
        assert next(taken) == 1
        with pytest.raises(LookupError, match="no more"):
            next(taken)


def test_leaving_early_ends_what_the_source_waits_for() -> None:
    given_up = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        given_up.wait(5)
        yield 2

    before = threading.active_count()
    with Conveyor(items(), given_up.set) as belt:
        assert next(iter(belt)) == 1
    assert given_up.is_set()
    assert threading.active_count() == before


def test_leaving_early_ends_a_source_without_end() -> None:
    def items() -> Iterator[int]:
        while True:
            yield 1

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), Conveyor(items()):
        raise KeyboardInterrupt
    assert threading.active_count() == before


def test_nobody_gives_up_after_the_end() -> None:
    def give_up() -> None:
        raise AssertionError

    with Conveyor(iter([1]), give_up) as belt:
        assert list(belt) == [1]
