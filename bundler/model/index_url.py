"""Addresses of indexes."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

PIP_INDEX: Final = "pip"
"""As an index's URL: the index that pip is configured for on this host."""


def parse_index_url(text: str) -> SplitResult:
    """An index's address, split; its user information is allowed here.

    Raises:
        ValueError: saying what is wrong. Nothing is quoted: a password with one of these characters
            looks like a port, a path, a query or a fragment.
    """
    if not text.startswith(("https://", "http://")):
        raise ValueError("does not begin with https:// or http://")
    if " " in text or not text.isprintable():
        raise ValueError("has a space or a control character in it")
    if "?" in text or "#" in text:
        raise ValueError('has a "?" or "#" in it; a password has %3F and %23 instead')
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises as well
    except ValueError as error:
        raise ValueError("is no address: its host or its port is wrong") from error
    if "@" in parts.path:
        raise ValueError('has an "@" in its path: "/" in a password is %2F, "@" in a path is %40')
    if not parts.hostname:
        raise ValueError("names no host")
    return parts


def check_index_url(text: str) -> str:
    """An index's address as a profile may have it: "pip", or one without credentials.

    Raises:
        ValueError: saying what to write instead.
    """
    if text == PIP_INDEX:
        return text
    if not text.startswith(("https://", "http://")):
        raise ValueError(
            'give an https:// address, or "pip" for the index that pip uses on this host'
        )
    if "@" in text:
        raise ValueError(
            "credentials do not belong into a profile; put them into ~/.netrc"
            ' (and write an "@" in a path as %40)'
        )
    try:
        parse_index_url(text)
    except ValueError as error:
        raise ValueError(f"the address {error}") from error
    return text
