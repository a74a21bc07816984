"""A project's page on an index, whichever form it had on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from packaging.utils import NormalizedName

from bundler.model.artifact import RemoteFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """All files of one project.

    Attributes:
        name: Normalised (PEP 503).
        files: In the page's order; wheels and everything else. See `lazy`.
        status: PEP 792 marker, "active" when the page has none.
        status_reason: The index's own words, or None.
    """

    name: NormalizedName
    files: Sequence[RemoteFile]
    status: str = "active"
    status_reason: str | None = None


class LazyFiles(Sequence[RemoteFile]):
    """Files of a page, each made when it is looked at: a page lists thousands, few are.

    Attributes:
        names: The filename of each.
    """

    def __init__(self, names: Sequence[str], make: Callable[[int], RemoteFile]) -> None:
        """Nothing is made yet; `make` takes a place in `names`."""
        self.names = names
        self._make = make
        self._made: dict[int, RemoteFile] = {}

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, at: int) -> RemoteFile: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[RemoteFile]: ...
    def __getitem__(self, at: int | slice) -> RemoteFile | Sequence[RemoteFile]:
        places = range(len(self.names))[at]
        return self._at(places) if isinstance(places, int) else self.pick(places)

    def __iter__(self) -> Iterator[RemoteFile]:
        return map(self._at, range(len(self.names)))

    def pick(self, places: Sequence[int]) -> LazyFiles:
        """Some of them."""
        return LazyFiles([self.names[n] for n in places], lambda at: self._at(places[at]))

    def _at(self, place: int) -> RemoteFile:
        # Two threads may make the same file at once; both come to the same value.
        file = self._made.get(place)
        if file is None:
            file = self._made[place] = self._make(place)
        return file


def lazy(files: Sequence[RemoteFile]) -> LazyFiles:
    """`files`, with their names at hand."""
    if isinstance(files, LazyFiles):
        return files
    return LazyFiles([file.filename for file in files], files.__getitem__)
