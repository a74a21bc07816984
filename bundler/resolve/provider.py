"""What resolvelib needs to know of wheels, for one target.

resolvelib does the search; this module says what things are. An extra is a candidate of its own
that requires its project at the same version, so that `a[x]` and `a[y]` meet in one `a`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from resolvelib import AbstractProvider
from resolvelib.resolvers import RequirementInformation

from bundler.errors import NotFoundError, RefusedError
from bundler.model.artifact import RemoteFile
from bundler.model.page import ProjectPage
from bundler.model.plan import PlannedFile
from bundler.model.target import Target
from bundler.resolve.index import Index, WheelFacts
from bundler.resolve.select import Choice, Releases, choices, group_releases


class Key(NamedTuple):
    """What is resolved: a project, or one extra of it."""

    project: NormalizedName
    extra: str = ""

    def __str__(self) -> str:
        return f"{self.project}[{self.extra}]" if self.extra else self.project


@dataclass(frozen=True, slots=True)
class Wanted:
    """One requirement upon one key."""

    key: Key
    specifier: SpecifierSet

    def __str__(self) -> str:
        return f"{self.key}{self.specifier}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version of a key, and the wheel that a target would install."""

    key: Key
    version: Version
    file: RemoteFile

    def __str__(self) -> str:
        return f"{self.key} {self.version}"


class Catalogue:
    """Project pages as releases, grouped once and shared by the resolutions of all targets."""

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


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """What a resolution needs of METADATA."""

    requirements: tuple[Requirement, ...]
    extras: frozenset[str]
    requires_python: SpecifierSet


@lru_cache(maxsize=4096)
def parse_core_metadata(data: bytes) -> CoreMetadata:
    """Read METADATA; the wheels of one version often have the same.

    Raises:
        ValueError: if a dependency or `Requires-Python` cannot be read: to guess would plan
            something else than the installer inside does.
    """
    raw, _ = parse_email(data)
    return CoreMetadata(
        requirements=tuple(Requirement(text) for text in raw.get("requires_dist", [])),
        extras=frozenset(canonicalize_name(name) for name in raw.get("provides_extra", [])),
        requires_python=SpecifierSet(raw.get("requires_python", "")),
    )


PYTHON = Key(NormalizedName("requires-python"), "\0")
"""The key of a wheel's own Requires-Python when the target fails it: nothing ever matches."""


