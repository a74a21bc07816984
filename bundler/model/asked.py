"""What is asked for: requirements, constraints, digests and pins, with where each was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from bundler.model.artifact import Sha256
from bundler.model.target import Target

THE_PROFILE: Final = "profile"
"""The origin of what stands in the profile itself."""

_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")


@dataclass(frozen=True, slots=True)
class AskedRequirement:
    """A requirement or a constraint.

    Attributes:
        requirement: Comes from an index, and its marker can be evaluated.
        origin: Where it was written, such as `requirements.txt, line 4`, or `THE_PROFILE`.
        sha256s: The digests that its files may have; empty when none were given.
    """

    requirement: Requirement
    origin: str
    sha256s: frozenset[Sha256] = frozenset()

    @property
    def project(self) -> NormalizedName:
        """The name of the project, normalised."""
        return canonicalize_name(self.requirement.name)

    def applies(self, target: Target) -> bool:
        """Whether it counts for a target."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(target.environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPin:
    """One project of a lock, on one target.

    Attributes:
        sha256s: Of all wheels that the lock has of this version, for whatever target; empty only
            where source distributions may be carried.
        sdists: Of its source distributions.
        origin: Where it was written, such as `uv.lock, package numpy`.
    """

    project: NormalizedName
    version: Version
    sha256s: frozenset[Sha256]
    sdists: frozenset[Sha256]
    origin: str


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock gives each target of the profile, sorted by project; nothing is to be added."""

    name: str
    by_target: Mapping[str, tuple[LockedPin, ...]]

    def pins(self, target: Target) -> tuple[LockedPin, ...]:
        """The projects of one target.

        Raises:
            KeyError: if it is not a target of the profile that the lock was read for.
        """
        return self.by_target[target.name]


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file beside the profile, as it was when it was read.

    Attributes:
        name: Its path as seen from the profile's folder, with "/" between the parts.
    """

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a profile asks for, itself or through the files that it names.

    Attributes:
        requirements: Those of the profile first, then in the order of the files and their lines.
        constraints: In the same order.
        require_hashes: A file demands that each project has digests: what `digests` does not have
            must not be taken.
        locks: In the profile's order. Each stands for itself.
        files: All files that were read, each once, in the order of reading.
    """

    requirements: tuple[AskedRequirement, ...]
    constraints: tuple[AskedRequirement, ...] = ()
    require_hashes: bool = False
    locks: tuple[Lock, ...] = ()
    files: tuple[InputFile, ...] = ()

    def digests(self, target: Target) -> dict[NormalizedName, frozenset[Sha256]]:
        """The digests that the files of a project may have on a target; absent ones are free.

        As pip does it: several digests of one line are a choice, and a file has to be among those
        of each line that counts for the target, constraints included.
        """
        allowed: dict[NormalizedName, frozenset[Sha256]] = {}
        for asked in (*self.requirements, *self.constraints):
            if asked.sha256s and asked.applies(target):
                before = allowed.get(asked.project, asked.sha256s)
                allowed[asked.project] = before & asked.sha256s
        return allowed


def parse_requirement(text: str) -> Requirement:
    """A dependency specifier that an index can meet.

    Raises:
        ValueError: if it is not one. An address is not quoted: it may have a password in it.
    """
    if "://" in text:
        raise ValueError("a URL requirement comes from no index; name the project and a version")
    if text.startswith((".", "/", "~")) or text.lower().endswith(_ARCHIVES):
        raise ValueError("a path comes from no index; name the project and a version")
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        # Its further lines draw an arrow below the text.
        raise ValueError(f"{text!r}: {str(error).partition(chr(10))[0]}") from error
    if requirement.url:
        raise ValueError("a URL requirement comes from no index; name the project and a version")
    try:
        if requirement.marker:
            requirement.marker.evaluate()
    except UndefinedComparison as error:
        raise ValueError(f"its marker cannot be evaluated: {error}") from error
    except UndefinedEnvironmentName as error:
        raise ValueError(f"its marker asks for {error}, which is for locks only") from error
    return requirement


def parse_constraint(text: str) -> Requirement:
    """A bound upon a project.

    Raises:
        ValueError: as `parse_requirement`, and if it names extras.
    """
    constraint = parse_requirement(text)
    if constraint.extras:
        name = canonicalize_name(constraint.name)
        raise ValueError(f"a constraint on {name} cannot ask for extras")
    return constraint
