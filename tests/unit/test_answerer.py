from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundler.answerer import Answerer, NoAnswerError

LINES = "import json, os, sys, time\nfor line in sys.stdin:\n    asked = json.loads(line)\n    "


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Answerer]]:
    """Makes an answerer of what a program does for each line."""
    made: list[Answerer] = []

    def one(text: str, **variables: str) -> Answerer:
        path = tmp_path / f"{len(made)}.py"
        path.write_text(f"{LINES}{text}\n")
        made.append(Answerer(path, variables))
        return made[-1]

    yield one
    for each in made:
        each.end()


def test_a_line_for_a_line_from_one_process(start: Callable[..., Answerer]) -> None:
    answerer = start("print(json.dumps([os.getpid(), asked]), flush=True)")
    assert not answerer.is_running
    first, second = answerer.ask("a\nb", 20), answerer.ask({"é": None}, 20)
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert (first[1], second[1]) == ("a\nb", {"é": None})
    assert first[0] == second[0]
    assert answerer.is_running
    answerer.end()
    assert not answerer.is_running
    third = answerer.ask(1, 20)
    assert isinstance(third, list)
    assert third[0] != first[0]


@pytest.mark.parametrize(
    "evil",
    [
        "sys.exit(1)",
        "print('{', flush=True)",
        "print(flush=True)",
        "print('[' * 100_000, flush=True)",
        "os.write(1, b'\\xff\\n')",
        "os.close(1)",
    ],
)
def test_no_answer_costs_the_process(start: Callable[..., Answerer], evil: str) -> None:
    answerer = start(f"if asked: {evil}\n    else: print('\"good\"', flush=True)")
    for _ in range(2):
        assert answerer.ask(0, 20) == "good"
        with pytest.raises(NoAnswerError):
            answerer.ask(1, 3)
        assert not answerer.is_running


def test_one_that_takes_too_long_is_ended(start: Callable[..., Answerer]) -> None:
    answerer = start("time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(NoAnswerError):
        answerer.ask("x", 0.3)
    assert time.monotonic() - began < 20


def test_one_that_never_listens(tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text("import sys\nsys.stdin.close()\n")
    answerer = Answerer(tmp_path / "deaf.py")
    with pytest.raises(NoAnswerError):
        answerer.ask("x" * 1_000_000, 20)


def test_it_gets_what_it_is_given_and_no_secret(
    start: Callable[..., Answerer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNDLER_PASSPHRASE", "secret")
    monkeypatch.setenv("PATH", "/one:/two")
    found = start("print(json.dumps(dict(os.environ)), flush=True)", GIVEN="yes").ask(0, 20)
    assert isinstance(found, dict)
    assert (found["PATH"], found["GIVEN"]) == ("/one:/two", "yes")
    assert "BUNDLER_PASSPHRASE" not in found


def test_nothing_is_loaded_from_where_it_was_started(
    start: Callable[..., Answerer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zebra.py").write_text("")
    monkeypatch.chdir(tmp_path)
    answerer = start("__import__(asked); print(1, flush=True)")
    assert answerer.ask("json", 20) == 1
    with pytest.raises(NoAnswerError):
        answerer.ask("zebra", 20)
