"""Times in a profile: a cutoff, which is a point in time or an age, and how long a role is good."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_AGE = re.compile(r"(\d{1,5}) (hour|day|week)s?", re.ASCII)
_UNITS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_LONGEST = timedelta(days=3650)

Cutoff = timedelta | datetime
"""An age, or a time with its zone."""


def parse_cutoff(value: object) -> Cutoff:
    """Read `7 days`, `2026-11-01`, `2026-11-01T12:00:00Z`, or the like as a TOML date or time.

    A date means its first moment in UTC.

    Raises:
        ValueError: if it is none of these, or a time without a zone.
    """
    if isinstance(value, str):
        if age := _AGE.fullmatch(value):
            return int(age[1]) * _UNITS[age[2]]
        try:
            value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError('the time has no zone: write a "Z" behind it for UTC')
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError('give an age such as "7 days", a date or a time such as 2026-11-01T12:00:00Z')


def parse_lifetime(text: str) -> timedelta:
    """Read `180 days` and the like.

    Raises:
        ValueError: if it is none, no time at all, or longer than ten years.
    """
    age = _AGE.fullmatch(text)
    if age is None:
        raise ValueError('give an age such as "180 days"')
    found = int(age[1]) * _UNITS[age[2]]
    if not timedelta() < found <= _LONGEST:
        raise ValueError(f"give more than nothing, and {_LONGEST.days} days at most")
    return found


def cutoff_at(cutoff: Cutoff, now: datetime) -> datetime:
    """The point in time that is meant."""
    return now - cutoff if isinstance(cutoff, timedelta) else cutoff
