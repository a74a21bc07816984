"""Which file of a project a target installs: files and terms → candidates, best first.

The order is pip's: newest version first; of a version's wheels the one with the most preferred
tag, then the highest build tag. Pre-releases count when a specifier names one or when nothing else
matches (version specifiers, "Handling of pre-releases"); a yanked file counts only when one version
is pinned exactly and nothing else of it is there (PEP 592), or when an earlier lock has it. Source
distributions stand behind all wheels, see `sources`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from bundler.model.artifact import SDIST_SUFFIX, RemoteFile, is_sdist, parse_wheel_name
from bundler.model.page import ProjectPage, lazy
from bundler.model.target import Target
from bundler.resolve.terms import Terms
from bundler.resolve.window import Window

Releases = Mapping[Version, Sequence[RemoteFile]]
"""The wheels of each version, newest version first; each is made when it is looked at."""

NO_TAG: Final = "no tag of it fits"
"""The verdict upon a wheel for other interpreters or platforms."""

_Rank = tuple[int, int, str]


def group_releases(page: ProjectPage) -> Releases:
    """The wheels on a page by version; files that are no wheels of this project are left out.

    Only project and version are read here: a page lists thousands of files, and a resolution looks
    at few.
    """
    listed = lazy(page.files)
    texts: dict[tuple[str, str], list[int]] = {}
    for place, name in enumerate(listed.names):
        if name.endswith(".whl") and (parts := name.split("-", 2))[2:]:
            texts.setdefault((parts[0], parts[1]), []).append(place)
    own = {stem for stem, _ in texts if canonicalize_name(stem) == page.name}
    versions: dict[Version, list[int]] = {}
    for (stem, text), places in texts.items():
        try:
            version = Version(text)
        except InvalidVersion:
            continue
        if stem in own:
            versions.setdefault(version, []).extend(places)
    return {version: listed.pick(versions[version]) for version in sorted(versions, reverse=True)}


@dataclass(frozen=True, slots=True)
class Choice:
    """A version and the wheel of it that the target installs."""

    version: Version
    file: RemoteFile


@dataclass(frozen=True, slots=True)
class Offer:
    """What a version has for a target.

    Attributes:
        plain: The best wheel that is not yanked.
        any: The best wheel, yanked or not.
    """

    plain: RemoteFile | None
    any: RemoteFile | None


class Shelf:
    """A project's releases as one target sees them; each is judged once, when it is looked at."""

    def __init__(
        self,
        project: NormalizedName,
        releases: Releases,
        terms: Terms,
        sdists: Releases | None = None,
    ) -> None:
        """Nothing is judged yet; `sdists` may stand in where no wheel of `releases` fits."""
        self.project = project
        self.releases = releases
        self.terms = terms
        self.sources = None if sdists is None else Shelf(project, sdists, terms)
        self._all = Window(list(releases))
        self._finals = Window([version for version in releases if not version.is_prerelease])
        self._others = Window([version for version in releases if version.is_prerelease])
        self._offers: dict[Version, Offer] = {}

    def offer(self, version: Version) -> Offer:
        """What a version of the project has for the target."""
        if version not in self._offers:
            ranked = sorted(
                (
                    (rank, number)
                    for number, file in enumerate(self.releases[version])
                    if not isinstance(rank := self.judge(file), str)
                ),
            )
            best = [self.releases[version][number] for _, number in ranked]
            plain = next((file for file in best if file.yanked is None), None)
            self._offers[version] = Offer(plain, best[0] if best else None)
        return self._offers[version]

    def judge(self, file: RemoteFile) -> _Rank | str:
        """The rank of a file, smaller is better; or why the target must not have it."""
        rank_file = rank_wheel if file.filename.endswith(".whl") else rank_sdist
        rank = rank_file(file, self.terms.target)
        return rank if isinstance(rank, str) else self.terms.refusal(self.project, file) or rank

    def choices(self, specifier: SpecifierSet, *, unnamed: bool = False) -> Iterator[Choice]:
        """Every version that fits, with its wheel, in the order in which it should be tried.

        With `unnamed`, pre-releases that no specifier names follow behind the final versions. Only
        when no wheel fits, source distributions are tried, in the same order.
        """
        first = self._first(specifier, unnamed=unnamed)
        if first is not None:
            yield first
        for choice in self.newest(specifier, unnamed=unnamed):
            if first is None or choice.version != first.version:
                yield choice

    def newest(self, specifier: SpecifierSet, *, unnamed: bool = False) -> Iterator[Choice]:
        """The same without regard to what other targets or earlier locks have."""
        for yanked in (False, True) if pins_exactly(specifier) else (False,):
            for shelf in self._shelves():
                found = False
                for choice in shelf._in_order(specifier, unnamed=unnamed, yanked=yanked):  # noqa: SLF001 - same class
                    found = True
                    yield choice
                if found:
                    return

    def _first(self, specifier: SpecifierSet, *, unnamed: bool) -> Choice | None:
        """The version to try before all others, where the order of the others would allow it."""
        shared = self.terms.shared.get(self.project)
        if shared is not None:
            for choice in self.newest(specifier, unnamed=unnamed):
                if choice.version == shared:
                    return choice
        earlier = self._earlier(specifier)
        if earlier is None or not earlier.version.is_prerelease:
            return earlier
        if unnamed or specifier.prereleases:
            return earlier
        leader = next(self.newest(specifier), earlier)
        return earlier if leader.version.is_prerelease else None

    def _earlier(self, specifier: SpecifierSet) -> Choice | None:
        """What an earlier lock has; built only where this very version has no wheel that fits."""
        version = self.terms.preferred.get(self.project)
        for shelf in self._shelves():
            if version is not None and version in shelf.releases:
                for choice in shelf._fitting(Window([version]), specifier, yanked=True):  # noqa: SLF001 - same class
                    return choice
        return None

    def _shelves(self) -> Iterator[Shelf]:
        """What has wheels, then what may stand in for it."""
        yield self
        if self.sources is not None:
            yield self.sources

    def _in_order(
        self, specifier: SpecifierSet, *, unnamed: bool, yanked: bool
    ) -> Iterator[Choice]:
        if specifier.prereleases:
            yield from self._fitting(self._all, specifier, yanked=yanked)
            return
        found = False
        for choice in self._fitting(self._finals, specifier, yanked=yanked):
            found = True
            yield choice
        if unnamed or not found:
            yield from self._fitting(self._others, specifier, yanked=yanked)

    def installable(self, specifier: SpecifierSet) -> Iterator[Choice]:
        """Every version that fits, pre-releases and yanked ones too, newest first.

        Then every source distribution: narrower requirements might leave no wheel.
        """
        yield from self._fitting(self._all, specifier, yanked=True)
        if self.sources is not None:
            yield from self.sources.installable(specifier)

    def _fitting(
        self, versions: Window, specifier: SpecifierSet, *, yanked: bool
    ) -> Iterator[Choice]:
        for version in specifier.filter(versions.around(specifier), prereleases=True):
            offer = self.offer(version)
            file = offer.plain or (offer.any if yanked else None)
            if file is not None:
                yield Choice(version, file)


