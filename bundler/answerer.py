"""A program of ours in a process of its own, for what is shown bytes that anyone can have written.

It reads a line of JSON and writes another. It bounds its memory itself; whoever asks bounds its
time here. It gets neither this process's secrets nor a module from the folder it was started in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final, cast

_KEPT: Final = ("PATH", "HOME", "LANG")


class NoAnswerError(Exception):
    """The process died, was ended as it took too long, or said what is no JSON."""


class Answerer:
    """One process, started with the first question, and again after one that it did not survive.

    Only one thread may ask at a time.
    """

    def __init__(self, program: Path, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        """`variables` are added to the little of the environment that the program gets."""
        self._program = program
        self._variables = variables
        self._child: subprocess.Popen[str] | None = None

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

    def _start(self) -> subprocess.Popen[str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return subprocess.Popen(  # noqa: S603 - our own program, by its path
            [sys.executable, "-P", "-u", str(self._program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**kept, **self._variables},
            text=True,
            encoding="utf-8",
        )


def _answer(child: subprocess.Popen[str], question: str, patience: float) -> str:
    """One line for another; empty when the process ended, or was ended as it took too long."""
    stdin, stdout = cast("IO[str]", child.stdin), cast("IO[str]", child.stdout)  # both are pipes
    watch = threading.Timer(patience, child.kill)
    watch.start()
    try:
        stdin.write(f"{question}\n")
        stdin.flush()
        return stdout.readline()
    finally:
        watch.cancel()
