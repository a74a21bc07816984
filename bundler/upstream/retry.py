"""When to ask again, and after how long."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from bundler.errors import NetworkError

Answer = TypeVar("Answer")


class TransientError(NetworkError):
    """It may work the next time.

    Attributes:
        after: Seconds that the server asked to wait (Retry-After), or None.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.after = after


def _pause(seconds: float, stop: threading.Event) -> None:
    stop.wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Exponential backoff with jitter.

    Attributes:
        attempts: How often to ask in all.
        base: Seconds before the second attempt; they double each time.
        limit: No pause is longer, whatever the server asks for.
        pause: Waits that many seconds, or until the event is set.
    """

    attempts: int = 5
    base: float = 0.5
    limit: float = 60.0
    pause: Callable[[float, threading.Event], None] = _pause

    def wait(self, failures: int, error: TransientError, stop: threading.Event) -> None:
        """Pause after the `failures`-th failure in a row.

        Raises:
            TransientError: `error`, when there were as many failures as attempts or `stop` is set.
        """
        if failures >= self.attempts or stop.is_set():
            raise error
        delay = self.base * 2 ** (failures - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        if error.after is not None:
            delay = max(error.after, self.base)
        self.pause(min(delay, self.limit), stop)
        if stop.is_set():
            raise error

    def run(self, action: Callable[[], Answer], stop: threading.Event) -> Answer:
        """What `action` returns, at the first attempt that does.

        Raises:
            TransientError: that of the last attempt.
        """
        failures = 0
        while True:
            try:
                return action()
            except TransientError as error:
                failures += 1
                self.wait(failures, error, stop)
