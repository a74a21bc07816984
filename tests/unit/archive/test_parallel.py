from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from threading import Event, Thread, active_count

import pytest

from bundler.archive.parallel import LEAST, Crew, Leftovers, StoppedError, Task


def do(crew: Crew, size: int, tasks: Iterable[Task]) -> None:
    for task in tasks:
        crew.room(size)
        crew.begin(size, task)


def fails(_stop: Event) -> None:
    raise LookupError("a task")


def is_stopped(stop: Event) -> None:
    assert stop.wait(5)
    raise StoppedError


def is_done(_stop: Event) -> None:
    pass


@pytest.mark.parametrize("workers", [1, 3])
def test_every_task_is_done(workers: int) -> None:
    done: list[int] = []
    with Crew(workers, 4 * LEAST) as crew:
        do(crew, 1, [lambda _stop: done.append(1)] * 50)
    assert len(done) == 50


@pytest.mark.parametrize(("size", "most"), [(5 * LEAST, 2), (1, 10), (11 * LEAST, 1)])
def test_no_more_waits_than_there_is_room_for(size: int, most: int) -> None:
    go, begun, ended = Event(), list[int](), list[int]()

    def waits(_stop: Event) -> None:
        assert go.wait(5)
        ended.append(1)

    def gather(crew: Crew) -> None:
        for _ in range(20):
            crew.room(size)
            begun.append(1)
            crew.begin(size, waits)

    with Crew(1, 10 * LEAST) as crew:
        thread = Thread(target=gather, args=(crew,))
        thread.start()
        thread.join(0.1)
        assert len(begun) == most
        go.set()
        thread.join(5)
    assert len(begun) == len(ended) == 20


def test_the_first_failure_stops_the_others_and_is_raised_once() -> None:
    ran: list[int] = []
    before = active_count()
    with pytest.raises(LookupError, match="a task"), Crew(2, 1 << 30) as crew:
        do(crew, 1, [is_stopped, fails, *[lambda _stop: ran.append(1)] * 100])
    assert len(ran) < 3
    assert active_count() == before


def test_whoever_waits_for_room_hears_of_a_failure() -> None:
    begun: list[Task] = []

    def tasks() -> Iterator[Task]:
        for task in (fails, *[is_done] * 99):
            begun.append(task)
            yield task

    with pytest.raises(LookupError, match="a task"), Crew(1, LEAST) as crew:
        do(crew, LEAST, tasks())
    assert len(begun) < 100


def test_a_failure_of_whoever_gathers_stops_the_tasks() -> None:
    before = active_count()

    def gather(crew: Crew) -> None:
        do(crew, 1, [is_stopped, is_stopped])
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"), Crew(2, 1 << 30) as crew:
        gather(crew)
    assert active_count() == before


def test_leftovers_are_closed() -> None:
    with Leftovers() as leftovers:
        released, left = leftovers.add(io.BytesIO()), leftovers.add(io.BytesIO())
        leftovers.release(released)
        assert (released.closed, left.closed) == (True, False)
    assert left.closed
