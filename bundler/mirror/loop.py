"""An event loop that lets requests be answered before they come to it.

Granian reads requests in a thread of its own and hands each to the loop's thread: by
`call_soon_threadsafe`, with the coroutine that would answer it and an object that has its `scope`
and `proto`. To wake that thread costs a third of a page's time. So what can be answered at once is
answered in the thread that hands over. Whatever is handed over in another form, as another version
of granian may do, goes to the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from types import CoroutineType
from typing import TypeVarTuple

import uvloop
from granian import loops

from bundler.mirror.wire import Scope, Wire

_Arguments = TypeVarTuple("_Arguments")


class Loop(uvloop.Loop):
    """A loop whose application may set `at_once`: it says whether it answered a request."""

    at_once: Callable[[Scope, Wire], bool] | None = None

    def __init__(self) -> None:
        """A loop as uvloop makes it."""
        super().__init__()
        self._answered = asyncio.Handle(lambda: None, (), self)

    def call_soon_threadsafe(
        self,
        callback: Callable[[*_Arguments], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """As ever; but the coroutine of a request that is answered at once is not called."""
        if self.at_once is not None and args and isinstance(args[0], CoroutineType):
            scope, proto = getattr(args[-1], "scope", None), getattr(args[-1], "proto", None)
            if scope and proto and self._is_answered(scope, proto):
                args[0].close()
                return self._answered
        return super().call_soon_threadsafe(callback, *args, context=context)

    def _is_answered(self, scope: Scope, wire: Wire) -> bool:
        try:
            return self.at_once is not None and self.at_once(scope, wire)
        except Exception:  # noqa: BLE001 - raised again in the loop, which logs it and answers
            return False


@loops.register("auto")
def make_loop() -> asyncio.AbstractEventLoop:
    """The loop that granian's processes run on, once this module is imported."""
    loop = Loop()
    asyncio.set_event_loop(loop)
    return loop
