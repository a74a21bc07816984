"""A wrong clock on the far side: python-tuf, which reads it there, is told another time."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest
from tuf.ngclient._internal import trusted_metadata_set


def set_clock(monkeypatch: pytest.MonkeyPatch, time: dt.datetime) -> None:
    """Let the far side's clock say `time`."""

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Clock:
            return cls.fromtimestamp(time.timestamp(), tz)

    fake = SimpleNamespace(datetime=Clock, timezone=dt.timezone)
    monkeypatch.setattr(trusted_metadata_set, "datetime", fake)