def pins_exactly(specifier: SpecifierSet) -> bool:
    """Whether it names one version, so that a yanked file may be meant (PEP 592)."""
    return any(
        clause.operator == "===" or (clause.operator == "==" and not clause.version.endswith(".*"))
        for clause in specifier
    )


def rank_wheel(file: RemoteFile, target: Target) -> _Rank | str:
    """How well a wheel fits a target, smaller is better; or why it does not."""
    try:
        name = parse_wheel_name(file.filename)
    except InvalidWheelFilename:
        return "its name is not that of a wheel"
    tags = target.tags
    ranks = [tags[tag] for tag in name.tags if tag in tags]
    if not ranks:
        return NO_TAG
    if file.requires_python and not _python_fits(file.requires_python, target.python_version):
        return f"it requires Python {file.requires_python:.80}"
    number, suffix = name.build or (-1, "")
    # Suffixes of equal build numbers are so rare that the filename decides, the same way each time.
    return min(ranks), -number, suffix


def rank_sdist(file: RemoteFile, target: Target) -> _Rank | str:
    """As `rank_wheel`, for a source distribution; all that fit are equal."""
    if not is_sdist(file.filename):
        return f"its source distribution is no {SDIST_SUFFIX} file"
    if file.requires_python and not _python_fits(file.requires_python, target.python_version):
        return f"it requires Python {file.requires_python:.80}"
    return 0, 0, file.filename


@lru_cache(maxsize=8192)
def _python_fits(requires_python: str, python: Version) -> bool:
    try:
        return SpecifierSet(requires_python).contains(python, prereleases=True)
    except InvalidSpecifier:
        return True  # as pip: an index's unreadable value is no reason to lose the file
