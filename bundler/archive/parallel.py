"""Threads for unpacking: bounded in what waits for them, and stopped by the first failure."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Event
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias, TypeVar

Task: TypeAlias = Callable[[Event], None]
"""Work for a thread; it may raise `StoppedError` once the event is set."""

LEAST: Final = 256 << 10
"""Bytes that every task counts for, however few it holds: so few tasks wait."""


class StoppedError(Exception):
    """Raised in a task to leave early, because another task has failed."""


class Crew:
    """Threads that do tasks; a context manager that waits for all of them.

    Whoever gathers what a task will need calls `room` for it first. After the first failure, tasks
    that wait are not begun any more; it is raised once, after every thread has ended.
    """

    def __init__(self, workers: int, memory: int) -> None:
        """`memory` is how many bytes wait for the threads, or are with them."""
        self._pool = ThreadPoolExecutor(workers)
        self._memory = memory
        self._held = 0
        self._changed = Condition()
        self._stop = Event()
        self._failures: list[BaseException] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stop.set()
        self._pool.shutdown()
        if error is None and self._failures:
            raise self._failures[0]

    def room(self, size: int) -> None:
        """Wait until a task may hold `size` bytes, and count them; more than all by itself.

        Raises:
            BaseException: the first failure of a task.
        """
        size = max(size, LEAST)
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + size <= self._memory)
            self._held += size
        if self._failures:
            raise self._failures[0]

    def begin(self, size: int, task: Task) -> None:
        """Have a task done, for which there was room of `size` bytes."""
        self._pool.submit(self._run, size, task)

    def _run(self, size: int, task: Task) -> None:
        try:
            if not self._stop.is_set():
                task(self._stop)
        except StoppedError:
            pass  # only a failure before it can have stopped a task
        except BaseException as error:  # noqa: BLE001 - it is raised again where somebody sees it
            self._failures.append(error)
            self._stop.set()
        finally:
            with self._changed:
                self._held -= max(size, LEAST)
                self._changed.notify()


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
