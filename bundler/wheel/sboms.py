"""OUTSIDE: which native libraries the SBOMs in a wheel speak of (PEP 770; CycloneDX, SPDX).

No producer names the files it means in a common way, so this is a judgement, and errs towards "not
covered". An SBOM covers a library when it has the library's digest, or its file name; when it has a
component of the library's name, or a digest whose first digits are in the file name, as auditwheel
leaves them; or when the library is the only one in the wheel, and it lists what is compiled in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bundler.model.contents import Native

MAX_SBOM: Final = 16 << 20
"""Bytes; what is larger is carried and not read."""

_DIGEST: Final = re.compile(rb"\b[0-9a-f]{64}\b")
_TAGGED: Final = re.compile(r"(?P<stem>.+)-(?P<tag>[0-9a-f]{8,})\.(?:so|dylib|dll)", re.ASCII)
_KEYS: Final = ("name", "fileName", "packageFileName")
_LISTS: Final = ("components", "packages", "files")
_MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Statement:
    """What an SBOM has in it: digests, names of components and files, and foreign components.

    Attributes:
        compiled: Whether it lists components that are no Python projects.
    """

    path: str
    digests: frozenset[str]
    names: frozenset[str]
    compiled: bool


def read_sbom(path: str, data: bytes) -> Statement:
    """What an embedded SBOM speaks of; an odd one speaks of nothing but digests."""
    digests = frozenset(found.decode() for found in _DIGEST.findall(data))
    try:
        entries = list(_entries(json.loads(data)))
    except (ValueError, RecursionError):
        entries = []
    names = frozenset(
        _plain(value)
        for entry in entries
        for key in _KEYS
        if isinstance(value := entry.get(key), str)
    )
    compiled = any(
        isinstance(purl := entry.get("purl"), str) and not purl.startswith("pkg:pypi/")
        for entry in entries
    )
    return Statement(path, digests, names, compiled)


def covered(natives: Sequence[Native], statements: Iterable[Statement]) -> list[Native]:
    """The libraries, each with the first SBOM that covers it."""
    known = sorted(statements, key=lambda statement: statement.path)
    alone = len(natives) == 1
    return [
        replace(native, sbom=next((s.path for s in known if _covers(s, native, alone=alone)), None))
        for native in natives
    ]


def _covers(statement: Statement, native: Native, *, alone: bool) -> bool:
    if alone and statement.compiled:
        return True
    name = native.path.rpartition("/")[2]
    if native.blob.sha256 in statement.digests or _plain(name) in statement.names:
        return True
    stem = name
    if tagged := _TAGGED.match(name):
        stem = tagged["stem"]
        if any(digest.startswith(tagged["tag"]) for digest in statement.digests):
            return True
    return _plain(re.split(r"\.(?:so|dylib|dll|pyd|abi3|cpython|cp3)", stem)[0]) in statement.names


def _entries(document: object) -> Iterator[Mapping[str, object]]:
    """Every component, package and file, however deep; breadth first and bounded."""
    queue = [document]
    for item in queue:
        if not isinstance(item, dict):
            continue
        for key in _LISTS:
            inner = item.get(key)
            if isinstance(inner, list) and len(queue) + len(inner) < _MOST:
                queue.extend(inner)
                yield from (each for each in inner if isinstance(each, dict))


def _plain(name: str) -> str:
    return name.rpartition("/")[2].lower().replace("_", "-").removeprefix("-")
