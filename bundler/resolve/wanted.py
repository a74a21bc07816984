"""What is resolved: requirements and the wheels that may meet them.

An extra is a candidate of its own that requires its project at the same version, so that `a[x]` and
`a[y]` meet in one `a`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from resolvelib.resolvers import RequirementInformation

from bundler.model.artifact import RemoteFile


class Key(NamedTuple):
    """What is resolved: a project, or one extra of it."""

    project: NormalizedName
    extra: str = ""

    def __str__(self) -> str:
        return f"{self.project}[{self.extra}]" if self.extra else self.project


@dataclass(frozen=True, slots=True)
class Wanted:
    """One requirement upon one key.

    Attributes:
        origin: Where it was asked for, when no candidate requires it.
    """

    key: Key
    specifier: SpecifierSet
    origin: str = field(default="", compare=False)
    _met: dict[Version, bool] = field(default_factory=dict, init=False, compare=False, repr=False)

    def met_by(self, version: Version) -> bool:
        """Whether a version is in the specifier; a search asks the same thousands of times."""
        met = self._met.get(version)
        if met is None:
            met = self._met[version] = self.specifier.contains(version, prereleases=True)
        return met

    def __str__(self) -> str:
        return f"{self.key}{self.specifier}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version of a key, and the wheel that a target would install."""

    key: Key
    version: Version
    file: RemoteFile = field(compare=False)

    def __str__(self) -> str:
        return f"{self.key} {self.version}"


Cause: TypeAlias = RequirementInformation[Wanted, Candidate]
"""A requirement and the candidate that has it; None instead of one that the profile has."""

NOTHING = Wanted(Key(NormalizedName("\0nothing")), SpecifierSet())
"""What a version requires that cannot be used at all: no candidate ever meets it."""


def expand(requirement: Requirement, extras: Iterable[str] = ()) -> Iterator[Wanted]:
    """A requirement upon a project, and one for each extra: its own and those of `extras`."""
    project = canonicalize_name(requirement.name)
    yield Wanted(Key(project), requirement.specifier)
    for extra in sorted({canonicalize_name(name) for name in (*requirement.extras, *extras)}):
        yield Wanted(Key(project, extra), requirement.specifier)
