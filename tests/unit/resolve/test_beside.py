from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bundler.errors import BundlerError, DigestMismatchError, NoSolutionError, ProfileError
from bundler.events import Event, Noticed, Observer, ignore
from bundler.forks import FaultError, has_one_thread
from bundler.inputs.read import read_inputs
from bundler.model.manifest import ProjectDocument
from bundler.model.plan import Plan, PlannedFile
from bundler.resolve import beside
from bundler.resolve.beside import ProcessPlanner, planner_beside
from bundler.resolve.planner import DirectPlanner, Planner
from bundler.resolve.request import make_request
from bundler.resolve.resolution import Likely
from bundler.upstream.faults import AnswerError
from bundler.upstream.retry import TransientError
from tests.fakes.planning import NOW, MemoryIndex, profile

EMPTY = Plan(targets=(), files=(), locks={}, metadata={}, statuses={})
SOON = 10.0  # seconds, on a slow machine


def _nothing() -> None:
    pass


@dataclass
class Script:
    """A planner that does what a test says, in whichever process it is."""

    observe: Observer
    planning: Callable[[], None] = _nothing
    proving: Callable[[], None] = _nothing
    closing: Callable[[], None] = _nothing
    closed: threading.Event = field(default_factory=threading.Event)

    def plan(self, likely: Likely) -> Plan:  # noqa: ARG002 - the seam's signature
        self.planning()
        self.observe(Noticed(str(os.getpid())))
        return EMPTY

    def prove(self, documents: Sequence[ProjectDocument]) -> None:  # noqa: ARG002 - as above
        self.proving()

    def close(self) -> None:
        self.closed.set()
        self.closing()


@contextmanager
def scripted(
    planning: Callable[[], None] = _nothing,
    proving: Callable[[], None] = _nothing,
    closing: Callable[[], None] = _nothing,
    observe: Observer = ignore,
) -> Iterator[ProcessPlanner]:
    """A planner in a process of its own, which is gone at the end."""

    @contextmanager
    def make(inner: Observer) -> Iterator[Planner]:
        yield Script(inner, planning, proving, closing)

    with closing_soon(ProcessPlanner(make, observe)) as planner:
        yield planner
    assert multiprocessing.active_children() == []
    with pytest.raises(ChildProcessError):  # nor is there a zombie
        os.waitpid(-1, os.WNOHANG)


def failing(step: str, fail: Callable[[], None]) -> AbstractContextManager[ProcessPlanner]:
    return scripted(fail) if step == "plan" else scripted(proving=fail)


@contextmanager
def closing_soon(planner: ProcessPlanner) -> Iterator[ProcessPlanner]:
    with closing(planner):
        yield planner
        began = time.monotonic()
    assert time.monotonic() - began < SOON


def plan_and_prove(planner: Planner) -> None:
    planner.plan(lambda _file: None)
    planner.prove([])


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def direct(index: MemoryIndex) -> Callable[[Observer], DirectPlanner]:
    wanted = profile("a")
    request = make_request(wanted, read_inputs(wanted, Path()), NOW)
    return lambda observe: DirectPlanner(request, None, index, "test 1", observe)


# The same as here.


def test_a_plan_from_another_process_is_the_same() -> None:
    index = MemoryIndex()
    index.add("a", "1", "b", requires_python=">=3.8")
    index.add("b", "2")
    make = direct(index)

    @contextmanager
    def entered(observe: Observer) -> Iterator[Planner]:
        yield make(observe)

    here: tuple[list[Event], list[PlannedFile]] = [], []
    there: tuple[list[Event], list[PlannedFile]] = [], []
    expected = make(here[0].append).plan(here[1].append)
    with closing_soon(ProcessPlanner(entered, there[0].append)) as planner:
        got = planner.plan(there[1].append)
        with pytest.raises(BundlerError, match="cannot be installed from the bundle alone") as said:
            planner.prove([])
    assert got == expected
    assert got.locks
    assert got.metadata
    assert there[0] == here[0]
    assert sorted(f.remote.filename for f in there[1]) == sorted(f.remote.filename for f in here[1])
    assert there[1]
    assert said.value.hint == "please report this: the bundle was not signed"


def test_a_proof_needs_a_plan() -> None:
    planner = direct(MemoryIndex())(ignore)
    with pytest.raises(ValueError, match="nothing was planned"):
        planner.prove([])
    planner.close()


def test_it_works_in_another_process_and_tells_of_it() -> None:
    told: list[Event] = []
    with scripted(observe=told.append) as planner:
        assert planner.plan(lambda _file: None) == EMPTY
        planner.prove([])
    (notice,) = told
    assert isinstance(notice, Noticed)
    assert int(notice.message) != os.getpid()


@pytest.mark.parametrize("name", ["works_here", "works_alone"])
def test_where_it_works(name: str) -> None:
    """In a process of its own: this one has threads of those who run tests side by side."""
    code = f"from tests.unit.resolve.test_beside import {name}; {name}()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def works_here() -> None:
    """With other threads."""
    leave = threading.Event()
    thread = threading.Thread(target=leave.wait)
    alone = has_one_thread()
    thread.start()
    told: list[Event] = []

    @contextmanager
    def make(observe: Observer) -> Iterator[Planner]:
        yield Script(observe)

    try:
        assert not has_one_thread()
        with planner_beside(make, told.append) as planner:
            planner.plan(lambda _file: None)
            assert isinstance(planner, Script)
    finally:
        leave.set()
        thread.join()
    assert alone
    assert told == [Noticed(str(os.getpid()))]


