"""What people and programs see: lines, bars, JSON, errors; and never a control character."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from rich.console import Console as RichConsole

from bundler.cli.console import Console, console
from bundler.cli.results import Said
from bundler.errors import (
    BundlerError,
    DamagedError,
    DigestMismatchError,
    IncompleteError,
    NetworkError,
    NoSolutionError,
    NotFoundError,
    ProfileError,
    RefusedError,
    TrustError,
)
from bundler.events import Advanced, Event, Finished, Noticed, Started

HOSTILE = "red\x1b[31m \x1b]0;title\x07 back\x08 \u202egnp.exe\x9b2J\r"
ESCAPED = "red\\u001b[31m \\u001b]0;title\\u0007 back\\u0008 \\u202egnp.exe\\u009b2J\\u000d"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")
TERMINAL_CODE = re.compile(r"\x1b\[\??[0-9;]*[A-Za-z]")

Capture = pytest.CaptureFixture[str]


@dataclass(frozen=True, slots=True)
class Screen:
    """A console of ours on a terminal, or on a file, that a test can read."""

    console: Console
    written: io.StringIO

    def text(self) -> str:
        """What was written, without the codes that draw on a terminal."""
        return TERMINAL_CODE.sub("", self.written.getvalue())


def screen(*, terminal: bool, as_json: bool = False, quiet: bool = False) -> Screen:
    written = io.StringIO()
    stderr = RichConsole(
        file=written, force_terminal=terminal, width=100, highlight=False, soft_wrap=True,
        color_system="standard" if terminal else None,
    )  # fmt: skip
    return Screen(Console(as_json=as_json, quiet=quiet, stderr=stderr), written)


def run(action: Callable[[Console], None], *, as_json: bool = False, quiet: bool = False) -> int:
    """The exit code of a command whose body is `action`."""
    try:
        with console(as_json=as_json, quiet=quiet) as out:
            action(out)
    except typer.Exit as end:
        return int(end.exit_code)
    return 0


def raising(error: BaseException) -> Callable[[Console], None]:
    def action(_out: Console) -> None:
        raise error

    return action


PHASES: tuple[Event, ...] = (
    Started("fetch", 1_500_000),
    Advanced("fetch", 500_000),
    Started("check wheels", 3, "wheels"),
    Noticed("the index is slow today"),
    Advanced("check wheels", 3),
    Finished("check wheels"),
    Advanced("fetch", 1_000_000),
    Finished("fetch", "2 wheels"),
    Started("count"),
    Advanced("count", 7),
    Finished("count", "7 of them"),
)


def test_plain_lines() -> None:
    shown = screen(terminal=False)
    for event in PHASES:
        shown.console.observe(event)
    assert shown.written.getvalue().splitlines() == [
        "fetch: 1.5 MB",
        "check wheels: 3 wheels",
        "note: the index is slow today",
        "check wheels: done",
        "fetch: done, 2 wheels",
        "count: done, 7 of them",
    ]


def test_a_long_line_is_not_broken() -> None:
    shown = screen(terminal=False)
    shown.console.observe(Noticed("word " * 60 + "end"))
    assert len(shown.written.getvalue().splitlines()) == 1


def test_square_brackets_are_text() -> None:
    shown = screen(terminal=False)
    shown.console.observe(Noticed("fastapi[standard] [red]not red[/red]"))
    shown.console.say("[bold]uvicorn[/bold]")
    assert shown.written.getvalue().splitlines() == [
        "note: fastapi[standard] [red]not red[/red]",
        "[bold]uvicorn[/bold]",
    ]


def test_bars_on_a_terminal() -> None:
    shown = screen(terminal=True)
    with shown.console.showing():
        for event in PHASES:
            shown.console.observe(event)
    last = [line.rstrip() for line in shown.text().splitlines()]
    assert "note: the index is slow today" in last
    fetch = next(line for line in reversed(last) if line.lstrip().startswith("fetch"))
    assert "1.5/1.5 MB" in fetch
    assert fetch.endswith("2 wheels")
    wheels = next(line for line in reversed(last) if line.lstrip().startswith("check wheels"))
    assert "3/3" in wheels
    count = next(line for line in reversed(last) if line.lstrip().startswith("count"))
    assert "7 of them" in count


def test_a_total_that_is_known_later() -> None:
    shown = screen(terminal=True)
    with shown.console.showing():
        for event in (Started("fetch"), Advanced("fetch", 500), Started("fetch", 2000)):
            shown.console.observe(event)
    lines = [line for line in shown.text().splitlines() if line.lstrip().startswith("fetch")]
    assert "0.5/2.0 kB" in lines[-1]


def test_progress_that_goes_back_is_shown_so() -> None:
    shown = screen(terminal=True)
    with shown.console.showing():
        for event in (Started("fetch", 1000), Advanced("fetch", 600), Advanced("fetch", -400)):
            shown.console.observe(event)
    assert "0.2/1.0 kB" in shown.text().splitlines()[-1]


def test_bars_end_before_the_result(capsys: Capture) -> None:
    shown = screen(terminal=True)
    with shown.console.showing():
        shown.console.observe(Started("fetch", 10))
        shown.console.result(Said("done", {}))
        before = shown.written.getvalue()
        shown.console.observe(Advanced("fetch", 10))
    assert capsys.readouterr().out == "done\n"
    assert shown.written.getvalue() == before


def test_the_cursor_comes_back_after_an_error() -> None:
    shown = screen(terminal=True)
    with suppress(TrustError), shown.console.showing():
        shown.console.observe(Started("fetch", 10))
        raise TrustError("no")
    hidden, visible = "\x1b[?25l", "\x1b[?25h"
    drawn = shown.written.getvalue()
    assert hidden in drawn
    assert drawn.rindex(visible) > drawn.rindex(hidden)


@pytest.mark.parametrize("terminal", [False, True])
def test_events_of_several_threads(*, terminal: bool) -> None:
    shown = screen(terminal=terminal)
    start = threading.Barrier(8)

    def work(number: int) -> None:
        phase = f"phase{number}"
        start.wait()
        shown.console.observe(Started(phase, 100, "steps"))
        for _ in range(100):
            shown.console.observe(Advanced(phase, 1))
        shown.console.observe(Finished(phase, f"end{number}"))

    with shown.console.showing():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = shown.text().splitlines()
    for number in range(8):
        if terminal:
            mine = [line for line in lines if line.lstrip().startswith(f"phase{number}")]
            assert "100/100" in mine[-1]
            assert mine[-1].rstrip().endswith(f"end{number}")
        else:
            assert f"phase{number}: 100 steps" in lines
            assert f"phase{number}: done, end{number}" in lines
    if not terminal:
        assert len(lines) == 16  # no line is torn, none is lost


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_shows_errors_only(*, terminal: bool) -> None:
    shown = screen(terminal=terminal, quiet=True)
    with shown.console.showing():
        for event in PHASES:
            shown.console.observe(event)
        shown.console.say("a line")
    assert shown.written.getvalue() == ""
    shown.console.fail("what happened", "what to do", "failed", 1)
    assert shown.text().splitlines() == ["error: what happened", "hint: what to do"]


@pytest.mark.parametrize("terminal", [False, True])
def test_foreign_text_commands_no_terminal(*, terminal: bool) -> None:
    shown = screen(terminal=terminal)
    with shown.console.showing():
        for event in (
            Started("fetch", 1),
            Finished("fetch", f"summary {HOSTILE}"),
            Noticed(f"notice {HOSTILE}"),
        ):
            shown.console.observe(event)
        shown.console.say(f"said {HOSTILE}")
    shown.console.fail(f"message {HOSTILE}", f"hint {HOSTILE}", "failed", 1)
    text = shown.text().replace("\r", "") if terminal else shown.text()
    assert CONTROL.findall(text) == []
    for word in ("summary", "notice", "said", "message", "hint"):
        assert f"{word} {ESCAPED}" in text


def test_a_result_for_people_and_for_programs(capsys: Capture) -> None:
    said = Said("two\nlines", {"number": 2, "names": ["ä", "\x1b"], "none": None})
    assert run(lambda out: out.result(said)) == 0
    assert capsys.readouterr().out == "two\nlines\n"
    assert run(lambda out: out.result(said), as_json=True) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"number": 2, "names": ["ä", "\x1b"], "none": None}
    assert CONTROL.findall(shown.out) == []
    assert shown.err == ""


@pytest.mark.parametrize(
    ("kind", "code", "exit_code"),
    [
        (BundlerError, "failed", 1),
        (ProfileError, "profile", 3),
        (NoSolutionError, "no-solution", 3),
        (RefusedError, "refused", 4),
        (TrustError, "trust", 4),
        (DamagedError, "damaged", 4),
        (DigestMismatchError, "digest-mismatch", 4),
        (IncompleteError, "incomplete", 5),
        (NetworkError, "network", 6),
        (NotFoundError, "not-found", 6),
    ],
)
def test_each_error_has_its_exit_code(
    capsys: Capture, kind: type[BundlerError], code: str, exit_code: int
) -> None:
    assert run(raising(kind("it is so", hint="do this")), as_json=True) == exit_code
    shown = capsys.readouterr()
    assert shown.err == "error: it is so\nhint: do this\n"
    assert json.loads(shown.out) == {
        "error": {
            "code": code, "exit-code": exit_code, "message": "it is so", "hint": "do this",
        }
    }  # fmt: skip


def test_an_error_without_a_hint(capsys: Capture) -> None:
    assert run(raising(BundlerError("it is so"))) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "error: it is so\n")
    assert run(raising(BundlerError("it is so")), as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["error"]["hint"] is None


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "hint: make room on that disk and run the same command again\n"),
        (errno.EACCES, "hint: check who owns it and who may read and write it\n"),
        (errno.EPERM, "hint: check who owns it and who may read and write it\n"),
        (errno.EROFS, "hint: that disk can only be read: name a place on another one\n"),
        (errno.EISDIR, "hint: it is a folder: name a file\n"),
        (errno.ENOTDIR, "hint: a part of that path is a file: name a folder\n"),
        (errno.EIO, ""),
    ],
)
def test_what_the_operating_system_refuses(capsys: Capture, number: int, hint: str) -> None:
    error = OSError(number, os.strerror(number), "/media/Disc 1/x.zst")
    assert run(raising(error)) == 1
    said = os.strerror(number).lower()
    assert capsys.readouterr().err == f"error: /media/Disc 1/x.zst: {said}\n{hint}"


def test_an_error_of_the_system_without_number_or_file(capsys: Capture) -> None:
    assert run(raising(OSError("Something odd"))) == 1
    assert capsys.readouterr().err == "error: something odd\n"


def test_a_file_that_is_not_there(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "Missing"
    assert run(lambda _out: print(path.read_bytes()), as_json=True) == 1
    shown = capsys.readouterr()
    assert shown.err == (
        f"error: {path}: no such file or directory\n"
        "hint: check how it is spelt, and the folder that the path is seen from\n"
    )
    assert json.loads(shown.out)["error"]["code"] == "failed"


@pytest.mark.parametrize(
    ("hint", "shown"),
    [(None, "it is a folder: name a file"), ("ask Ben", "ask Ben")],
)
def test_an_error_that_the_system_has_caused(capsys: Capture, hint: str | None, shown: str) -> None:
    error = BundlerError("x cannot be read", hint=hint)
    error.__cause__ = IsADirectoryError(errno.EISDIR, "Is a directory")
    assert run(raising(error)) == 1
    assert capsys.readouterr().err == f"error: x cannot be read\nhint: {shown}\n"


def test_interrupted(capsys: Capture) -> None:
    assert run(raising(KeyboardInterrupt()), as_json=True) == 130
    shown = capsys.readouterr()
    assert (
        shown.err == "error: interrupted\nhint: run the same command again; it goes on from there\n"
    )
    assert json.loads(shown.out)["error"]["code"] == "interrupted"
    assert json.loads(shown.out)["error"]["exit-code"] == 130


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError("a bug")))


def test_a_command_without_progress_draws_nothing() -> None:
    shown = screen(terminal=True)
    with shown.console.showing():
        time.sleep(0.3)
    assert shown.written.getvalue() == ""


def test_a_result_commands_no_terminal(capsys: Capture) -> None:
    assert run(lambda out: out.result(Said(HOSTILE, {}))) == 0
    assert ESCAPED in capsys.readouterr().out


def test_a_result_that_cannot_be_written_says_so() -> None:
    script = "from bundler.cli.main import main; main()"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", script, "init", "/nowhere/x.toml", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)


def test_nobody_reads_the_result(tmp_path: Path) -> None:
    script = "from bundler.cli.main import main; main()"
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, "init", str(tmp_path / "x.toml")],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
    assert (tmp_path / "x.toml").exists()


def test_a_full_disk_behind_stdout(tmp_path: Path) -> None:
    script = "from bundler.cli.main import main; main()"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", script, "init", str(tmp_path / "x.toml")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "the result cannot be written to standard output: No space left" in done.stderr
    assert "what the command made is there all the same" in done.stderr
