"""Project pages as releases, shared by the resolutions of all targets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from packaging.utils import NormalizedName

from bundler.errors import NotFoundError
from bundler.model.page import ProjectPage
from bundler.resolve.index import Index
from bundler.resolve.select import Choice, Releases, group_releases

_MOST_AHEAD = 8


class Catalogue:
    """What an index has, each page grouped once."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._grouped: dict[NormalizedName, tuple[ProjectPage | None, Releases]] = {}

    def ask(self, project: NormalizedName) -> None:
        """Start to fetch a page that will be needed soon."""
        self.index.page(project)

    def releases(self, project: NormalizedName) -> Releases:
        """The releases of a project; empty when the index does not know it."""
        # Two threads may group the same page at once; both come to the same value.
        if project not in self._grouped:
            try:
                page = self.index.page(project).result()
            except NotFoundError:
                self._grouped[project] = None, {}
            else:
                self._grouped[project] = page, group_releases(page)
        return self._grouped[project][1]

    def page(self, project: NormalizedName) -> ProjectPage | None:
        """The page itself, or None when the index does not know the project."""
        self.releases(project)
        return self._grouped[project][0]

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
