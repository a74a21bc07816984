"""Planning in a process of its own, so that it does not keep Python's lock from downloads.

The process is a fork of this one. The two talk in pickled messages over a pair of sockets that has
no name, so nobody else can write to it. What crosses, in this order: events and likely files, the
plan; the documents back; and that they are proven, or what went wrong.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias, cast

from bundler.errors import BundlerError
from bundler.events import Event, Observer
from bundler.model.manifest import ProjectDocument
from bundler.model.plan import Plan, PlannedFile
from bundler.resolve.planner import Planner
from bundler.resolve.resolution import Likely

_GRACE: Final = 2.0
"""Seconds in which a planner that was closed has to end, and to remove what is half-written."""

_SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM})

MakePlanner: TypeAlias = Callable[[Observer], AbstractContextManager[Planner]]
"""Called where the planning is done."""

Documents: TypeAlias = Sequence[ProjectDocument]


class PlanningFaultError(Exception):
    """A fault of this program in the other process, with the traceback from there."""


@dataclass(frozen=True, slots=True)
class _Proven:
    """The documents are enough."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """An exception that nobody has foreseen."""

    trace: str


_Told: TypeAlias = Event | PlannedFile | Plan | _Proven
_Message: TypeAlias = _Told | _Fault | BundlerError | OSError


@contextmanager
def planner_beside(make: MakePlanner, observe: Observer) -> Iterator[Planner]:
    """A planner in a process of its own; here, where a process cannot be forked safely.

    A fork has one thread. Locks that others held stay locked in it for ever, so there must be no
    others, and only Linux tells of all of them. On macOS the system's libraries start some.
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


def has_one_thread(tasks: Path = Path("/proc/self/task")) -> bool:
    """Whether this process surely has no other thread, be it one of Python or of a library."""
    try:
        return len(list(tasks.iterdir())) == 1
    except OSError:
        return False


class ProcessPlanner:
    """Implements `Planner`; the work begins at once, before anybody asks for the plan."""

    def __init__(self, make: MakePlanner, observe: Observer) -> None:
        """Fork; `observe` is called by whoever asks for the plan, in that thread."""
        self._observe = observe
        context = get_context("fork")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, self._connection, make), name="planning", daemon=True
        )
        # Else a Ctrl-C could come before the other process has said that it takes none.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()

    def plan(self, likely: Likely) -> Plan:
        """See `Planner`; also BundlerError if the other process has died."""
        return cast("Plan", self._await(likely))

    def prove(self, documents: Documents) -> None:
        """See `Planner`; also BundlerError if the other process has died."""
        with suppress(ConnectionError):  # what it has said before counts
            self._connection.send(tuple(documents))
        self._await(lambda _file: None)

    def close(self) -> None:
        """End the other process, at the latest after twice the time that it is given."""
        self._connection.close()
        self._process.join(2 * _GRACE)
        self._process.kill()
        self._process.join()

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
            message = cast("_Message", self._connection.recv())
        except (EOFError, ConnectionError) as error:
            raise self._died() from error
        if isinstance(message, _Fault):
            raise PlanningFaultError(message.trace)
        if isinstance(message, Exception):
            raise message
        return message

    def _died(self) -> BundlerError:
        self._process.join(_GRACE)
        code = self._process.exitcode
        how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
        return BundlerError(
            f"the process that makes the plan has ended before its work ({how})",
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


def _work(connection: Connection, other_end: Connection, make: MakePlanner) -> None:
    """All that the other process does."""
    # Both come to everyone at a terminal, and what they mean is the first process's to say: it
    # closes the connection.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    gc.freeze()  # what the first process has made is not looked at, so it stays shared
    other_end.close()
    voice = _Voice(connection)
    try:
        _plan_and_prove(connection, voice, make)
    except (BundlerError, OSError) as error:
        voice.say(error)
    except Exception:  # noqa: BLE001 - it is raised again where somebody sees it
        voice.say(_Fault(traceback.format_exc()))


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
