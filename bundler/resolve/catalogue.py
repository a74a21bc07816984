"""Project pages as releases, shared by the resolutions of all targets."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from itertools import islice

from packaging.utils import NormalizedName

from bundler.errors import NotFoundError
from bundler.model.artifact import RemoteFile
from bundler.model.page import ProjectPage
from bundler.resolve.index import Index
from bundler.resolve.metadata import CoreMetadata, parse_core_metadata
from bundler.resolve.select import Choice, Releases, Shelf, group_releases
from bundler.resolve.sources import group_sdists
from bundler.resolve.terms import Terms

_MOST_AHEAD = 8


class Catalogue:
    """What an index has, each page grouped once.

    Attributes:
        index: The index.
        place: What it is called in a sentence.
    """

    def __init__(self, index: Index, place: str = "") -> None:
        """Nothing is asked yet; without `place` the index is called by its name."""
        self.index = index
        self.place = place or f"the index {index.name!r}"
        self._parsing, self._turns = threading.Lock(), threading.Lock()
        self._turn: dict[NormalizedName, threading.Lock] = {}
        self._grouped: dict[NormalizedName, tuple[ProjectPage | None, Releases]] = {}

    def ask(self, project: NormalizedName) -> None:
        """Start to fetch a page that will be needed soon."""
        self.index.page(project)

    def releases(self, project: NormalizedName) -> Releases:
        """The releases of a project; empty when the index does not know it, or isolates it."""
        return self._group(project)[1]

    def _group(self, project: NormalizedName) -> tuple[ProjectPage | None, Releases]:
        # All targets want the same page at about the same time; one of them does the work.
        with self._turns:
            turn = self._turn.setdefault(project, threading.Lock())
        with turn:
            if project not in self._grouped:
                self._grouped[project] = self._load(project)
            return self._grouped[project]

    def _load(self, project: NormalizedName) -> tuple[ProjectPage | None, Releases]:
        try:
            page = self.index.page(project).result()
        except NotFoundError:
            return None, {}
        # Quarantine: nobody should install it (PEP 792).
        return page, {} if page.status == "quarantined" else group_releases(page)

    def sdists(self, project: NormalizedName) -> Releases:
        """The source distributions of a project, which `releases` leaves out."""
        page = self.page(project)
        return group_sdists(page) if page and page.status != "quarantined" else {}

    def core_metadata(self, file: RemoteFile) -> CoreMetadata:
        """What a wheel's METADATA says.

        Raises:
            ValueError: if it cannot be read.
            RefusedError, NetworkError: see `Index`.
        """
        facts = self.index.facts(file).result()
        # `packaging` reads the strings of a marker with `ast`, which fails now and then when two
        # threads use it at once (python/cpython#106905).
        with self._parsing:
            return parse_core_metadata(facts.metadata)

    def page(self, project: NormalizedName) -> ProjectPage | None:
        """The page itself, or None when the index does not know the project."""
        return self._group(project)[0]

    def ahead(self, found: Iterator[Choice]) -> Iterator[Choice]:
        """`found`, with the metadata of what comes next on its way.

        The first is the likely answer, so nothing else is asked for; the more of them did not do,
        the more are asked for side by side.
        """
        waiting: deque[Choice] = deque()
        width = 1
        while True:
            for choice in islice(found, width - len(waiting)):
                self.index.facts(choice.file)
                waiting.append(choice)
            if not waiting:
                return
            yield waiting.popleft()
            width = min(2 * width, _MOST_AHEAD)


class Shelves:
    """The projects of a catalogue as one target sees them."""

    def __init__(self, catalogue: Catalogue, terms: Terms) -> None:
        self.catalogue = catalogue
        self.terms = terms
        self._shelves: dict[NormalizedName, Shelf] = {}

    def of(self, project: NormalizedName) -> Shelf:
        """The releases of a project, judged."""
        shelf = self._shelves.get(project)
        if shelf is None:
            releases = self.catalogue.releases(project)
            sdists = self.catalogue.sdists(project) if self.terms.sdists else None
            shelf = self._shelves[project] = Shelf(project, releases, self.terms, sdists)
        return shelf
