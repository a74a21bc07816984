from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.mirror.negotiate import (
    HTML,
    JSON,
    LEGACY_HTML,
    UnsatisfiableError,
    choose_coding,
    choose_form,
    choose_page,
    choose_part,
    is_fresh,
    takes_provenance,
)

PIP = f"{JSON}, {HTML};q=0.1, {LEGACY_HTML};q=0.01"
UV = f"{JSON}, {HTML};q=0.2, {LEGACY_HTML};q=0.01"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, LEGACY_HTML),
        ("", LEGACY_HTML),
        ("*/*", LEGACY_HTML),
        (PIP, JSON),
        (UV, JSON),
        (BROWSER, LEGACY_HTML),
        (JSON, JSON),
        (HTML, HTML),
        ("text/html", LEGACY_HTML),
        ("text/*", LEGACY_HTML),
        ("application/*", JSON),
        (f"application/*;q=0.5, {HTML};q=0.6", HTML),
        (f"{JSON};q=0, */*", LEGACY_HTML),
        ("text/html;q=0, */*", JSON),
        (f"{JSON};q=0.4, text/html;q=0.5", LEGACY_HTML),
        ("text/html, */*", LEGACY_HTML),
        (f"text/html, {JSON}", JSON),
        ("application/vnd.pypi.simple.latest+json", JSON),
        ("application/vnd.pypi.simple.latest+html", HTML),
        ("Application/Vnd.PyPI.Simple.V1+JSON ; Q=1.0", JSON),
        ("text/html;charset=utf-8;q=0.5", LEGACY_HTML),
        (f"text/html;q=2, {HTML};q=0.001", HTML),
        ("application/json", None),
        ("application/vnd.pypi.simple.v2+json", None),
        ("text/html;q=0", None),
        ("text/html;q=x", None),
        (";,;", None),
    ],
)
def test_the_form_that_suits_best(accept: str | None, form: str | None) -> None:
    assert choose_form(accept) == form


@given(st.text())
def test_any_accept_header_has_an_answer(accept: str) -> None:
    assert choose_form(accept) in {JSON, HTML, LEGACY_HTML, None}


@pytest.mark.parametrize(
    ("header", "fresh"),
    [
        (None, False),
        ("*", True),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('"b"', False),
        ("a", False),
        ("", False),
    ],
)
def test_if_none_match(header: str | None, *, fresh: bool) -> None:
    assert is_fresh(header, '"a"') is fresh


@pytest.mark.parametrize(
    ("range_", "part"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-9", (0, 10)),
        ("bytes=3-", (3, 7)),
        ("bytes=3-99999999", (3, 7)),
        ("bytes=-4", (6, 4)),
        ("bytes=-400", (0, 10)),
        (" Bytes = 2 - 3 ", (2, 2)),
        ("bytes=5-3", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_the_part_that_is_asked_for(range_: str | None, part: tuple[int, int] | None) -> None:
    assert choose_part(range_, None, '"a"', 10) == part


@pytest.mark.parametrize("range_", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_part_that_is_not_there(range_: str) -> None:
    with pytest.raises(UnsatisfiableError):
        choose_part(range_, None, '"a"', 10)


def test_nothing_has_no_last_bytes() -> None:
    with pytest.raises(UnsatisfiableError):
        choose_part("bytes=-5", None, '"a"', 0)


@pytest.mark.parametrize(
    ("if_range", "part"),
    [
        ('"a"', (0, 2)),
        ('"b"', None),
        ('W/"a"', None),
        ("Sat, 31 Jan 2026 12:00:00 GMT", None),
    ],
)
def test_a_part_of_another_version_is_the_whole(
    if_range: str, part: tuple[int, int] | None
) -> None:
    assert choose_part("bytes=0-1", if_range, '"a"', 10) == part


@given(st.text(), st.integers(0, 100))
def test_any_range_header_has_an_answer(range_: str, size: int) -> None:
    for header in (range_, f"bytes={range_}"):
        try:
            part = choose_part(header, None, '"a"', size)
        except UnsatisfiableError:
            continue
        assert part is None or (part[1] > 0 and sum(part) <= size)


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, zstd", "zstd"),
        ("GZIP;Q=0.5", "gzip"),
        ("zstd;q=0, gzip;q=0.001", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=high", None),
        ("*", None),
    ],
)
def test_the_coding_of_a_page(accept_encoding: str | None, coding: str | None) -> None:
    assert choose_coding(accept_encoding) == coding


def test_what_is_usual_and_what_is_not_are_read_alike() -> None:
    for accept, coding in [(JSON, "gzip"), ("image/png", None), (None, "zstd")]:
        expected = (choose_form(accept), coding)
        assert choose_page(accept, coding) == expected
        long = f"{'x/y,' * 500}{accept}" if accept else accept
        assert choose_page(long, coding) == expected


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        (None, True),
        (" ", True),
        ("*/*", True),
        ("application/*;q=0.1", True),
        ("application/json", True),
        ("text/html, application/vnd.pypi.integrity.v1+json", True),
        ("application/json;q=0", False),
        ("text/html", False),
    ],
)
def test_who_takes_provenance(accept: str | None, *, taken: bool) -> None:
    assert takes_provenance(accept) is taken
