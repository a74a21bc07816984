"""Several indexes, one origin for each project: names that two of them have are never mixed.

An attacker who puts a project with a private name onto a public index hopes that an installer looks
at both and takes the higher version (dependency confusion). Here a project comes from one index,
and where two have it, the profile must say which.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fnmatch import fnmatchcase

from packaging.utils import NormalizedName

from bundler.errors import NotFoundError, RefusedError
from bundler.model.artifact import RemoteFile, parse_file_name
from bundler.model.page import ProjectPage
from bundler.resolve.index import Index, WheelFacts

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Source:
    """An index and the names that it is asked for: projects, or patterns such as `corp-*`."""

    index: Index
    patterns: Sequence[str]

    def claim(self, project: NormalizedName) -> int:
        """How strongly it claims a project: 3 by name, 2 by a pattern, 1 with all, 0 not."""
        if project in self.patterns:
            return 3
        matching = [pattern for pattern in self.patterns if fnmatchcase(project, pattern)]
        return 0 if not matching else 1 if set(matching) == {EVERYTHING} else 2


class Origins:
    """Implements `bundler.resolve.index.Index` over several of them.

    Only the indexes with the strongest claim to a project are asked for it.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.name = ", ".join(source.index.name for source in sources)
        self._sources = sources
        self._pages: dict[NormalizedName, Future[ProjectPage]] = {}
        self._found: dict[NormalizedName, Index] = {}
        self._lock = threading.Lock()

    def page(self, project: NormalizedName) -> Future[ProjectPage]:
        """The page of a project on its one index.

        `result()` raises RefusedError if two indexes have it, NotFoundError if none has.
        """
        with self._lock:
            if project in self._pages:
                return self._pages[project]
            page = self._pages[project] = Future()
        asked = self._claiming(project)
        if not asked:
            page.set_exception(NotFoundError(f"no index of the profile is asked for {project}"))
        else:
            _Choice(self, project, page, asked).begin()
        return page

    def facts(self, file: RemoteFile) -> Future[WheelFacts]:
        """METADATA, digest and size of a file, from the index that listed it."""
        return self._found[parse_file_name(file.filename).project].facts(file)

    def origin(self, project: NormalizedName) -> str:
        """The name of the index that a project comes from, once its page was found."""
        return self._found[project].origin(project)

    def close(self) -> None:
        """Close all of them."""
        for source in self._sources:
            source.index.close()

    def settle(self, project: NormalizedName, index: Index) -> None:
        """From now on a project comes from this index."""
        self._found[project] = index

    def _claiming(self, project: NormalizedName) -> list[Index]:
        claims = [(source.claim(project), source.index) for source in self._sources]
        strongest = max(claim for claim, _ in claims)
        return [index for claim, index in claims if claim == strongest > 0]


class _Choice:
    """Waits for the answers of all indexes that may have a project, and takes the only one."""

    def __init__(
        self,
        origins: Origins,
        project: NormalizedName,
        page: Future[ProjectPage],
        asked: Sequence[Index],
    ) -> None:
        self._origins = origins
        self._project = project
        self._page = page
        self._asked = asked
        self._answers: dict[int, Future[ProjectPage]] = {}
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Ask; the last answer decides."""
        for number, index in enumerate(self._asked):

            def note(answer: Future[ProjectPage], number: int = number) -> None:
                with self._lock:
                    self._answers[number] = answer
                    complete = len(self._answers) == len(self._asked)
                if complete:
                    self._decide()

            index.page(self._project).add_done_callback(note)

    def _decide(self) -> None:
        try:
            self._page.set_result(self._only())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the page
            self._page.set_exception(error)

    def _only(self) -> ProjectPage:
        found: list[tuple[Index, ProjectPage]] = []
        missing: NotFoundError | None = None
        for number, index in enumerate(self._asked):
            try:
                page = self._answers[number].result()
            except NotFoundError as error:
                missing = missing or error
            else:
                if page.files or len(self._asked) == 1:
                    found.append((index, page))
        if len(found) > 1:
            names = " and ".join(repr(index.name) for index, _ in found)
            raise RefusedError(
                f"{self._project} is on more than one index: {names}; whose files it has must be"
                " said in the profile",
                hint=f'write projects = ["{self._project}"] (with what is there already) into the'
                " [[index]] that it shall come from",
            )
        if not found:
            raise missing or NotFoundError(f"no index lists a file of {self._project}")
        index, page = found[0]
        self._origins.settle(self._project, index)
        return page
