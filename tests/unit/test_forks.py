from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pytest

from bundler.errors import BundlerError, DamagedError
from bundler.forks import FaultError, Forks, answering

A = TypeVar("A")
SOON = 10.0  # seconds, on a slow machine


@contextmanager
def forks(answer: Callable[[int], A], count: int = 2) -> Iterator[Forks[int, A]]:
    """Such forks, which are gone at the end."""
    made = Forks(answer, "test", count)
    try:
        yield made
    finally:
        began = time.monotonic()
        made.close()
    assert time.monotonic() - began < SOON
    assert multiprocessing.active_children() == []


def where(_number: int) -> int:
    return os.getpid()


def test_questions_are_answered_in_as_many_processes_as_there_are() -> None:
    both = threading.Barrier(2)

    def ask(number: int) -> int:
        both.wait(SOON)
        return two.ask(number)

    def slowly(number: int) -> int:
        time.sleep(0.2)
        return where(number)

    with forks(slowly) as two, ThreadPoolExecutor(2) as pool:
        found = set(pool.map(ask, range(2)))
    assert len(found) == 2
    assert os.getpid() not in found


def test_each_question_gets_its_own_answer() -> None:
    with forks(lambda number: number * number) as two, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(two.ask, range(300))) == [number * number for number in range(300)]


@pytest.mark.parametrize("error", [DamagedError("a", hint="b"), OSError(28, "full", "/there")])
def test_errors_are_raised_where_it_was_asked(error: Exception) -> None:
    def fail(_number: int) -> int:
        raise error

    with forks(fail) as two, pytest.raises(type(error)) as caught:
        two.ask(1)
    assert str(caught.value) == str(error)


def test_a_fault_shows_its_traceback_and_ends_nothing() -> None:
    with forks(lambda number: 6 // number, 1) as one:
        with pytest.raises(FaultError, match=r"(?s)Traceback.*ZeroDivisionError"):
            one.ask(0)
        assert one.ask(2) == 3


def test_what_a_fork_died_of_is_done_here() -> None:
    here = os.getpid()

    def die_elsewhere(number: int) -> int:
        if number == 0 and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    with forks(die_elsewhere, 1) as one:
        assert one.ask(1) != here
        assert one.ask(0) == here
        assert one.ask(1) == here  # nobody else is left


def test_ctrl_c_is_for_the_first_process() -> None:
    def interrupted(_number: int) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return "still here"

    with forks(interrupted, 1) as one:
        assert one.ask(1) == "still here"


def test_closed_while_one_is_busy() -> None:
    with forks(lambda _number: time.sleep(60), 1) as one, ThreadPoolExecutor(1) as pool:
        busy = pool.submit(one._forks[0].connection.send, 1)
        busy.result()


def test_where_it_is_answered_when_there_are_threads() -> None:
    leave = threading.Event()
    other = threading.Thread(target=leave.wait)
    other.start()
    try:
        with answering(where, "test") as ask:
            assert ask(1) == os.getpid()
    finally:
        leave.set()
        other.join()


_ALONE = """
import os
from bundler.forks import answering
with answering(lambda number: (number, os.getpid()), "test") as ask:
    number, process = ask(7)
print(number, process != os.getpid())
"""

_KILLED = """
import os, signal, sys, time
from bundler.forks import Forks
Forks(lambda number: number, "test", 3)
print("begun", flush=True)
time.sleep(60)
"""


def test_where_it_is_answered_when_there_are_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ALONE], capture_output=True, text=True, check=True
    )
    assert done.stdout == "7 True\n"


def test_forks_end_with_the_process_that_made_them() -> None:
    with subprocess.Popen([sys.executable, "-c", _KILLED], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.kill()
        began = time.monotonic()
        # They have the other end of this pipe as well: it ends with the last of them.
        assert process.stdout.read() == b""
    assert time.monotonic() - began < SOON


def test_an_error_needs_no_hint_to_cross() -> None:
    def fail(_number: int) -> int:
        raise BundlerError("a")

    with forks(fail, 1) as one, pytest.raises(BundlerError) as caught:
        one.ask(1)
    assert caught.value.hint is None
