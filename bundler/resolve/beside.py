"""Planning in a process of its own, so that it does not keep Python's lock from downloads.

What crosses, in this order: events and likely files, the plan; the documents back; and that they
are proven, or what went wrong.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Final, TypeAlias, cast

from bundler.errors import BundlerError
from bundler.events import Event, Observer
from bundler.forks import Fault, FaultError, Fork, has_one_thread
from bundler.model.manifest import ProjectDocument
from bundler.model.plan import Plan, PlannedFile
from bundler.resolve.planner import Planner
from bundler.resolve.resolution import Likely

_GRACE: Final = 2.0
"""Seconds in which a planner that was closed has to end, and to remove what is half-written."""

MakePlanner: TypeAlias = Callable[[Observer], AbstractContextManager[Planner]]
"""Called where the planning is done."""

Documents: TypeAlias = Sequence[ProjectDocument]


@dataclass(frozen=True, slots=True)
class _Proven:
    """The documents are enough."""


_Told: TypeAlias = Event | PlannedFile | Plan | _Proven
_Message: TypeAlias = _Told | Fault | BundlerError | OSError


@contextmanager
def planner_beside(make: MakePlanner, observe: Observer) -> Iterator[Planner]:
    """A planner in a process of its own; here, where a process cannot be forked safely.

    That is `bundler.forks.has_one_thread`'s to say.
    """
    if not has_one_thread():
        with make(observe) as planner:
            yield planner
        return
    process = ProcessPlanner(make, observe)
    try:
        yield process
    finally:
        process.close()


class ProcessPlanner:
    """Implements `Planner`; the work begins at once, before anybody asks for the plan."""

    def __init__(self, make: MakePlanner, observe: Observer) -> None:
        """Fork; `observe` is called by whoever asks for the plan, in that thread."""
        self._observe = observe
        self._fork = Fork(partial(_work, make=make), "planning")

    def plan(self, likely: Likely) -> Plan:
        """See `Planner`; also BundlerError if the other process has died."""
        return cast("Plan", self._await(likely))

    def prove(self, documents: Documents) -> None:
        """See `Planner`; also BundlerError if the other process has died."""
        with suppress(ConnectionError):  # what it has said before counts
            self._fork.connection.send(tuple(documents))
        self._await(lambda _file: None)

    def close(self) -> None:
        """End the other process, at the latest after twice the time that it is given."""
        self._fork.close(2 * _GRACE)

    def _await(self, likely: Likely) -> Plan | _Proven:
        """Pass on what is told until there is a result."""
        while True:
            match self._receive():
                case Plan() | _Proven() as result:
                    return result
                case PlannedFile() as file:
                    likely(file)
                case event:
                    self._observe(event)

    def _receive(self) -> _Told:
        """The next message; raises those that are errors."""
        try:
            message = cast("_Message", self._fork.connection.recv())
        except (EOFError, ConnectionError) as error:
            raise self._died() from error
        if isinstance(message, Fault):
            raise FaultError(message.trace)
        if isinstance(message, Exception):
            raise message
        return message

    def _died(self) -> BundlerError:
        return BundlerError(
            f"the process that makes the plan has ended before its work ({self._fork.end(_GRACE)})",
            hint="run the same command again; SIGKILL may mean that memory was short",
        )


class _Voice:
    """What the other process says, from any of its threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._turn = threading.Lock()

    def say(self, message: _Message) -> None:
        """Send a message whole; if nobody listens any more, this process is about to end."""
        with self._turn, suppress(ConnectionError):
            self._connection.send(message)


def _work(connection: Connection, make: MakePlanner) -> None:
    """All that the other process does."""
    voice = _Voice(connection)
    try:
        _plan_and_prove(connection, voice, make)
    except (BundlerError, OSError) as error:
        voice.say(error)
    except Exception:  # noqa: BLE001 - it is raised again where somebody sees it
        voice.say(Fault(traceback.format_exc()))


def _plan_and_prove(connection: Connection, voice: _Voice, make: MakePlanner) -> None:
    documents: SimpleQueue[Documents | None] = SimpleQueue()
    with make(voice.say) as planner:
        threading.Thread(
            target=_listen, args=(connection, documents, planner), name="listen", daemon=True
        ).start()
        voice.say(planner.plan(voice.say))
        if (made := documents.get()) is not None:
            planner.prove(made)
            voice.say(_Proven())


def _listen(
    connection: Connection, documents: SimpleQueue[Documents | None], planner: Planner
) -> None:
    """Hand over what comes, and end this process once the connection has ended."""
    with suppress(EOFError, OSError):
        while True:
            documents.put(cast("Documents", connection.recv()))
    last = threading.Timer(_GRACE, os._exit, (1,))
    last.daemon = True
    last.start()
    documents.put(None)
    planner.close()
