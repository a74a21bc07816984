"""What a project says of itself in its METADATA (core metadata), for people to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from typing import Final

from bundler.mirror.web.markup import is_address, plain
from bundler.model.artifact import header_block

_MOST: Final = 30
_LONGEST: Final = 400


@dataclass(frozen=True, slots=True)
class About:
    """All of it is only what was claimed; empty where nothing was.

    Attributes:
        links: Label and absolute address.
        kind: The content type of `readme`.
    """

    summary: str = ""
    licence: str = ""
    author: str = ""
    keywords: str = ""
    requires: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    kind: str = ""
    readme: str = ""


def read_about(metadata: bytes) -> About:
    """What METADATA says; one that cannot be read says nothing."""
    try:
        block = header_block(metadata)
    except ValueError:
        return About()
    headers = HeaderParser().parsestr(block.decode(errors="replace"))
    body = metadata[len(block) :].decode(errors="replace")
    # Before version 2.1, the README was a folded header, its lines indented behind a bar.
    readme = body.strip("\r\n") or _unfolded(headers.get("Description", ""))
    return About(
        summary=_field(headers, "Summary"),
        licence=_licence(headers),
        author=_field(headers, "Author") or _field(headers, "Author-email"),
        keywords=_field(headers, "Keywords"),
        requires=tuple(_fields(headers, "Requires-Dist")),
        links=tuple(_links(headers)),
        kind=_field(headers, "Description-Content-Type"),
        readme="" if readme.strip() == "UNKNOWN" else readme,
    )


def _licence(headers: Message) -> str:
    if found := _field(headers, "License-Expression") or _field(headers, "License"):
        return found
    named = (each for each in _fields(headers, "Classifier") if each.startswith("License :: "))
    return ", ".join(each.rpartition(" :: ")[2] for each in named)


def _links(headers: Message) -> Iterator[tuple[str, str]]:
    if is_address(home := _field(headers, "Home-page")):
        yield "Home page", home
    for each in _fields(headers, "Project-URL"):
        label, _, url = each.partition(",")
        if is_address(url.strip()):
            yield label.strip() or "Link", url.strip()


def _field(headers: Message, name: str) -> str:
    text = plain(headers.get(name, "")[: _LONGEST * 2])[:_LONGEST]
    return "" if text == "UNKNOWN" else text


def _fields(headers: Message, name: str) -> Iterator[str]:
    for value in headers.get_all(name, [])[:_MOST]:
        yield plain(value[: _LONGEST * 2])[:_LONGEST]


def _unfolded(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(line.removeprefix("        ").removeprefix("|") for line in lines)