@dataclass(slots=True)
class Provider(AbstractProvider[Wanted, Candidate, Key]):
    """What resolvelib asks about wheels, for one target."""

    target: Target
    catalogue: Catalogue
    constraints: Mapping[NormalizedName, SpecifierSet]
    likely: Callable[[PlannedFile], None]
    notices: set[str] = field(default_factory=set)
    tried: set[NormalizedName] = field(default_factory=set)

    def identify(self, requirement_or_candidate: Wanted | Candidate) -> Key:
        """A requirement and a candidate meet when their keys are equal."""
        return requirement_or_candidate.key

    def get_preference(
        self,
        identifier: Key,
        resolutions: Mapping[Key, Candidate],  # noqa: ARG002 - resolvelib's signature
        candidates: Mapping[Key, Iterator[Candidate]],  # noqa: ARG002 - resolvelib's signature
        information: Mapping[Key, Iterator[RequirementInformation[Wanted, Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[Wanted, Candidate]],
    ) -> tuple[bool, bool, bool, bool, bool, Key]:
        """What cannot be met first, then what caused trouble, then pins, extras, any bound.

        An extra decides on its project as well, so its conflicts show before others are tried.
        """
        wanted = [info.requirement for info in information[identifier]]
        clauses = [clause for item in wanted for clause in item.specifier]
        causes = {info.requirement.key for info in backtrack_causes}
        return (
            identifier != PYTHON,
            identifier not in causes,
            not any(clause.operator in {"==", "==="} for clause in clauses),
            not identifier.extra,
            not clauses,
            identifier,
        )

    def find_matches(
        self,
        identifier: Key,
        requirements: Mapping[Key, Iterator[Wanted]],
        incompatibilities: Mapping[Key, Iterator[Candidate]],
    ) -> Callable[[], Iterator[Candidate]]:
        """Candidates in order of preference, found one by one as they are asked for."""
        specifier = SpecifierSet()
        base = Key(identifier.project)
        for key in {identifier, base}:
            for wanted in requirements.get(key, iter(())):
                specifier &= wanted.specifier
        specifier &= self.constraints.get(identifier.project, SpecifierSet())
        refused = {candidate.version for candidate in incompatibilities[identifier]}
        return lambda: (
            Candidate(identifier, choice.version, choice.file)
            for choice in self._choices(identifier, specifier)
            if choice.version not in refused
        )

    def _choices(self, key: Key, specifier: SpecifierSet) -> Iterator[Choice]:
        if key == PYTHON:
            return
        first = True
        for choice in choices(self.catalogue.releases(key.project), specifier, self.target):
            if first:  # it is the likely answer: have its metadata on the way
                self.catalogue.index.facts(choice.file)
                first = False
            yield choice

    def is_satisfied_by(self, requirement: Wanted, candidate: Candidate) -> bool:
        """Whether a version is in a specifier; `find_matches` saw to the rest."""
        return requirement.specifier.contains(candidate.version, prereleases=True)

    def get_dependencies(self, candidate: Candidate) -> Iterable[Wanted]:
        """What a wheel's METADATA asks for on this target."""
        facts = self.catalogue.index.facts(candidate.file).result()
        try:
            metadata = parse_core_metadata(facts.metadata)
        except ValueError as error:
            raise RefusedError(
                f"{candidate.file.filename}: its METADATA cannot be read: {error}"
            ) from error
        self._tell_likely(candidate, facts)
        wanted = list(self._dependencies(candidate, metadata))
        for item in wanted:
            if item.key != PYTHON:
                self.catalogue.ask(item.key.project)
        return wanted

    def _tell_likely(self, candidate: Candidate, facts: WheelFacts) -> None:
        """Only the first try of each project: backtracking may try hundreds."""
        if candidate.key.project not in self.tried:
            self.tried.add(candidate.key.project)
            self.likely(
                PlannedFile(
                    project=candidate.key.project,
                    version=candidate.version,
                    remote=candidate.file,
                    blob=facts.blob,
                    metadata=facts.metadata_sha256,
                    index=self.catalogue.index.name,
                    targets=(self.target.name,),
                    required_by=(),
                )
            )

    def _dependencies(self, candidate: Candidate, metadata: CoreMetadata) -> Iterator[Wanted]:
        extra = candidate.key.extra
        if extra:
            exact = SpecifierSet(f"==={candidate.version}")
            yield Wanted(Key(candidate.key.project), exact)
            if extra not in metadata.extras:
                self.notices.add(
                    f"{candidate.key.project} {candidate.version} has no extra {extra!r}"
                )
        elif not metadata.requires_python.contains(self.target.python_version, prereleases=True):
            yield Wanted(PYTHON, metadata.requires_python)
        for requirement in metadata.requirements:
            if self._applies(requirement, extra):
                yield from expand(requirement)

    def _applies(self, requirement: Requirement, extra: str) -> bool:
        """Whether a dependency counts for this key: those of the project itself have no extra."""
        if requirement.marker is None:
            return not extra
        environment = {**self.target.environment, "extra": ""}
        plain = requirement.marker.evaluate(environment)
        if not extra:
            return plain
        return not plain and requirement.marker.evaluate({**environment, "extra": extra})


def expand(requirement: Requirement) -> Iterator[Wanted]:
    """A requirement upon a project, and one for each extra that it names."""
    project = canonicalize_name(requirement.name)
    yield Wanted(Key(project), requirement.specifier)
    for extra in sorted(canonicalize_name(name) for name in requirement.extras):
        yield Wanted(Key(project, extra), requirement.specifier)
