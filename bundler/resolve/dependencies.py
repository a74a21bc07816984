"""What a wheel requires on one target, or why it cannot be used there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from packaging.markers import Marker, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bundler.errors import DigestMismatchError, RefusedError
from bundler.model.artifact import is_sdist
from bundler.resolve.catalogue import Shelves
from bundler.resolve.metadata import CoreMetadata
from bundler.resolve.wanted import NOTHING, Candidate, Key, Wanted


class _UnusableError(Exception):
    """A version is not for this target; `told` when its author or index is to blame."""

    def __init__(self, reason: str, *, told: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.told = told


@dataclass(slots=True)
class Dependencies:
    """The dependencies of wheels on one target.

    Attributes:
        shelves: What there is for the target, and its terms.
        unusable: Why a version cannot be used, for each that was looked at.
        left_out: Those of them that a person should hear of: versions that are faulty rather than
            made for other Pythons.
        notices: Other things to tell.
    """

    shelves: Shelves
    unusable: dict[Candidate, str] = field(default_factory=dict)
    left_out: set[tuple[str, str]] = field(default_factory=set)
    notices: set[str] = field(default_factory=set)

    def of(self, candidate: Candidate) -> list[Wanted]:
        """What `candidate` requires; their pages are on the way. `NOTHING` if it is unusable.

        Raises:
            DigestMismatchError, NetworkError: when the index fails, which is no wheel's fault.
        """
        try:
            found = list(self._found(candidate))
        except _UnusableError as error:
            self.unusable[candidate] = error.reason
            if error.told:
                self.left_out.add((str(candidate), error.reason))
            return [NOTHING]
        for wanted in found:
            self.shelves.catalogue.ask(wanted.key.project)
        return found

    def _found(self, candidate: Candidate) -> Iterator[Wanted]:
        extra, terms = candidate.key.extra, self.shelves.terms
        metadata = self._metadata(candidate)
        if extra:
            exact = SpecifierSet(f"==={candidate.version}")
            yield Wanted(Key(candidate.key.project), exact)
            if extra not in metadata.extras:
                self.notices.add(
                    f"{candidate.key.project} {candidate.version} has no extra {extra!r}"
                )
        elif not metadata.requires_python.contains(terms.target.python_version, prereleases=True):
            raise _UnusableError(f"it requires Python {metadata.requires_python}", told=False)
        if candidate.key.project in terms.pinned and not extra:
            return  # who asks for an extra besides the lock wants what it needs, though
        for requirement in metadata.requirements:
            if self._applies(requirement, extra):
                if requirement.url and not terms.replaces(canonicalize_name(requirement.name)):
                    raise _UnusableError(
                        f"it requires {requirement.name} from a URL, which no index vouches for"
                    )
                yield from terms.met_by(requirement)

    def _metadata(self, candidate: Candidate) -> CoreMetadata:
        try:
            return self.shelves.catalogue.core_metadata(candidate.file)
        except DigestMismatchError:
            raise
        except RefusedError as error:
            reason = error.message
            if is_sdist(candidate.file.filename):  # a dozen versions often share their reason
                reason = reason.removeprefix(f"{candidate.file.filename}: ")
            raise _UnusableError(reason) from error
        except ValueError as error:
            raise _UnusableError(f"its METADATA cannot be read: {error}") from error

    def _applies(self, requirement: Requirement, extra: str) -> bool:
        """Whether a dependency counts for this key: those of the project itself have no extra."""
        if requirement.marker is None:
            return not extra
        try:
            plain = self._holds(requirement.marker, "")
            if not extra:
                return plain
            return not plain and self._holds(requirement.marker, extra)
        except (ValueError, UndefinedEnvironmentName) as error:
            raise _UnusableError(f"its METADATA cannot be read: {error}") from error

    def _holds(self, marker: Marker, extra: str) -> bool:
        return marker.evaluate({**self.shelves.terms.target.environment, "extra": extra})
