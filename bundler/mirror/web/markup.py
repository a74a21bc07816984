"""HTML that is escaped by construction: a plain `str` is text, wherever it stands.

Only the functions here make `Html`. Texts come from strangers, so what a browser would
not show as it is (control characters, and those that turn the direction of a line) is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias
from urllib.parse import urlsplit

# Control characters, and the marks that reorder text (Unicode UAX #9), with which a name could be
# made to look like another one. U+FFFD shows that something was there.
_HIDDEN: Final = dict.fromkeys(
    (
        *range(0x20),
        *range(0x7F, 0xA0),
        0x061C,
        *range(0x200E, 0x2010),
        0x2028,
        0x2029,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
        0xFEFF,
    ),
    "\ufffd",
)
_SHOWN: Final = _HIDDEN | {0x09: "\t", 0x0A: "\n"}
_ESCAPED: Final = _SHOWN | {ord(char): escape(char) for char in "&<>\"'"}
# Most texts of a page have nothing else in them; to see that takes a fifth of the time.
_HARMLESS: Final = re.compile(r"[A-Za-z0-9 ,.:;/=+_#()!?@%*|-]*")
_VOID: Final = frozenset({"input", "link", "meta", "br"})
_SCHEMES: Final = frozenset({"http", "https", "mailto"})
_LONGEST_LINK: Final = 2000


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of a page that is escaped already."""

    code: str


Child: TypeAlias = Html | str
Attributes: TypeAlias = Mapping[str, str | None]
"""By name; those that are None are left out, those that are empty have no value."""


def element(name: str, attributes: Attributes | None = None, *children: Child) -> Html:
    """An element with its children one behind the other."""
    inside = "".join([_attribute(*each) for each in attributes.items()]) if attributes else ""
    if name in _VOID:
        return Html(f"<{name}{inside}>")
    return Html(f"<{name}{inside}>{''.join(_codes(children))}</{name}>")


def row(cells: Iterable[Child]) -> Html:
    """A row of a table, which its first cell heads; a large mirror has millions of cells."""
    first, *others = _codes(cells)
    rest = "".join([f"<td>{each}</td>" for each in others])
    return Html(f'<tr><th scope="row">{first}</th>{rest}</tr>')


def joined(children: Iterable[Child], between: str = "") -> Html:
    """Several pieces as one; `between` is text."""
    return Html(_escape(between).join(_codes(children)))


def raw(code: str) -> Html:
    """HTML that was made safe elsewhere; what is hidden is replaced in it, too."""
    return Html(code.translate(_SHOWN))


def plain(text: str) -> str:
    """Text of a stranger on one line, as it may stand in a page's title or in data."""
    return " ".join(text.split()).translate(_HIDDEN)


def outward(url: str, *children: Child) -> Html:
    """A link out of the mirror; only its text where the address is none that may be followed."""
    if not is_address(url):
        return joined(children)
    return element("a", {"href": url, "rel": "nofollow noopener noreferrer"}, *children)


def is_address(url: str) -> bool:
    """Whether it is an absolute address of the web or of a person, and nothing that runs."""
    if len(url) > _LONGEST_LINK or url != url.translate(_SHOWN) or any(map(str.isspace, url)):
        return False
    try:
        split = urlsplit(url)
    except ValueError:
        return False
    return split.scheme in _SCHEMES and bool(split.netloc or split.scheme == "mailto")


def _codes(children: Iterable[Child]) -> list[str]:
    return [each.code if isinstance(each, Html) else _escape(each) for each in children]


def _attribute(key: str, value: str | None) -> str:
    if value is None:
        return ""
    return f' {key}="{_escape(value)}"' if value else f" {key}"


def _escape(text: str) -> str:
    return text if _HARMLESS.fullmatch(text) else text.translate(_ESCAPED)
