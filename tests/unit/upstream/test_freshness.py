from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.upstream.freshness import (
    LONGEST,
    RELEVANT,
    conditions,
    is_fresh,
    may_keep,
    refreshed,
)

NOON = 1_790_000_000.0
VALUES = st.text(st.characters(max_codepoint=255), max_size=30) | st.sampled_from(
    ["max-age=600", "no-cache", "0", '"x"', formatdate(NOON, usegmt=True), "*", "9" * 5000]
)


def date(offset: float) -> str:
    return formatdate(NOON + offset, usegmt=True)


def life(**headers: str) -> int:
    """For how many seconds an answer of noon is fresh, to ten seconds."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fresh = [n for n in range(0, 2 * LONGEST, 10) if is_fresh(named, NOON, NOON + n)]
    assert fresh == list(range(0, 10 * len(fresh), 10))
    return 10 * len(fresh)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"cache_control": "max-age=60"}, 60),
        ({"cache_control": 'public, Max-Age="60" , private'}, 60),
        ({"cache_control": "max-age=31536000, immutable"}, LONGEST),
        ({"cache_control": "max-age=" + "9" * 5000}, LONGEST),
        ({"cache_control": "max-age=60, max-age=30"}, 30),
        ({"cache_control": "max-age=-1"}, 0),
        ({"cache_control": "max-age=soon"}, 0),
        ({"cache_control": "max-age"}, 0),
        ({"cache_control": "max-age=60, no-cache"}, 0),
        ({"cache_control": 'max-age=60, x="no-cache"'}, 60),
        ({"cache_control": "s-maxage=60"}, 0),
        ({"cache_control": "max-age=60", "age": "20"}, 40),
        ({"cache_control": "max-age=60", "age": "20, 30"}, 0),
        ({"cache_control": "max-age=60", "date": date(-20)}, 40),
        ({"cache_control": "max-age=60", "date": date(+900)}, 60),
        ({"cache_control": "max-age=60", "date": "yesterday"}, 60),
        ({"cache_control": "max-age=60", "expires": date(900)}, 60),
        ({"expires": date(60)}, 60),
        ({"expires": date(60), "date": date(0)}, 60),
        ({"expires": date(900), "date": date(840)}, 60),
        ({"expires": "0"}, 0),
        ({"last_modified": date(-1_000_000)}, 0),
    ],
)
def test_lifetimes(headers: dict[str, str], seconds: int) -> None:
    assert life(**headers) == seconds


def test_a_clock_that_was_set_back_makes_stale() -> None:
    assert not is_fresh({"cache-control": "max-age=60"}, NOON, NOON - 1)


@pytest.mark.parametrize(
    ("headers", "keep"),
    [
        ({}, True),
        ({"cache-control": "private, max-age=1"}, True),
        ({"cache-control": "No-Store"}, False),
        ({"vary": "Accept, Accept-Encoding"}, True),
        ({"vary": "accept, *"}, False),
        ({"vary": "Cookie"}, False),
    ],
)
def test_what_may_be_kept(headers: dict[str, str], keep: bool) -> None:  # noqa: FBT001 - a table
    assert may_keep(headers) is keep


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({}, {}),
        ({"etag": '"a"'}, {"If-None-Match": '"a"'}),
        ({"etag": 'W/"a"'}, {"If-None-Match": 'W/"a"'}),
        ({"etag": "a"}, {}),
        ({"etag": '"\xe4"'}, {}),
        ({"last-modified": date(0)}, {"If-Modified-Since": date(0)}),
        ({"last-modified": "long ago"}, {}),
        ({"last-modified": "\xa0" + date(0)}, {}),
    ],
)
def test_conditions(headers: dict[str, str], asked: dict[str, str]) -> None:
    assert conditions(headers) == asked


def test_a_304_renews_what_it_names() -> None:
    stored = {"etag": '"a"', "cache-control": "max-age=1", "age": "5", "date": date(-9)}
    assert refreshed(stored, {"etag": 'W/"a"', "expires": date(9)}) == {
        "etag": 'W/"a"',
        "cache-control": "max-age=1",
        "expires": date(9),
    }
    assert refreshed({"last-modified": "x"}, {"last-modified": "x"}) == {"last-modified": "x"}


@pytest.mark.parametrize("news", [{"etag": '"b"'}, {"last-modified": date(0)}])
def test_a_304_about_another_answer(news: dict[str, str]) -> None:
    assert refreshed({"etag": '"a"'}, news) is None


@given(st.dictionaries(st.sampled_from(sorted(RELEVANT)), VALUES), st.integers(-LONGEST, 10**9))
def test_no_header_harms_and_nothing_is_fresh_for_long(headers: dict[str, str], late: int) -> None:
    may_keep(headers)
    assert all(value.isascii() and value.isprintable() for value in conditions(headers).values())
    assert refreshed(headers, headers) is not None
    if is_fresh(headers, NOON, NOON + late):
        assert 0 <= late < LONGEST
