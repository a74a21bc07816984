from __future__ import annotations

import os
import pwd

import pytest

from bundler.errors import BundlerError
from bundler.mirror.account import become


def _uid(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: number)


def test_root_must_name_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    _uid(monkeypatch, 0)
    with pytest.raises(BundlerError, match="must not run as root") as caught:
        become(None)
    assert "--user NAME" in (caught.value.hint or "")
    become("root")


def test_others_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    _uid(monkeypatch, 1234)
    become(None)


def test_an_account_that_is_not_there() -> None:
    with pytest.raises(BundlerError, match="there is no account nobody-at-all on this host"):
        become("nobody-at-all")


def test_rights_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    _uid(monkeypatch, 0)
    account = pwd.getpwnam("nobody")
    done: list[object] = []
    readable = [True, True, True, False]
    monkeypatch.setattr(os, "initgroups", lambda *words: done.append(words))
    monkeypatch.setattr(os, "setgid", done.append)
    monkeypatch.setattr(os, "setuid", done.append)
    monkeypatch.setattr(os, "access", lambda _path, _mode: readable.pop(0))
    become("nobody")
    # The account last: without root's rights, the groups could not be changed.
    assert done == [("nobody", account.pw_gid), account.pw_gid, account.pw_uid]
    with pytest.raises(BundlerError, match=r"nobody cannot read .*account\.py, which this program"):
        become("nobody")


def test_who_is_not_root_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_words: object) -> None:
        raise PermissionError

    _uid(monkeypatch, 1234)
    monkeypatch.setattr(os, "initgroups", refuse)
    with pytest.raises(BundlerError, match="only root can become nobody"):
        become("nobody")
