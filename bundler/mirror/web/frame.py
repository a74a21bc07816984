"""What every page for people has round its content.

The policy stands in the page itself, as not every server sends headers: nothing is loaded but the
pages' own style and script, nothing runs that stands in a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bundler.mirror.web.markup import Child, Html, element, plain, row

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; base-uri 'none';"
    " form-action 'none'"
)
"""Content-Security-Policy; `frame-ancestors` works as a header only."""


def page(title: str, root: str, *content: Child, scripts: Iterable[str] = ("page.js",)) -> bytes:
    """A whole page.

    Args:
        title: What it is about; text.
        root: From the page to the mirror's root: "" or "../" and the like.
        content: In the main part.
        scripts: Names of assets.
    """
    head = element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": POLICY}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "referrer", "content": "no-referrer"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", None, f"{plain(title)} · package mirror"),
        element("link", {"rel": "icon", "href": "data:,"}),
        element("link", {"rel": "stylesheet", "href": f"{root}web/style.css"}),
        *(element("script", {"src": f"{root}web/{name}", "defer": ""}) for name in scripts),
    )
    body = element(
        "body",
        {"data-root": root or "./"},
        element("a", {"class": "skip", "href": "#main"}, "Skip to the content"),
        element(
            "header",
            None,
            element("a", {"class": "brand", "href": f"{root}index.html"}, "Package mirror"),
            element(
                "nav",
                {"aria-label": "Mirror"},
                element("a", {"href": f"{root}index.html"}, "Projects"),
                element("a", {"href": f"{root}web/status.html"}, "Status"),
                element("a", {"href": f"{root}simple/"}, "For installers"),
            ),
        ),
        element("main", {"id": "main"}, *content),
        element(
            "footer",
            None,
            element(
                "p",
                None,
                "What a project says of itself is shown as its authors wrote it. Files, versions"
                " and identities are those that the stream's officers signed for.",
            ),
        ),
    )
    whole = element("html", {"lang": "en"}, head, body)
    return f"<!DOCTYPE html>\n{whole.code}\n".encode()


def part(label: str, title: str, *content: Child) -> Html:
    """A section under a heading; `label` is its place on the page."""
    return element(
        "section",
        {"id": label, "aria-labelledby": f"{label}-title"},
        element("h2", {"id": f"{label}-title"}, title),
        *content,
    )


def table(caption: str, columns: Iterable[Child], rows: Iterable[Iterable[Child]]) -> Html:
    """A table whose first column heads its rows; it scrolls by itself where it is wide."""
    head = element("tr", None, *(element("th", {"scope": "col"}, each) for each in columns))
    return element(
        "div",
        {"class": "wide", "tabindex": "0", "role": "region", "aria-label": caption},
        element(
            "table",
            None,
            element("caption", None, caption),
            element("thead", None, head),
            element("tbody", None, *map(row, rows)),
        ),
    )


def facts(rows: Iterable[tuple[str, Child | None]]) -> Html:
    """Names and what they stand for; rows with nothing are left out."""
    return element(
        "dl",
        None,
        *(
            element("div", None, element("dt", None, name), element("dd", None, value))
            for name, value in rows
            if value is not None and value != ""
        ),
    )


def moment(time: str) -> Html:
    """A time in UTC, `YYYY-MM-DDThh:mm:ssZ`; the script adds how long ago that is."""
    return element("time", {"datetime": time}, time.replace("T", " ").removesuffix("Z") + " UTC")


def listed(items: Iterable[Child]) -> Html:
    """A list."""
    return element("ul", None, *(element("li", None, item) for item in items))
