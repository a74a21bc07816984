"""A program of ours in a process of its own, for what is shown bytes that anyone can have written.

It reads a line of JSON and writes another. It bounds its memory itself; whoever asks bounds its
time here. It gets neither this process's secrets nor a module from the folder it was started in.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final, cast

MOST_ANSWERED: Final = 24 << 20
"""Bytes of one answer; two million characters, as JSON may write them."""

_CHUNK: Final = 1 << 16
_KEPT: Final = ("PATH", "HOME", "LANG")


class NoAnswerError(Exception):
    """The process died, took too long, or said too much or what is no JSON."""


class Answerer:
    """One process, started with the first question, and again after one that it did not survive.

    Only one thread may ask at a time.
    """

    def __init__(self, program: Path, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        """`variables` are added to the little of the environment that the program gets."""
        self._program = program
        self._variables = variables
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether no process needs to be started for the next question."""
        return self._child is not None

    def ask(self, question: object, patience: float) -> object:
        """What it answers, as JSON is read; `patience` in seconds.

        Raises:
            NoAnswerError: if there is no answer; the next question goes to another process.
        """
        if self._child is None:
            self._child = self._start()
        try:
            answer: object = json.loads(_answer(self._child, json.dumps(question), patience))
        except (OSError, ValueError, RecursionError) as error:
            self.end()
            raise NoAnswerError from error
        return answer

    def end(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            with suppress(OSError):  # what was to be written can no longer be
                child.communicate()

    def _start(self) -> subprocess.Popen[bytes]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return subprocess.Popen(  # noqa: S603 - our own program, by its path
            [sys.executable, "-P", "-u", str(self._program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**kept, **self._variables},
        )


def _answer(child: subprocess.Popen[bytes], question: str, patience: float) -> bytes:
    """One line for another; empty when the process has ended, says too much or takes too long.

    No thread watches it: to start one would take longer than many an answer.
    """
    stdin, stdout = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)  # are pipes
    deadline, left, answer = time.monotonic() + patience, f"{question}\n".encode(), bytearray()
    os.set_blocking(stdin.fileno(), False)  # so that it cannot keep us by not reading
    while left and _is_ready(stdin, select.POLLOUT, deadline):
        left = left[os.write(stdin.fileno(), left) :]
    while not answer.endswith(b"\n"):
        ready = _is_ready(stdout, select.POLLIN, deadline)
        more = os.read(stdout.fileno(), _CHUNK) if ready else b""
        if not more or len(answer) > MOST_ANSWERED:
            return b""
        answer += more
    return bytes(answer)


def _is_ready(pipe: IO[bytes], event: int, deadline: float) -> bool:
    """Wait until one can write, or read; False when that is not so before the deadline."""
    poll = select.poll()
    poll.register(pipe, event)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
