"""What people and programs see: progress and errors on stderr, results on stdout."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import typer
from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from bundler.errors import BundlerError
from bundler.events import Advanced, Event, Finished, Noticed, Observer, Started, ignore
from bundler.model.amount import counted, human_size
from bundler.model.canonical import Json
from bundler.report.text import printable

_NO_READER = 141  # what a shell reports for a program that SIGPIPE ended
_INTERRUPTED = 130  # what a shell reports for a program that SIGINT ended

_OWNED = "check who owns it and who may read and write it"
_HINTS = {
    errno.ENOSPC: "make room on that disk and run the same command again",
    errno.EACCES: _OWNED,
    errno.EPERM: _OWNED,
    errno.EROFS: "that disk can only be read: name a place on another one",
    errno.ENOENT: "check how it is spelt, and the folder that the path is seen from",
    errno.EISDIR: "it is a folder: name a file",
    errno.ENOTDIR: "a part of that path is a file: name a folder",
}
"""What to do, by what the operating system says."""


class Result(Protocol):
    """What a command gives back."""

    def to_json(self) -> Json:
        """One document for programs."""

    def to_text(self) -> str:
        """A few lines for people, without the last line's end."""


@contextmanager
def console(*, as_json: bool, quiet: bool) -> Iterator[Console]:
    """Run a command's body: show progress, and end with the exit code of whatever it raises."""
    stderr = RichConsole(stderr=True, highlight=False, soft_wrap=True)
    one = Console(as_json=as_json, quiet=quiet, stderr=stderr)
    try:
        with one.showing():
            yield one
    except BundlerError as error:
        cause = error.__cause__
        hint = error.hint or (_hint_for(cause) if isinstance(cause, OSError) else None)
        one.fail(error.message, hint, error.code, error.exit_code)
        raise typer.Exit(error.exit_code) from error
    except OSError as error:
        known = _describe_os_error(error)
        one.fail(known.message, known.hint, known.code, known.exit_code)
        raise typer.Exit(known.exit_code) from error
    except KeyboardInterrupt:
        one.fail(
            "interrupted",
            "run the same command again; it goes on from there",
            "interrupted",
            _INTERRUPTED,
        )
        raise typer.Exit(_INTERRUPTED) from None


class Console:
    """One command's way to its user."""

    def __init__(self, *, as_json: bool, quiet: bool, stderr: RichConsole) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._stderr = stderr
        self._bars: Progress | None = None
        if quiet:
            self.observe: Observer = ignore
        elif stderr.is_terminal:
            self._bars = _bars(stderr)
            self.observe = _BarObserver(self._bars)
        else:
            self.observe = _LineObserver(stderr)

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Bars live as long as the command does."""
        if self._bars is None:
            yield
        else:
            try:
                yield
            finally:
                self._bars.stop()

    def result(self, result: Result) -> None:
        """Print what the command found or made, on stdout."""
        if self._bars is not None:
            self._bars.stop()
        _print(
            json.dumps(result.to_json(), indent=2) if self._as_json else printable(result.to_text())
        )

    def say(self, line: str) -> None:
        """A line for people that belongs to no phase, on stderr; nothing with --quiet."""
        if not self._quiet:
            self._stderr.print(Text(printable(line)))

    def fail(self, message: str, hint: str | None, code: str, exit_code: int) -> None:
        """Say what went wrong: on stderr for people, with --json also on stdout for programs."""
        self._stderr.print(Text("error: ", style="bold red") + Text(printable(message)))
        if hint:
            self._stderr.print(Text("hint: ", style="bold") + Text(printable(hint)))
        if self._as_json:
            tell_programs(message, hint, code, exit_code)


def tell_programs(message: str, hint: str | None, code: str, exit_code: int) -> None:
    """Say what went wrong as one document on stdout."""
    error = {"code": code, "exit-code": exit_code, "message": message, "hint": hint}
    with suppress(BundlerError):  # it may be what failed
        _print(json.dumps({"error": error}, indent=2))


def _print(text: str) -> None:
    """Write a document to stdout.

    Raises:
        typer.Exit: if nobody reads any more, as when piped into `head`.
        BundlerError: if it cannot be written.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        # Else Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(_NO_READER) from None
        raise BundlerError(
            f"the result cannot be written to standard output: {error.strerror or error}",
            hint="what the command made is there all the same",
        ) from error


def _describe_os_error(error: OSError) -> BundlerError:
    where = f"{error.filename}: " if error.filename else ""
    message = f"{where}{(error.strerror or str(error)).lower()}"
    return BundlerError(message, hint=_hint_for(error))


def _hint_for(error: OSError) -> str | None:
    return None if error.errno is None else _HINTS.get(error.errno)


class _LineObserver:
    """Plain lines: one when a phase starts, one when it ends."""

    def __init__(self, stderr: RichConsole) -> None:
        self._stderr = stderr

    def __call__(self, event: Event) -> None:
        match event:
            case Started(phase, total, unit):
                if total is not None:
                    self._print(f"{phase}: {_amount(total, unit)}")
            case Finished(phase, summary):
                self._print(f"{phase}: done{f', {summary}' if summary else ''}")
            case Noticed(message):
                self._print(f"note: {message}")
            case Advanced():
                pass

    def _print(self, line: str) -> None:
        self._stderr.print(Text(printable(line)))


class _BarObserver:
    """A bar for each phase."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case Started(phase, total, unit) if phase in self._tasks:
                self._bars.update(self._tasks[phase], total=total, unit=unit)
            case Started(phase, total, unit):
                # Not before: a command that only runs others must not draw over them.
                self._bars.start()
                self._tasks[phase] = self._bars.add_task(phase, total=total, unit=unit, summary="")
            case Advanced(phase, amount):
                self._bars.advance(self._tasks[phase], amount)
            case Finished(phase, summary):
                self._bars.update(self._tasks[phase], summary=printable(summary))
            case Noticed(message):
                self._bars.console.print(Text(f"note: {printable(message)}"))


class _Amount(ProgressColumn):
    """Bytes as sizes, everything else as a count."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes, self._count = DownloadColumn(), MofNCompleteColumn()

    def render(self, task: Task) -> Text:
        return (self._bytes if task.fields["unit"] == "B" else self._count).render(task)


def _bars(stderr: RichConsole) -> Progress:
    return Progress(
        TextColumn("{task.description:>8}"),
        BarColumn(),
        _Amount(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[summary]}", markup=False),
        console=stderr,
    )


def _amount(total: int, unit: str) -> str:
    return human_size(total) if unit == "B" else counted(total, unit.removesuffix("s"))
