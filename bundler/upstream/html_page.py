"""Project pages as HTML (PEP 503, 592, 629, 658, 714, 792)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin

from packaging.utils import NormalizedName

from bundler.upstream.links import anchor_file, check_version
from bundler.upstream.listing import ACTIVE, Listing, pack_file, read_attributes

_Attributes = list[tuple[str, str | None]]

# Almost all of a long page is a run of anchors as PEP 503 shows them: quoted attributes, text, and
# a line break. A run is matched at once; everything else on the page, and every page that is
# written in another way, goes through html.parser.
_PLAIN_BASE: Final = re.compile(r"https?://[^@]+")
_PLAIN_ANCHOR: Final = re.compile(r'<a((?: [a-z-]+="[^"<>]*")+) ?>[^<>&]*</a>(?:<br ?/?>)?\s*')

# The attributes of such an anchor, if nothing in them can be wrong and the name of the file stands
# in them as it is: then the anchor need not be read before somebody looks at the file.
_TAME: Final = re.compile(
    r"""
    \ href="(?: https?://[^"<>\#?&%@\s]*/
              | \.\./\.\./ (?: [^"<>\#?&%@\s/\\.] [^"<>\#?&%@\s/\\]* / )+ )
            ( [^"<>\#?&%\s/\\\0.] [^"<>\#?&%\s/\\\0]* )
            (?: \#sha256=[0-9a-f]{64} )?"
    (?: \ data-(?: requires-python | yanked | upload-time ) ="[^"<>\n]*"
      | \ data-provenance="https?://[^"<>&@\s]*"
      | \ data-(?: core | dist-info ) -metadata="(?: sha256=[0-9a-f]{64} | true | false )"
      | \ data-size="[0-9]{1,18}"
      | \ rel="[a-z]*"
    )*
    """,
    re.VERBOSE,
)


def read_html(body: bytes, url: str, project: NormalizedName) -> Listing:
    """The page of `project`, which came from `url`.

    Raises:
        ValueError: saying what is wrong with it; UnicodeDecodeError is one.
    """
    parser = Anchors(url)
    text = body.decode()
    start = max(text.find("<a "), 0)
    try:
        parser.feed(text[:start])
        parser.feed(text[parser.take_run(text, start) :])
        parser.close()
    except AssertionError as error:
        # html.parser before Python 3.13 raises it for an unknown "<![" declaration.
        raise ValueError(f"not HTML: {error}") from error
    check_version(parser.meta.get("pypi:repository-version", "1.0"))
    return Listing(
        project=project,
        status=parser.meta.get("pypi:project-status", ACTIVE),
        status_reason=parser.meta.get("pypi:project-status-reason"),
        base=parser.base_of_run,
        names=parser.names,
        lines=parser.lines,
    )


class Anchors(HTMLParser):
    """Collects files from anchors, and the page's `meta` elements."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = url
        self.base_of_run = url
        self.based = False
        self.names: list[str] = []
        self.lines: list[str] = []
        self.meta: dict[str, str] = {}

    def take_run(self, text: str, start: int) -> int:
        """Take the plain anchors that begin at `start`; where they end, or `start`."""
        # Text that is held back, or a script, would give the anchors another meaning; and not every
        # base makes good addresses.
        if self.rawdata or self.cdata_elem or not _PLAIN_BASE.fullmatch(self.base):
            return start
        self.base_of_run = self.base
        for match in _PLAIN_ANCHOR.finditer(text, start):
            if match.start() != start:
                break
            if (tame := _TAME.fullmatch(match[1])) is not None:
                self.names.append(tame[1])
                self.lines.append(match[1])
            else:
                self._add(read_attributes(match[1]))
            start = match.end()
        return start

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        """Take what an element says; called by `feed`."""
        if tag == "a":
            self._add(dict(attrs))
        elif tag == "meta":
            attributes = dict(attrs)
            self.meta[attributes.get("name") or ""] = attributes.get("content") or ""
        elif tag == "base" and not self.based:
            self.base = urljoin(self.base, dict(attrs).get("href") or "")
            self.based = True

    def _add(self, attributes: Mapping[str, str | None]) -> None:
        file = anchor_file(self.base, attributes)
        if file is not None:
            self.names.append(file.filename)
            self.lines.append(pack_file(file))
