"""A program of its own that renders READMEs: `python rendering.py`, in a pipe.

It is shown text that anyone can have written, so it runs with bounds on its memory and files, and
whoever asks bounds its time. A line `["text/markdown", "# A"]` comes in, a line of JSON goes out:
HTML that was cleaned, or null where there is none. Imports nothing of `bundler`: it is started by
its path.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from collections.abc import Iterator
from email.message import Message
from typing import Final

import nh3
from readme_renderer import markdown, rst

MEMORY: Final = 1 << 30
"""Bytes of address space."""

_SECONDS: Final = 600  # of processor, for all READMEs of a process

_TEXT: Final = (
    "a abbr b blockquote br caption cite code col colgroup dd del details div dl dt em "
    "figcaption figure h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre s strong sub summary sup "
    "table tbody td th thead tr tt ul var "
)
_TAGS: Final = frozenset(_TEXT.split())
_ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "img": {"alt"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "*": {"id"},
}
_SCHEMES: Final = frozenset({"http", "https", "mailto"})
_ABSOLUTE: Final = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x20]+", re.IGNORECASE)
_PREFIX: Final = "readme-"
_THEIR_PREFIX: Final = "user-content-"

# What nh3 writes: every value in double quotes, and no such quote inside of one.
_IMAGE: Final = re.compile(r'<img(?: alt="([^"]*)"| [a-z-]+(?:="[^"]*")?)*>')
_EMPTY: Final = re.compile(r'<a(?: [a-z-]+(?:="[^"]*")?)*>\s*</a>')
_HEADING: Final = re.compile(r"<(/?)h([1-6])(?=[ >])")


def render(kind: str, text: str) -> str | None:
    """A README as HTML that loads nothing and runs nothing; None when it cannot be rendered."""
    header = Message()
    header["Content-Type"] = kind or "text/x-rst"
    found: str | None = None
    match header.get_content_type():
        case "text/markdown":
            # Not `markdown.render`: it colours code by classes, which `clean` takes away again.
            variant = str(header.get_param("variant"))
            found = markdown.variants.get(variant, markdown.variants["GFM"])(text)
        case "text/x-rst":
            found = rst.render(text)
    return None if found is None else clean(found)


def clean(html: str) -> str:
    """Only what belongs to a text: no class or style that could pass for the page's own.

    Images are replaced by what they say they show, since to load one tells its server who reads.
    """
    safe = nh3.clean(
        html,
        tags=set(_TAGS),  # nh3 wants these very types
        attributes={name: set(values) for name, values in _ATTRIBUTES.items()},
        attribute_filter=_attribute,
        url_schemes=set(_SCHEMES),
        link_rel="nofollow noopener noreferrer",
    )
    safe = _EMPTY.sub("", _IMAGE.sub(lambda found: found[1] or "", safe))
    # The page itself has the first two levels.
    return _HEADING.sub(lambda found: f"<{found[1]}h{min(int(found[2]) + 2, 6)}", safe)


def _attribute(_element: str, name: str, value: str) -> str | None:
    """Names of its own for places in the text, and no link that leads into the mirror."""
    if name == "id":
        return _PREFIX + value.removeprefix(_THEIR_PREFIX)
    if name == "href":
        if value.startswith("#"):
            return f"#{_PREFIX}{value[1:].removeprefix(_THEIR_PREFIX)}"
        return value if _ABSOLUTE.fullmatch(value) else None
    return value


def _answers() -> Iterator[str]:
    for line in sys.stdin:
        kind, text = json.loads(line)
        try:
            yield json.dumps(render(kind, text))
        except Exception:  # noqa: BLE001 - a text that cannot be rendered, in whatever way
            yield "null"


def main() -> None:
    """Answer until the pipe is closed."""
    for kind, bound in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, _SECONDS),
    ):
        resource.setrlimit(kind, (bound, bound))
    rst.SETTINGS.update(syntax_highlight="none", section_self_link=False)
    for answer in _answers():
        print(answer, flush=True)  # noqa: T201 - this is what it is for


if __name__ == "__main__":
    main()
