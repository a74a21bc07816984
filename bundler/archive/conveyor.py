"""An iterator that works in a thread of its own, some items ahead of whoever takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_AHEAD = 32
"""Items: 8 MiB of chunks, so that neither waits for the other at once."""
_POLL = 0.05
"""Seconds between two looks at a thread that shall end."""


class _End:
    """The last thing on the belt."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Conveyor(Generic[T]):
    """Takes items from an iterable in a thread; a context manager, so that the thread ends.

    What the iterable raises is raised to the taker, behind the items before it.
    """

    def __init__(self, items: Iterable[T], give_up: Callable[[], None] = lambda: None) -> None:
        """`give_up` is called when the taker leaves early, and ends what `items` may wait for."""
        self._items = items
        self._give_up = give_up
        self._belt: Queue[T | _End] = Queue(_AHEAD)
        self._stopped = self._done = False
        self._thread = Thread(target=self._run, name="conveyor")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._done:
            self._stopped = True
            self._give_up()
        while self._thread.is_alive():
            try:
                self._belt.get(timeout=_POLL)
            except Empty:
                continue
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        """The items; once."""
        while True:
            item = self._belt.get()
            if isinstance(item, _End):
                self._done = True
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _run(self) -> None:
        try:
            for item in self._items:
                if self._stopped:
                    return
                self._belt.put(item)
        except BaseException as error:  # noqa: BLE001 - raised to the taker
            self._belt.put(_End(error))
        else:
            self._belt.put(_End())
