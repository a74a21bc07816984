"""READMEs as HTML, rendered in other processes with bounds on size, time and memory."""

from __future__ import annotations

import os
import queue
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bundler.answerer import Answerer, NoAnswerError
from bundler.mirror.web.markup import Html, element, raw

MAX_README: Final = 256 * 1024
"""Characters; what is longer is shown as plain text, cut there."""

MAX_RENDERED: Final = 2 * 1024 * 1024
"""Characters of HTML; more than that is shown as plain text."""

PATIENCE: Final = 3.0
"""Seconds for one; most take a few thousandths."""

MOST_GIVEN_UP: Final = 100
"""After so many that did not end in time, no more is rendered: someone wants to keep us busy."""

_START: Final = 20.0  # seconds to load the libraries

_PROGRAM: Final = Path(__file__).with_name("rendering.py")


class Readmes:
    """Renders READMEs for several threads; a context manager.

    A process is started with the first one that needs it, and again after one that it did not
    survive.
    """

    def __init__(
        self, workers: int | None = None, patience: float = PATIENCE, program: Path = _PROGRAM
    ) -> None:
        self._patience = patience
        self._given_up = 0
        self._idle = queue.SimpleQueue[Answerer]()
        self.processes = workers or len(os.sched_getaffinity(0))
        self._workers = [Answerer(program) for _ in range(self.processes)]
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.end()

    def render(self, kind: str, text: str) -> Html:
        """A README of a content type (core metadata, "Description-Content-Type").

        What cannot be rendered within the bounds is shown as the plain text that it is.
        """
        found = self._ask(kind, text) if len(text) <= MAX_README else None
        if found is not None and len(found) <= MAX_RENDERED:
            return raw(found)
        return element("pre", {"class": "plain"}, text[:MAX_README])

    def _ask(self, kind: str, text: str) -> str | None:
        worker = self._idle.get()
        try:
            if self._given_up >= MOST_GIVEN_UP:
                return None
            if not worker.is_running:
                worker.ask(["text/plain", ""], _START)
            # So all together take little longer than the first few.
            found = worker.ask([kind, text], self._patience / (1 + self._given_up))
            return found if isinstance(found, str) else None
        except NoAnswerError:
            self._given_up += 1
            return None
        finally:
            self._idle.put(worker)
