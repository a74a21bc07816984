"""What the headers of a request ask for: a form of a page, its coding, a fresh copy, a part.

Pure readings of RFC 9110. A header that cannot be read is treated as absent, as the RFC has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
LEGACY_HTML = "text/html"
OFFERED = (JSON, HTML, LEGACY_HTML)
"""The forms of a page (PEP 691), the best first."""

_ALIASES = {
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
}
_ETAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e]*")')
_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.ASCII | re.IGNORECASE)
_CODINGS = ("zstd", "gzip")
"""The content codings that pages have, the best first."""

_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


_USUAL = 512  # characters; no installer or browser sends as many
PROVENANCE = "application/vnd.pypi.integrity.v1+json"
"""The type of the integrity API (PEP 740)."""


class UnsatisfiableError(ValueError):
    """The part of a file that is asked for is not in it (416)."""


def choose_form(accept: str | None) -> str | None:
    """The type among `OFFERED` that suits an `Accept` header best; None when none does.

    Without the header, and for `*/*`, it is the type that everyone can read.
    """
    wanted = list(_media_ranges(accept)) if accept and accept.strip() else [("*/*", 1.0)]
    best = max(_suitability(offer, wanted) for offer in OFFERED)
    return OFFERED[-best[2]] if best[0] > 0 else None


def choose_page(accept: str | None, accept_encoding: str | None) -> tuple[str | None, str | None]:
    """What `choose_form` and `choose_coding` say; what is usual is not read twice."""
    if len(accept or "") + len(accept_encoding or "") <= _USUAL:
        return _chosen(accept, accept_encoding)
    return choose_form(accept), choose_coding(accept_encoding)


@lru_cache(maxsize=512)
def _chosen(accept: str | None, accept_encoding: str | None) -> tuple[str | None, str | None]:
    return choose_form(accept), choose_coding(accept_encoding)


def _suitability(offer: str, wanted: list[tuple[str, float]]) -> tuple[float, int, int]:
    """Quality, how exactly it was asked for, and the rank among equals, all larger is better.

    The most exact range that covers a type decides over its quality (RFC 9110 §12.5.1).
    """
    patterns = (offer, f"{offer.partition('/')[0]}/*", "*/*")
    rank = -OFFERED.index(offer)
    for exactness, pattern in zip((2, 1, 0), patterns, strict=True):
        qualities = [quality for name, quality in wanted if name == pattern]
        if qualities:
            # Who takes anything gets what everyone can read.
            plain = 1 if pattern == "*/*" and offer == LEGACY_HTML else 0
            return max(qualities), exactness * 2 + plain, rank
    return 0.0, 0, rank


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = "1"
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = value.strip()
        if _QUALITY.fullmatch(quality):
            yield _ALIASES.get(name, name), float(quality)


def takes_provenance(accept: str | None) -> bool:
    """Whether an `Accept` header takes what the integrity API has."""
    if not accept or not accept.strip():
        return True
    taken = {PROVENANCE, "application/json", "application/*", "*/*"}
    return any(name in taken and quality > 0 for name, quality in _media_ranges(accept))


def choose_coding(accept_encoding: str | None) -> str | None:
    """The content coding that a client takes, of those that pages have; None for none (identity).

    Ours is the order: `*` and equal or lower qualities change nothing but what is refused by zero.
    """
    if not accept_encoding:
        return None
    wanted = dict(_media_ranges(accept_encoding))
    return next((coding for coding in _CODINGS if wanted.get(coding, 0) > 0), None)


def is_fresh(if_none_match: str | None, etag: str) -> bool:
    """Whether the client's copy is the current one (RFC 9110 §13.1.2, weak comparison)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in _ETAG.findall(if_none_match)


def choose_part(
    range_: str | None, if_range: str | None, etag: str, size: int
) -> tuple[int, int] | None:
    """The first byte and the length that a `Range` header asks for; None for the whole.

    Several ranges, other units, and an `If-Range` of another version mean the whole, which every
    server may answer with (RFC 9110 §14.2).

    Raises:
        UnsatisfiableError: if a `size` of so many bytes has nothing of it.
    """
    match = _RANGE.fullmatch(range_ or "")
    if not match or (if_range is not None and if_range.strip() != etag):
        return None
    first, last = match.groups()
    if not first:
        return _suffix(last, size)
    start, end = int(first), int(last) if last else size - 1
    if last and end < start:
        return None
    if start >= size:
        raise UnsatisfiableError
    return start, min(end, size - 1) - start + 1


def _suffix(last: str, size: int) -> tuple[int, int] | None:
    if not last:
        return None
    length = min(int(last), size)
    if length == 0:
        raise UnsatisfiableError
    return size - length, length
