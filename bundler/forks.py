"""Work in forks of this process: each has a lock of Python's own, so none waits for another.

A process and its fork talk in pickled messages over a pair of sockets that has no name, so nobody
else can write to it, and both ends are one program. A fork has one thread, and locks that others
held stay locked in it for ever; so where there are others, none is made. Python only counts its
own; on Linux the system tells of all. On macOS the system's libraries start some.
"""

from __future__ import annotations

import gc
import os
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Generic, TypeAlias, TypeVar, cast

from bundler.errors import BundlerError

_SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM})

_MOST: Final = 8
"""Forks; more would wait for the disk."""

Q = TypeVar("Q")
A = TypeVar("A")


class FaultError(Exception):
    """A fault of this program in another process, with the traceback from there."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An exception that nobody has foreseen, as what crosses."""

    trace: str


def has_one_thread(tasks: Path = Path("/proc/self/task")) -> bool:
    """Whether this process surely has no other thread, be it one of Python or of a library."""
    try:
        return len(list(tasks.iterdir())) == 1
    except OSError:
        return False


class Fork:
    """A fork of this process.

    Attributes:
        connection: To the other process; when this end is closed, by whatever, the other reads
            `EOFError`.
    """

    def __init__(
        self, work: Callable[[Connection], None], name: str, foreign: Iterable[Connection] = ()
    ) -> None:
        """Begin `work`; it gets the other end of the connection, and takes no Ctrl-C.

        Args:
            work: What the other process does.
            name: Of the process, for people.
            foreign: Connections that it inherits, and which would not end while it has them.
        """
        context = get_context("fork")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_begin,
            args=(work, theirs, (self.connection, *foreign)),
            name=name,
            daemon=True,
        )
        # Else a Ctrl-C could come before the other process has said that it takes none.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()

    def close(self, grace: float) -> None:
        """End the connection, and the process after `grace` seconds if it has not ended."""
        self.connection.close()
        self._process.join(grace)
        self._process.kill()
        self._process.join()

    def end(self, grace: float) -> str:
        """How it has ended, in words; `grace` seconds are given for that."""
        self._process.join(grace)
        code = self._process.exitcode
        return f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name


def _begin(
    work: Callable[[Connection], None], connection: Connection, foreign: Iterable[Connection]
) -> None:
    # Both come to everyone at a terminal, and what they mean is the first process's to say: it
    # closes the connection.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    gc.freeze()  # what the first process has made is not looked at, so it stays shared
    for each in foreign:
        each.close()
    work(connection)


@contextmanager
def answering(answer: Callable[[Q], A], name: str) -> Iterator[Callable[[Q], A]]:
    """The same function, for several threads to call, which works in forks where it can.

    There is one for each processor. It raises what `answer` raises.
    """
    if not has_one_thread():
        yield answer
        return
    forks = Forks(answer, name, min(_MOST, len(os.sched_getaffinity(0))))
    try:
        yield forks.ask
    finally:
        forks.close()


@dataclass(frozen=True, slots=True)
class _Answer(Generic[A]):
    value: A


_Said: TypeAlias = "_Answer[A] | Fault | BundlerError | OSError"


class Forks(Generic[Q, A]):
    """So many forks that answer questions, each one at a time."""

    def __init__(self, answer: Callable[[Q], A], name: str, count: int) -> None:
        """Fork."""
        self._answer = answer
        self._forks: list[Fork] = []
        self._idle = SimpleQueue[Fork | None]()
        for number in range(1, count + 1):
            before = [fork.connection for fork in self._forks]
            fork = Fork(partial(_answer_all, answer=answer), f"{name} {number}", before)
            self._forks.append(fork)
            self._idle.put(fork)

    def ask(self, question: Q) -> A:
        """What `answer` says or raises; said here where a fork has died of whatever it was."""
        fork = self._idle.get()
        said: _Said[A] | None = None
        try:
            said = _asked(fork, question) if fork else None
        finally:
            self._idle.put(fork if said else None)
        match said:
            case None:
                return self._answer(question)
            case _Answer(value):
                return value
            case Fault(trace):
                raise FaultError(trace)
            case error:
                raise error

    def close(self) -> None:
        """End them all, whatever they do."""
        for fork in self._forks:
            fork.close(0)


def _asked(fork: Fork, question: object) -> _Said[A] | None:
    """None if it has died."""
    try:
        fork.connection.send(question)
        return cast("_Said[A]", fork.connection.recv())
    except (EOFError, ConnectionError):
        return None


def _answer_all(connection: Connection, answer: Callable[[Q], A]) -> None:
    with suppress(EOFError, ConnectionError):  # nobody asks any more
        while True:
            connection.send(_said(answer, connection.recv()))


def _said(answer: Callable[[Q], A], question: Q) -> _Said[A]:
    try:
        return _Answer(answer(question))
    except (BundlerError, OSError) as error:
        return error
    except Exception:  # noqa: BLE001 - it is raised again where somebody sees it
        return Fault(traceback.format_exc())
