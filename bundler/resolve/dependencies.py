"""What a wheel requires on one target, or why it cannot be used there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bundler.errors import DigestMismatchError, RefusedError
from bundler.model.artifact import header_block
from bundler.model.target import Target
from bundler.resolve.catalogue import Catalogue
from bundler.resolve.wanted import NOTHING, Candidate, Key, Wanted, expand


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
    raw, _ = parse_email(header_block(data))
    return CoreMetadata(
        requirements=tuple(_requirement(text) for text in raw.get("requires_dist", [])),
        extras=frozenset(canonicalize_name(name) for name in raw.get("provides_extra", [])),
        requires_python=SpecifierSet(raw.get("requires_python", "")),
    )


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        # Its further lines draw an arrow below the text.
        raise ValueError(f"{text!r}: {str(error).partition(chr(10))[0]}") from error


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
        unusable: Why a version cannot be used, for each that was looked at.
        left_out: Those of them that a person should hear of: versions that are faulty rather than
            made for other Pythons.
        notices: Other things to tell.
    """

    target: Target
    catalogue: Catalogue
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
            self.catalogue.ask(wanted.key.project)
        return found

    def _found(self, candidate: Candidate) -> Iterator[Wanted]:
        extra = candidate.key.extra
        metadata = self._metadata(candidate)
        if extra:
            exact = SpecifierSet(f"==={candidate.version}")
            yield Wanted(Key(candidate.key.project), exact)
            if extra not in metadata.extras:
                self.notices.add(
                    f"{candidate.key.project} {candidate.version} has no extra {extra!r}"
                )
        elif not metadata.requires_python.contains(self.target.python_version, prereleases=True):
            raise _UnusableError(f"it requires Python {metadata.requires_python}", told=False)
        for requirement in metadata.requirements:
            if self._applies(requirement, extra):
                if requirement.url:
                    raise _UnusableError(
                        f"it requires {requirement.name} from a URL, which no index vouches for"
                    )
                yield from expand(requirement)

    def _metadata(self, candidate: Candidate) -> CoreMetadata:
        try:
            facts = self.catalogue.index.facts(candidate.file).result()
        except DigestMismatchError:
            raise
        except RefusedError as error:
            raise _UnusableError(error.message) from error
        try:
            return parse_core_metadata(facts.metadata)
        except ValueError as error:
            raise _UnusableError(f"its METADATA cannot be read: {error}") from error

    def _applies(self, requirement: Requirement, extra: str) -> bool:
        """Whether a dependency counts for this key: those of the project itself have no extra."""
        if requirement.marker is None:
            return not extra
        environment = {**self.target.environment, "extra": ""}
        try:
            plain = requirement.marker.evaluate(environment)
            if not extra:
                return plain
            return not plain and requirement.marker.evaluate({**environment, "extra": extra})
        except ValueError as error:
            raise _UnusableError(f"its METADATA cannot be read: {error}") from error