def works_alone() -> None:
    """Alone."""

    @contextmanager
    def make(observe: Observer) -> Iterator[Planner]:
        yield Script(observe)

    with planner_beside(make, ignore) as planner:
        assert isinstance(planner, ProcessPlanner)
        assert planner.plan(lambda _file: None) == EMPTY
    assert multiprocessing.active_children() == []


def test_where_threads_cannot_be_counted_there_may_be_some(tmp_path: Path) -> None:
    assert not has_one_thread(tmp_path / "absent")


# Errors.


@pytest.mark.parametrize(
    "error",
    [
        BundlerError("a", hint="b"),
        ProfileError("a"),
        NoSolutionError("a\n  b", hint="c"),
        DigestMismatchError("a"),
        AnswerError("a", hint="b", status=503),
        TransientError("a", after=1.5),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("step", ["plan", "prove"])
def test_errors_cross_whole(error: BundlerError, step: str) -> None:
    with failing(step, raising(error)) as planner, pytest.raises(type(error)) as caught:
        plan_and_prove(planner)
    assert type(caught.value) is type(error)
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)  # noqa: S301 - our own


def test_an_error_of_the_system_crosses_whole() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/some/where")
    with scripted(raising(error)) as planner, pytest.raises(OSError) as caught:
        planner.plan(lambda _file: None)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == "/some/where"


def test_what_cannot_be_built_is_told_when_the_plan_is_asked_for() -> None:
    @contextmanager
    def make(_observe: Observer) -> Iterator[Planner]:
        raise ProfileError("the seams cannot be built")
        yield

    with (
        closing_soon(ProcessPlanner(make, ignore)) as planner,
        pytest.raises(ProfileError, match="the seams cannot be built"),
    ):
        planner.plan(lambda _file: None)


def test_a_fault_shows_its_traceback() -> None:
    with (
        scripted(raising(ZeroDivisionError("nobody thought of it"))) as planner,
        pytest.raises(FaultError) as caught,
    ):
        planner.plan(lambda _file: None)
    shown = str(caught.value)
    assert shown.startswith("Traceback (most recent call last):")
    assert "in fail\n" in shown
    assert shown.endswith("ZeroDivisionError: nobody thought of it\n")


# The end of one or the other.


@pytest.mark.parametrize("step", ["plan", "prove"])
def test_a_killed_process_is_told(step: str) -> None:
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with failing(step, die) as planner, pytest.raises(BundlerError) as caught:
        plan_and_prove(planner)
    assert str(caught.value) == (
        "the process that makes the plan has ended before its work (SIGKILL)"
    )
    assert caught.value.hint == (
        "run the same command again; SIGKILL may mean that memory was short"
    )


def test_a_process_that_died_before_the_documents_came() -> None:
    with scripted() as planner:
        planner.plan(lambda _file: None)
        (process,) = multiprocessing.active_children()
        process.kill()
        process.join()
        with pytest.raises(BundlerError, match=r"before its work \(SIGKILL\)"):
            planner.prove([])


def test_a_process_that_leaves_is_told() -> None:
    with (
        scripted(lambda: os._exit(7)) as planner,
        pytest.raises(BundlerError, match=r"before its work \(exit code 7\)"),
    ):
        planner.plan(lambda _file: None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_leaves_signals_to_the_first_process(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with scripted(lambda: os.kill(os.getpid(), number)) as planner:
        assert planner.plan(lambda _file: None) == EMPTY
    assert signal.getsignal(number) is before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


def test_closed_while_it_plans(tmp_path: Path) -> None:
    leave = threading.Event()  # a copy of it in each process

    def stop() -> None:
        (tmp_path / "closed").touch()
        leave.set()

    with scripted(lambda: wait_for(leave), closing=stop):
        time.sleep(0.1)
    assert (tmp_path / "closed").exists()


def wait_for(event: threading.Event) -> None:
    assert event.wait(60)


@pytest.mark.parametrize("close", [_nothing, lambda: time.sleep(60)])
def test_closed_while_it_hangs(close: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "_GRACE", 0.2)
    with scripted(lambda: time.sleep(60), closing=close):
        pass


def test_closed_while_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "_GRACE", 0.2)
    with scripted(lambda: os.kill(os.getpid(), signal.SIGSTOP)):
        time.sleep(0.1)


PARENT = """
import os, time
from contextlib import contextmanager
from types import SimpleNamespace
from bundler.resolve.beside import ProcessPlanner

def plan(likely):
    print(os.getpid(), flush=True)
    time.sleep(60)

@contextmanager
def make(observe):
    yield SimpleNamespace(plan=plan, close=lambda: None)

ProcessPlanner(make, print)
time.sleep(60)
"""


def test_it_ends_when_the_first_process_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        began = time.monotonic()
        while running(child):
            assert time.monotonic() - began < SOON
            time.sleep(0.02)


def running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
