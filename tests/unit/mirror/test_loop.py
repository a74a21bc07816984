from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import dataclass, field

import pytest
from granian import _futures, loops

from bundler.mirror.loop import Loop
from bundler.mirror.wire import Scope, Wire
from tests.fakes.wire import FakeScope, FakeWire


@dataclass
class _Handed:
    """What granian hands over with the coroutine of a request."""

    scope: FakeScope = field(default_factory=FakeScope)
    proto: FakeWire = field(default_factory=FakeWire)
    tasks: list[object] = field(default_factory=list)

    def taskref(self, task: object) -> None:
        self.tasks.append(task)


@dataclass
class _Asked:
    """Says yes to one path, and where it was asked."""

    threads: list[int] = field(default_factory=list)

    def at_once(self, scope: Scope, wire: Wire) -> bool:
        self.threads.append(threading.get_ident())
        if scope.path == "/known":
            wire.response_bytes(200, [], b"known")
        return scope.path == "/known"


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def _hand_over(loop: Loop, handed: _Handed) -> None:
    """Do as granian does, in another thread, until the loop has nothing more to do."""
    begun: list[str] = []

    async def answer(watcher: _Handed) -> None:
        begun.append(watcher.scope.path)
        watcher.proto.response_bytes(200, [], b"later")

    # A version of granian that hands over otherwise is slower; this is to say so.
    schedule = _futures._cbsched_aioschedule(  # type: ignore[no-untyped-call]  # it has no types
        loop, copy_context(), answer
    )
    thread = threading.Thread(target=schedule, args=[handed])
    thread.start()
    thread.join()
    loop.run_until_complete(asyncio.sleep(0.01))


def test_what_is_known_never_comes_to_the_loop(loop: Loop) -> None:
    asked, handed = _Asked(), _Handed(FakeScope("/known"))
    loop.at_once = asked.at_once
    _hand_over(loop, handed)
    assert (handed.proto.body, handed.tasks) == (b"known", [])
    assert asked.threads != [threading.get_ident()]


def test_all_else_does(loop: Loop) -> None:
    for path, at_once in (("/other", _Asked().at_once), ("/known", None)):
        handed = _Handed(FakeScope(path))
        loop.at_once = at_once
        _hand_over(loop, handed)
        assert (handed.proto.body, len(handed.tasks)) == (b"later", 1)


def test_a_fault_is_the_loops_to_tell(loop: Loop) -> None:
    def fail(_scope: Scope, _wire: Wire) -> bool:
        raise ZeroDivisionError

    handed = _Handed(FakeScope("/known"))
    loop.at_once = fail
    _hand_over(loop, handed)
    assert (handed.proto.body, len(handed.tasks)) == (b"later", 1)


def test_other_calls_are_calls(loop: Loop) -> None:
    said: list[object] = []
    asked = _Asked()
    loop.at_once = asked.at_once

    async def nothing() -> None:
        said.append("nothing")

    coroutine = nothing()
    loop.call_soon_threadsafe(said.append, "one")
    loop.call_soon_threadsafe(lambda: said.append("two"))
    loop.call_soon_threadsafe(lambda task, _: said.append(loop.create_task(task)), coroutine, 3)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert said[:2] == ["one", "two"]
    assert said[-1] == "nothing"
    assert asked.threads == []


def test_granian_makes_such_a_loop() -> None:
    loop = loops.get("auto")
    assert isinstance(loop, Loop)
    assert asyncio.get_event_loop_policy().get_event_loop() is loop
    asyncio.set_event_loop(None)
    loop.close()
