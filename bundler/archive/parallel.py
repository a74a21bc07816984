"""Threads for packing and unpacking: bounded, ordered, and stopped by the first failure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition, Event
from types import TracebackType
from typing import Protocol, Self, TypeVar

T = TypeVar("T")

# Frames differ in size a thousandfold: while one thread is busy with a large one, the others need
# enough to do.
_AHEAD = 4

WINDOW_MEMORY = 300_000_000
"""For the windows of all (de)compressors together: two of the largest, or many small ones."""


class StoppedError(Exception):
    """Raised in a task to leave early, because another task has failed."""


def in_order(
    tasks: Iterable[Callable[[Event], T]],
    workers: int,
) -> Generator[T, None, None]:
    """Run tasks in threads and yield their results in the order of the tasks.

    At most `4 * workers` tasks are taken ahead of the result that is yielded next. Each task gets
    an event that tells it to stop; it may raise `StoppedError` then. The first
    failure, of a task or of `tasks` itself, is raised here once, after every thread has ended.
    """
    stop = Event()
    failures: list[BaseException] = []
    pending: deque[Future[T]] = deque()

    def run(task: Callable[[Event], T]) -> T:
        if stop.is_set():
            raise StoppedError
        try:
            return task(stop)
        except StoppedError:
            raise
        except BaseException as error:
            failures.append(error)
            stop.set()
            raise

    pool = ThreadPoolExecutor(workers)
    try:
        for task in tasks:
            pending.append(pool.submit(run, task))
            if failures:
                raise failures[0]
            if len(pending) > _AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except StoppedError:
        # Only a failure before it can have stopped a task.
        raise failures[0] from None
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


class Budget:
    """Memory that tasks share: whoever finds too little left waits."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._changed = Condition()

    @contextmanager
    def hold(self, amount: int) -> Iterator[None]:
        """Hold `amount` bytes; more than the total is granted to one holder alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + amount <= self._total)
            self._used += amount
        try:
            yield
        finally:
            with self._changed:
                self._used -= amount
                self._changed.notify_all()


class Closeable(Protocol):
    """Whatever is closed at the end."""

    def close(self) -> None:
        """Let go of memory and files; a second call does nothing."""
        ...


C = TypeVar("C", bound=Closeable)


class Leftovers:
    """A context manager that closes at its end what was added and not released before."""

    def __init__(self) -> None:
        self._open: set[Closeable] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._open:
            self._open.pop().close()

    def add(self, thing: C) -> C:
        """Take `thing` into care."""
        self._open.add(thing)
        return thing

    def release(self, thing: Closeable) -> None:
        """Close `thing` now."""
        self._open.discard(thing)
        thing.close()
