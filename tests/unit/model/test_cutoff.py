from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from bundler.model.cutoff import cutoff_at, parse_cutoff

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7 days", datetime(2026, 5, 25, 12, tzinfo=UTC)),
        ("1 hour", datetime(2026, 6, 1, 11, tzinfo=UTC)),
        ("2 weeks", datetime(2026, 5, 18, 12, tzinfo=UTC)),
        ("0 days", NOW),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        (date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        (
            datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=2))),
            datetime(2026, 3, 1, 8, tzinfo=UTC),
        ),
    ],
)
def test_what_is_meant(value: object, expected: datetime) -> None:
    assert cutoff_at(parse_cutoff(value), NOW) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "7",
        "7 moons",
        "-7 days",
        "7  days",
        "123456 days",
        "\u0667 days",
        "yesterday",
        7,
        None,
        True,
    ],
)
def test_what_is_no_cutoff(value: object) -> None:
    with pytest.raises(ValueError, match='give an age such as "7 days", a date or a time'):
        parse_cutoff(value)


@pytest.mark.parametrize("value", ["2026-03-01T10:00:00", datetime(2026, 3, 1)])  # noqa: DTZ001 - the missing zone is what is tested
def test_a_time_needs_a_zone(value: object) -> None:
    with pytest.raises(ValueError, match='the time has no zone: write a "Z" behind it for UTC'):
        parse_cutoff(value)
