"""Whether an answer may be used again, and how to ask if it still holds (RFC 9111, RFC 9110 §13).

The part of HTTP caching that one user's cache of successful GET answers needs. Nothing stale is
ever used, and no lifetime is guessed: an answer that names none is asked about every time. Headers
are mappings with names in lower case; times are seconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias

Headers: TypeAlias = Mapping[str, str]

LONGEST: Final = 600
"""Seconds that an answer is used without asking at most, whatever it says: a release of today must
not be hidden for a year by a careless setting. The public index says the same."""

RELEVANT: Final = frozenset(
    {"age", "cache-control", "date", "etag", "expires", "last-modified", "vary"}
)
"""The headers that are read here; nothing else need be kept."""

_DIRECTIVE = re.compile(r'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:="((?:[^"\\]|\\.)*)"|=([^\s,;"]*))?')
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"', re.ASCII)
_OF_ONE_REQUEST = ("age", "date")


def may_keep(headers: Headers) -> bool:
    """Whether the answer may be stored (RFC 9111 §3), and found by address and `Accept` (§4.1)."""
    vary = {name.strip().lower() for name in headers.get("vary", "").split(",")}
    return "no-store" not in _directives(headers) and not vary & {"*", "cookie"}


def is_fresh(headers: Headers, asked: float, now: float) -> bool:
    """Whether an answer may be used without asking (RFC 9111 §4.2).

    Args:
        headers: Of the answer.
        asked: When it was asked for; from then on its life is counted.
        now: A clock that was set back makes it stale.
    """
    directives = _directives(headers)
    if "no-cache" in directives:
        return False
    date, expires = _date(headers, "date"), _date(headers, "expires")
    lifetime = 0.0
    if "max-age" in directives:
        lifetime = _seconds(directives["max-age"])
    elif expires is not None:
        lifetime = expires - (asked if date is None else date)
    age = _seconds(headers.get("age", "0"), otherwise=LONGEST)
    apparent = 0 if date is None else asked - date
    return asked <= now < asked + min(lifetime, LONGEST) - max(age, apparent)


def conditions(headers: Headers) -> dict[str, str]:
    """What a request says so that the answer is 304 if the one with `headers` still holds."""
    found = {}
    if _ETAG.fullmatch(headers.get("etag", "")):
        found["If-None-Match"] = headers["etag"]
    if _date(headers, "last-modified") is not None:
        found["If-Modified-Since"] = headers["last-modified"]
    return found


def refreshed(stored: Headers, news: Headers) -> dict[str, str] | None:
    """The headers of a stored answer after a 304 with the headers `news` (RFC 9111 §3.2, §4.3.4).

    None when the 304 is about another answer.
    """
    for name in ("etag", "last-modified"):
        if name in news:
            if news[name].removeprefix("W/") != stored.get(name, "").removeprefix("W/"):
                return None
            break
    kept = {name: value for name, value in stored.items() if name not in _OF_ONE_REQUEST}
    return kept | dict(news)


def _directives(headers: Headers) -> dict[str, str]:
    """Those of Cache-Control; of one that is there twice, the value that allows less."""
    found: dict[str, str] = {}
    for name, quoted, plain in _DIRECTIVE.findall(headers.get("cache-control", "")):
        value = quoted or plain
        known = found.setdefault(name.lower(), value)
        if _seconds(value) < _seconds(known):
            found[name.lower()] = value
    return found


def _seconds(text: str, otherwise: int = 0) -> int:
    """A number of seconds (RFC 9111 §1.2.2), as far as it matters; `otherwise` if it is none."""
    return min(int(text[:18]), LONGEST) if _DIGITS.fullmatch(text) else otherwise


def _date(headers: Headers, name: str) -> float | None:
    text = headers.get(name, "")
    try:
        found: datetime = parsedate_to_datetime(text)
        return found.timestamp() if found.tzinfo and text.isascii() else None
    except (ValueError, OverflowError):
        return None
