"""The first page: the streams, a search, the list of projects; and what the search reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from bundler.mirror.web.frame import page, part
from bundler.mirror.web.markup import Html, element, joined
from bundler.mirror.web.record import Entry
from bundler.mirror.web.status import StreamStatus, streams_table
from bundler.model.amount import counted

FRONT: Final = "index.html"
MOST_ON_FRONT: Final = 500
"""Where there are more projects, each initial has a page of its own."""


def front_pages(entries: Sequence[Entry], streams: Sequence[StreamStatus]) -> dict[str, bytes]:
    """The pages that list all projects, by their path from the mirror's root.

    `entries` are sorted by name.
    """
    groups = {initial: list(group) for initial, group in groupby(entries, key=_initial)}
    few = len(entries) <= MOST_ON_FRONT
    listing = _list(entries, "web/project/") if few else _initials(groups)
    front = page(
        "Projects",
        "",
        element("h1", None, "Python packages on this side of the gap"),
        _search(len(entries)),
        part("projects", counted(len(entries), "project"), listing),
        part(
            "streams",
            "Where they come from",
            streams_table(streams),
            element("p", None, element("a", {"href": "web/status.html"}, "More about the mirror")),
        ),
        scripts=("page.js", "search.js"),
    )
    found = {FRONT: front, "web/projects.js": _data(entries)}
    for initial, group in groups.items() if not few else ():
        found[f"web/list-{initial}.html"] = page(
            f"Projects: {initial}",
            "../",
            element("h1", None, f"Projects that begin with {initial}"),
            _list(group, "project/"),
        )
    return found


def _initial(entry: Entry) -> str:
    return entry.name[0]


def _search(number: int) -> Html:
    """For the script, which shows it."""
    return element(
        "form",
        {"id": "search", "role": "search", "hidden": ""},
        element("label", {"for": "query"}, f"Search {counted(number, 'project')}"),
        element(
            "input",
            {"id": "query", "type": "search", "autocomplete": "off", "spellcheck": "false"},
        ),
        element("p", {"id": "count", "role": "status", "aria-live": "polite"}),
        element("ul", {"id": "found", "class": "projects"}),
    )


def _list(entries: Iterable[Entry], folder: str) -> Html:
    return element("ul", {"class": "projects"}, *(_item(entry, folder) for entry in entries))


def _item(entry: Entry, folder: str) -> Html:
    return element(
        "li",
        None,
        element("a", {"href": f"{folder}{entry.name}.html"}, entry.name),
        " ",
        element("span", {"class": "version"}, entry.version),
        *_rest(entry),
    )


def _rest(entry: Entry) -> Iterator[Html | str]:
    if entry.attested:
        yield " "
        yield element("span", {"class": "mark"}, "attested")
    if entry.summary:
        yield element("span", {"class": "summary"}, entry.summary)


def _initials(groups: Mapping[str, Sequence[Entry]]) -> Html:
    return element(
        "ul",
        {"class": "initials"},
        *(
            element(
                "li",
                None,
                element(
                    "a",
                    {"href": f"web/list-{initial}.html"},
                    joined([initial, element("span", None, f" {counted(len(group), 'project')}")]),
                ),
            )
            for initial, group in groups.items()
        ),
    )


def _data(entries: Iterable[Entry]) -> bytes:
    """A script, as a page on disk may not read JSON; the values are data, whatever is in them."""
    rows = [[each.name, each.version, each.summary, int(each.attested)] for each in entries]
    # JSON in ASCII is JavaScript, too (ECMA-262, "JSON superset").
    return f"globalThis.projects = {json.dumps(rows, separators=(',', ':'))};\n".encode()
