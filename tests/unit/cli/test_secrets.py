"""Where passphrases come from, and what is said when there is no way."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest
import typer

from bundler.cli.secrets import ask_secrets, new_passphrase
from bundler.errors import BundlerError


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("BUNDLER_PASSPHRASE"):
            monkeypatch.delenv(name)


class _Terminal:
    """Somebody sits there and types `answers`, each asked for once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self.asked: list[str] = []
        self.options: dict[str, object] = {}
        self._answers = list(answers)
        monkeypatch.setattr(typer, "prompt", self._prompt)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    def _prompt(self, what: str, **options: object) -> str:
        assert options["hide_input"] is True
        assert options["err"] is True
        self.asked.append(what)
        self.options = options
        return self._answers.pop(0)


def test_a_secret_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal(monkeypatch, "one", "two")
    ask = ask_secrets(None)
    what = "passphrase of /keys/ana.key", "pin of hsm:2?label=x"
    assert [ask(each) for each in (*what, *what)] == ["one", "two", "one", "two"]
    assert terminal.asked == list(what)


def test_a_keys_own_variable_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNDLER_PASSPHRASE", "of all")
    monkeypatch.setenv("BUNDLER_PASSPHRASE_MY_KEY", "own")
    ask = ask_secrets(None)
    assert ask("passphrase of /keys/my-key.key") == "own"
    assert ask("passphrase of /keys/other.key") == "of all"
    assert new_passphrase("my-key", None) == "own"


def test_an_empty_secret_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _Terminal(monkeypatch, "", "")
    with pytest.raises(BundlerError, match=r"the passphrase of /a\.key is empty"):
        ask_secrets(None)("passphrase of /a.key")
    with pytest.raises(BundlerError, match="the new passphrase of a is empty"):
        new_passphrase("a", None)


def test_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    ways: tuple[Callable[[], str], ...] = (
        lambda: ask_secrets(None)("pin of hsm:"),
        lambda: new_passphrase("a", None),
    )
    for ask in ways:
        with pytest.raises(BundlerError, match="and there is nobody to ask") as caught:
            ask()
        assert "--passphrase-fd" in str(caught.value.hint)


def test_a_new_passphrase_is_typed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal(monkeypatch, "typed")
    assert new_passphrase("a", None) == "typed"
    assert terminal.options["confirmation_prompt"] is True
