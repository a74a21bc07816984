"""URLs without their secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password for one origin; the password is not part of `repr`."""

    user: str
    password: str = field(repr=False)


def split_credentials(url: str) -> tuple[str, Credentials | None]:
    """`url` without user information, and that information, unquoted.

    Raises:
        ValueError: if `url` cannot be split.
    """
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, None
    found = Credentials(unquote(parts.username or ""), unquote(parts.password or ""))
    return urlunsplit(parts._replace(netloc=_host(parts))), found


def origin_of(url: str) -> str:
    """Scheme, host and port (RFC 6454), the port always written.

    Raises:
        ValueError: if `url` cannot be split.
    """
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def shown(url: str) -> str:
    """`url` as it may stand in a message: no credentials, no query, no fragment."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises: what is no port may be half a password
    except ValueError:
        return "an address that is none"
    return urlunsplit(parts._replace(netloc=_host(parts), query="", fragment=""))


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]
