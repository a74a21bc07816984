"""What the resolution of one target comes to: a wheel for each project, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.model.artifact import RemoteFile
from bundler.model.target import Target
from bundler.resolve.dependencies import Dependencies
from bundler.resolve.index import WheelFacts
from bundler.resolve.terms import Terms
from bundler.resolve.wanted import Candidate, Cause, Wanted


@dataclass(frozen=True, slots=True)
class Asked:
    """One reason for a project: a requirement, and who has it; None for the profile itself."""

    wanted: Wanted
    parent: Candidate | None


@dataclass(frozen=True, slots=True)
class Pin:
    """A project in a solution."""

    version: Version
    file: RemoteFile
    facts: WheelFacts
    asked: tuple[Asked, ...]

    @property
    def required_by(self) -> frozenset[str]:
        """Project names, or "profile"."""
        return frozenset(
            "profile" if a.parent is None else a.parent.key.project for a in self.asked
        )


@dataclass(frozen=True, slots=True)
class Solution:
    """What one target installs.

    Attributes:
        dependencies: What the search learnt, of versions that it took and of others.
        builds: What the build of each source distribution among the pins needs; see `builds`.
    """

    pins: Mapping[NormalizedName, Pin]
    dependencies: Dependencies
    builds: Mapping[NormalizedName, Solution] = field(default_factory=dict)

    @property
    def terms(self) -> Terms:
        """What was solved."""
        return self.dependencies.shelves.terms

    @property
    def target(self) -> Target:
        """For whom."""
        return self.terms.target


@dataclass(frozen=True, slots=True)
class Conflict:
    """That a target has no solution.

    Attributes:
        causes: The requirements that clash, as far as the search knows.
        hopeless: Each of the causes is, or leads to, one that nothing can meet.
        exhausted: How many rounds were searched in vain; None when it is certain that there is no
            solution.
    """

    causes: Sequence[Cause]
    dependencies: Dependencies
    hopeless: bool = False
    exhausted: int | None = None

    @property
    def terms(self) -> Terms:
        """What could not be solved."""
        return self.dependencies.shelves.terms

    @property
    def target(self) -> Target:
        """For whom."""
        return self.terms.target
