"""Project pages: bytes to a `Listing`, for HTML (PEP 503) and JSON (PEP 691); no input or output.

Both forms end as the same value. A page that breaks a rule which matters to us is refused as a
whole, with the place; keys and attributes that we do not know are ignored, as PEP 629 asks.
"""

from __future__ import annotations

from typing import Final

from packaging.utils import NormalizedName

from bundler.errors import NetworkError
from bundler.upstream.html_page import read_html
from bundler.upstream.json_page import read_json
from bundler.upstream.listing import Listing
from bundler.upstream.urls import shown

JSON_TYPE: Final = "application/vnd.pypi.simple.v1+json"
HTML_TYPES: Final = frozenset({"application/vnd.pypi.simple.v1+html", "text/html"})
ACCEPT: Final = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
"""What to ask for: JSON before HTML (PEP 691, "Version + Format Selection")."""


def parse_page(body: bytes, content_type: str, url: str, project: NormalizedName) -> Listing:
    """The page of `project`, which came from `url` (after redirects) as `content_type`.

    Raises:
        NetworkError: naming `url`, the place and what is wrong there.
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == JSON_TYPE:
            return read_json(body, url, project)
        if kind in HTML_TYPES:
            return read_html(body, url, project)
    except UnicodeDecodeError as error:
        raise NetworkError(f"{shown(url)}: not UTF-8: {error.reason}") from error
    except ValueError as error:
        raise NetworkError(f"{shown(url)}: {error}") from error
    raise NetworkError(
        f"{shown(url)}: not an index page: its content type is {kind or 'missing'!r:.80}",
        hint="give the address that pip takes as its index URL; it often ends in /simple/",
    )
