"""Journals with a clock that stands still, for tests."""

from __future__ import annotations

from datetime import UTC, datetime

from bundler.mirror.entry import Head, digest_of
from bundler.mirror.journal import Operator, read_history
from bundler.mirror.layout import Mirror

MOMENT = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
OPERATOR = Operator("olga", lambda: MOMENT)


def lines(mirror: Mirror) -> list[bytes]:
    """Every line of a journal, each with its end."""
    return mirror.journal.read_bytes().splitlines(keepends=True)


def phases(mirror: Mirror) -> list[tuple[str, str]]:
    """What was done, and how it ended, by line."""
    return [(entry.phase, entry.result) for entry in read_history(mirror).entries]


def head_of(written: list[bytes]) -> Head:
    """The head that stands beside `written`."""
    return Head(len(written), digest_of(written[-1]))
