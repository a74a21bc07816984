"""The terms that one target is resolved under: what is asked for, and what must not be taken."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from bundler.model.artifact import RemoteFile, Sha256
from bundler.model.asked import THE_PROFILE, Inputs
from bundler.model.target import Target
from bundler.resolve.wanted import Key, Wanted, expand


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a profile decides for all targets, besides what it asks for.

    Attributes:
        overrides: Take the place of every requirement upon their projects, whoever has it.
        excluded: Projects that are left out, whoever requires them.
        cutoff: Files that were uploaded later do not count.
        sdists: A source distribution may stand in where no wheel fits.
    """

    overrides: tuple[Requirement, ...] = ()
    excluded: frozenset[NormalizedName] = frozenset()
    cutoff: datetime | None = None
    sdists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What `make_terms` finds for one target.

    Attributes:
        roots: What is asked for; each says where.
        bounds: What every version of a project must be in: its constraints.
        overrides: Those that count here, by project; an empty tuple takes the requirement away.
        digests: The digests that a project's files may have; absent projects are free.
        require_digests: Absent projects are not free.
        pinned: Projects of a lock, whose own requirements count no more.
        preferred: Versions to try first, which an earlier lock has.
        shared: Versions to try even before those, so that other targets have the same.
        only: Names of the files that may be taken, when it is not for us to choose.
    """

    target: Target
    roots: tuple[Wanted, ...]
    bounds: Mapping[NormalizedName, SpecifierSet] = field(default_factory=dict)
    overrides: Mapping[NormalizedName, tuple[Requirement, ...]] = field(default_factory=dict)
    excluded: frozenset[NormalizedName] = frozenset()
    cutoff: datetime | None = None
    sdists: bool = False
    digests: Mapping[NormalizedName, frozenset[Sha256]] = field(default_factory=dict)
    require_digests: bool = False
    pinned: frozenset[NormalizedName] = frozenset()
    preferred: Mapping[NormalizedName, Version] = field(default_factory=dict)
    shared: Mapping[NormalizedName, Version] = field(default_factory=dict)
    only: Collection[str] | None = None

    def bound(self, project: NormalizedName) -> SpecifierSet:
        """The constraints upon a project."""
        return self.bounds.get(project, SpecifierSet())

    def replaces(self, project: NormalizedName) -> bool:
        """Whether what is required of a project does not count, whoever requires it."""
        return project in self.excluded or project in self.overrides

    def met_by(self, requirement: Requirement) -> Iterator[Wanted]:
        """What a dependency comes to under these terms."""
        project = canonicalize_name(requirement.name)
        if project in self.excluded:
            return
        if project not in self.overrides:
            yield from expand(requirement)
            return
        for override in self.overrides[project]:
            yield from expand(override, extras=requirement.extras)

    def refusal(self, project: NormalizedName, file: RemoteFile) -> str | None:
        """Why a file must not be taken, whatever it is for; None when it may."""
        if self.only is not None and file.filename not in self.only:
            return "it is not in the lock"
        allowed = self.digests.get(project)
        if allowed is None and self.require_digests:
            return "no digest of it is given, and the requirements demand one of everything"
        if allowed is not None and file.sha256 is None:
            return "the index does not say its sha256, and the requirements demand one"
        if allowed is not None and file.sha256 not in allowed:
            return "its sha256 is not among those that are given"
        return None if self.cutoff is None else _too_late(file.upload_time, self.cutoff)


def _too_late(uploaded: str | None, cutoff: datetime) -> str | None:
    if uploaded is None:
        return "the index does not say when it was uploaded, so the cutoff leaves it out"
    try:
        late = datetime.fromisoformat(uploaded) > cutoff
    except (ValueError, TypeError):  # unreadable, or of no time zone
        return f"its upload time {uploaded!r:.40} cannot be read, so the cutoff leaves it out"
    return f"uploaded {uploaded:.40}, after the cutoff" if late else None


def make_terms(inputs: Inputs, rules: Rules, target: Target) -> Terms:
    """The terms of one target of a profile."""
    bounds: dict[NormalizedName, SpecifierSet] = {}
    for asked in inputs.constraints:
        if asked.applies(target):
            before = bounds.get(asked.project, SpecifierSet())
            bounds[asked.project] = before & asked.requirement.specifier
    pins = [
        pin
        for lock in inputs.locks
        for pin in lock.pins(target)
        if pin.project not in rules.excluded
    ]
    digests = inputs.digests(target)
    for pin in pins:
        locked_files = pin.sha256s | pin.sdists if rules.sdists else pin.sha256s
        digests[pin.project] = digests.get(pin.project, locked_files) & locked_files
    terms = Terms(
        target=target,
        roots=(),
        bounds=bounds,
        overrides=_overrides(rules.overrides, target),
        excluded=rules.excluded,
        cutoff=rules.cutoff,
        sdists=rules.sdists,
        digests=digests,
        require_digests=inputs.require_hashes,
        pinned=frozenset(pin.project for pin in pins),
    )
    asked_for = [
        replace(wanted, origin=asked.origin)
        for asked in inputs.requirements
        if asked.applies(target)
        for wanted in terms.met_by(asked.requirement)
    ]
    locked = [
        Wanted(Key(pin.project), SpecifierSet(f"==={pin.version}"), origin=pin.origin)
        for pin in pins
    ]
    # An override does not change what a lock has; where they disagree, that is to be told.
    both = [
        replace(wanted, origin=THE_PROFILE)
        for project in sorted(terms.pinned & terms.overrides.keys())
        for override in terms.overrides[project]
        for wanted in expand(override)
    ]
    return replace(terms, roots=(*asked_for, *locked, *both))


def _overrides(
    overrides: Sequence[Requirement], target: Target
) -> dict[NormalizedName, tuple[Requirement, ...]]:
    found: dict[NormalizedName, tuple[Requirement, ...]] = {}
    for override in overrides:
        project = canonicalize_name(override.name)
        counts = override.marker is None or override.marker.evaluate(target.environment)
        found[project] = found.get(project, ()) + ((override,) if counts else ())
    return found
