"""What a page costs: parsed cold against loaded from the cache, and against other parsers.

    python -m tests.bench.bench_pages [PROJECT ...]

The pages come once from the index that pip is configured for. Times are the best of several, in ms;
every column that parses HTML makes the same files, or the run ends with an error. "tokens" is what
html.parser takes for splitting alone. selectolax and lxml are measured where they are installed.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name

from bundler.model.artifact import RemoteFile
from bundler.model.page import ProjectPage
from bundler.resolve.select import group_releases
from bundler.upstream.entries import Entries
from bundler.upstream.html_page import Anchors
from bundler.upstream.links import anchor_file
from bundler.upstream.listing import Listing
from bundler.upstream.pages import ACCEPT, JSON_TYPE, parse_page
from bundler.upstream.pip_config import pip_index_url
from bundler.upstream.transport import Response, Transport

PROJECTS = ("numpy", "grpcio", "boto3", "botocore", "sqlalchemy", "pydantic-core", "idna")
LIMIT = 64 * 1024 * 1024
KEY = hashlib.sha256(b"bench").hexdigest()


def best(action: Callable[[], object], times: int = 5) -> float:
    """The shortest time in ms."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return min(found) * 1000


def anchors(url: str, found: Iterable[Mapping[str, str | None]]) -> list[RemoteFile]:
    files = (anchor_file(url, each) for each in found)
    return [file for file in files if file is not None]


def with_html_parser(page: Response) -> list[RemoteFile]:
    """Our strictness without the quick path."""
    parser = Anchors(page.url)
    parser.feed(page.body.decode())
    parser.close()
    listing = Listing(
        project=NormalizedName(""),
        status="",
        status_reason=None,
        base=page.url,
        names=parser.names,
        lines=parser.lines,
    )
    return list(listing.page().files)


class _Tokens(HTMLParser):
    pass


def tokens(page: Response) -> None:
    parser = _Tokens()
    parser.feed(page.body.decode())
    parser.close()


def with_selectolax(module: Any, page: Response) -> list[RemoteFile]:
    tree = module.LexborHTMLParser(page.body)
    return anchors(page.url, (node.attributes for node in tree.css("a")))


def with_lxml(module: Any, page: Response) -> list[RemoteFile]:
    return anchors(page.url, (dict(a.attrib) for a in module.fromstring(page.body).iter("a")))


def measure(project: NormalizedName, page: Response, entries: Entries) -> dict[str, float | str]:
    listing = parse_page(page.body, page.content_type, page.url, project)
    entries.write("pages", KEY, listing.to_bytes())
    files = list(listing.page().files)
    everything = json.dumps([[getattr(f, s) for s in f.__slots__] for f in files])

    def load() -> ProjectPage:
        return Listing.from_bytes(entries.read("pages", KEY) or b"").page()

    row: dict[str, float | str] = {
        "MB": f"{len(page.body) / 1e6:.2f}",
        "files": str(len(files)),
        "parse": best(lambda: parse_page(page.body, page.content_type, page.url, project)),
        "pack": best(listing.to_bytes),
        "load": best(load),
        "load all": best(lambda: list(load().files)),
        "json all": best(
            lambda: [
                RemoteFile(**dict(zip(RemoteFile.__slots__, row, strict=True)))
                for row in json.loads(everything)
            ]
        ),
        "group": best(lambda: group_releases(load())),
    }
    if page.content_type.startswith(JSON_TYPE):
        return row
    ways: dict[str, Callable[[Response], list[RemoteFile]]] = {"html.parser": with_html_parser}
    for name, module, way in (
        ("selectolax", "selectolax.lexbor", with_selectolax),
        ("lxml", "lxml.html", with_lxml),
    ):
        try:
            loaded = importlib.import_module(module)
        except ImportError:
            continue
        ways[name] = partial(way, loaded)
    row["tokens"] = best(lambda: tokens(page), 3)
    for name, take in ways.items():
        if take(page) != files:
            sys.exit(f"{project}: {name} reads other files")
        row[name] = best(partial(take, page), 3)
    return row


def main() -> None:
    found = pip_index_url()
    known = {found.url: found.credentials} if found.credentials else {}
    with Transport(credentials=known) as transport, tempfile.TemporaryDirectory() as folder:
        entries = Entries(Path(folder), b"secret")
        for n, name in enumerate(sys.argv[1:] or PROJECTS):
            project = canonicalize_name(name)
            page = transport.get(f"{found.url}{project}/", accept=ACCEPT, limit=LIMIT)
            row = measure(project, page, entries)
            if n == 0:
                print(f"{'project':16}" + "".join(f"{title:>12}" for title in row))
            shown = (v if isinstance(v, str) else f"{v:.1f}" for v in row.values())
            print(f"{project:16}" + "".join(f"{value:>12}" for value in shown))


if __name__ == "__main__":
    main()
