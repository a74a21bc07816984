"""Requests to a mirror without a server between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import unquote

from bundler.mirror.exchange import Request, Response
from bundler.mirror.layout import Mirror
from bundler.mirror.live_pages import LivePages
from bundler.mirror.respond import respond


def ask(
    mirror: Mirror, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> Response:
    """The answer to one request; the path is decoded as the server does."""
    request = Request(method, unquote(path, errors="replace"), headers or {}, "http://host/")
    return respond(LivePages(mirror, time.monotonic), request)
