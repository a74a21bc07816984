"""What resolvelib needs to know of wheels, for one target: it does the search, this says what is.

Versions that cannot be used require `NOTHING`, so the search passes them by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version
from resolvelib import AbstractProvider

from bundler.model.plan import PlannedFile
from bundler.resolve.dependencies import Dependencies
from bundler.resolve.hopeless import Prospects
from bundler.resolve.index import WheelFacts
from bundler.resolve.wanted import NOTHING, Candidate, Cause, Key, Wanted


@dataclass(slots=True)
class Provider(AbstractProvider[Wanted, Candidate, Key]):
    """What resolvelib asks about wheels, for one target.

    Attributes:
        dependencies: What there is, for whom, and what it requires.
        likely: Hears, from any thread, of the first wheel of each project that is found. Sometimes
            another requirement rules it out; waiting for that would take longer, most of the time.
        unnamed: As for `Shelf.choices`.
        thorough: Every version requires its own project, too. On its way back from a conflict the
            library passes over versions whose requirements have nothing to do with it, also where
            their project has.
        prospects: When set, versions that no solution can have are passed over.
    """

    dependencies: Dependencies
    likely: Callable[[PlannedFile], None]
    unnamed: bool = False
    thorough: bool = False
    prospects: Prospects | None = None
    told: set[NormalizedName] = field(default_factory=set)

    def identify(self, requirement_or_candidate: Wanted | Candidate) -> Key:
        """A requirement and a candidate meet when their keys are equal."""
        return requirement_or_candidate.key

    def get_preference(
        self,
        identifier: Key,
        resolutions: Mapping[Key, Candidate],  # noqa: ARG002 - resolvelib's signature
        candidates: Mapping[Key, Iterator[Candidate]],  # noqa: ARG002 - resolvelib's signature
        information: Mapping[Key, Iterator[Cause]],
        backtrack_causes: Sequence[Cause],
    ) -> tuple[bool, bool, bool, bool, Key]:
        """What caused trouble first, then pins, then extras, then any bound.

        An extra decides on its project as well, so its conflicts show before others are tried.
        """
        wanted = [info.requirement for info in information[identifier]]
        clauses = [clause for item in wanted for clause in item.specifier]
        causes = {info.requirement.key for info in backtrack_causes}
        return (
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
        if identifier == NOTHING.key:
            return lambda: iter(())
        specifier = SpecifierSet()
        for key in {identifier, Key(identifier.project)}:
            for wanted in requirements.get(key, iter(())):
                specifier &= wanted.specifier
        specifier &= self.dependencies.shelves.terms.bound(identifier.project)
        refused = {candidate.version for candidate in incompatibilities[identifier]}
        return lambda: self._candidates(identifier, specifier, refused)

    def _candidates(
        self, key: Key, specifier: SpecifierSet, refused: set[Version]
    ) -> Iterator[Candidate]:
        shelves = self.dependencies.shelves
        found = shelves.of(key.project).choices(specifier, unnamed=self.unnamed)
        left = (choice for choice in found if choice.version not in refused)
        for choice in shelves.catalogue.ahead(left):
            candidate = Candidate(key, choice.version, choice.file)
            self._tell_likely(candidate)
            if self.prospects is None or not self.prospects.is_dead(candidate):
                yield candidate

    def is_satisfied_by(self, requirement: Wanted, candidate: Candidate) -> bool:
        """Whether a version is in a specifier; `find_matches` saw to the rest."""
        return requirement.met_by(candidate.version)

    def get_dependencies(self, candidate: Candidate) -> list[Wanted]:
        """What a wheel's METADATA asks for on this target."""
        found = self.dependencies.of(candidate)
        return [*found, Wanted(candidate.key, SpecifierSet())] if self.thorough else found

    def _tell_likely(self, candidate: Candidate) -> None:
        """Tell of a wheel as soon as its METADATA has come, if it is the first of its project."""
        project = candidate.key.project
        if project in self.told:
            return
        self.told.add(project)

        def tell(known: Future[WheelFacts]) -> None:
            failed = known.cancelled() or known.exception()
            file = None if failed else self._planned(candidate, known.result())
            if file is None:
                self.told.discard(project)  # the next one, then
            else:
                self.likely(file)

        index = self.dependencies.shelves.catalogue.index
        index.facts(candidate.file).add_done_callback(tell)

    def _planned(self, candidate: Candidate, facts: WheelFacts) -> PlannedFile | None:
        """A wheel as it would be in the plan; None if the target cannot use it."""
        project, shelves = candidate.key.project, self.dependencies.shelves
        target = shelves.terms.target
        try:
            python = shelves.catalogue.core_metadata(candidate.file).requires_python
        except (
            ValueError,
            RuntimeError,
        ):  # not readable; or all has ended, and the index is closed
            return None
        if not python.contains(target.python_version, prereleases=True):
            return None
        return PlannedFile(
            project=project,
            version=candidate.version,
            remote=candidate.file,
            blob=facts.blob,
            metadata=facts.metadata_sha256,
            requires_python=python,
            index=shelves.catalogue.index.origin(project),
            targets=(target.name,),
            required_by=(),
        )
