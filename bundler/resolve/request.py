"""What a run resolves: a profile with its files read, its ages turned into times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from bundler.model.asked import Inputs
from bundler.model.profile import Profile
from bundler.model.target import Target
from bundler.resolve.lock import Publishers
from bundler.resolve.terms import Rules, Terms, make_terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that a resolution depends upon, but the index.

    Attributes:
        stream: Names the locks.
        terms: One for each target, in the profile's order.
        optional: Names of the targets that may be left without a solution.
        breadth: How many versions of each direct requirement to carry.
        align: Whether the targets shall share versions where they can.
        all_wheels: Whether to carry every wheel that a target could install, not only the best.
        publishers: What locks shall pin.
    """

    stream: str
    terms: tuple[Terms, ...]
    optional: frozenset[str] = frozenset()
    breadth: int = 1
    align: bool = False
    all_wheels: bool = False
    publishers: Publishers = field(default_factory=dict)

    @property
    def targets(self) -> tuple[Target, ...]:
        """For whom."""
        return tuple(terms.target for terms in self.terms)


@dataclass(frozen=True, slots=True)
class Preferences:
    """Versions that earlier locks have, by target; they are tried first."""

    by_target: Mapping[str, Mapping[NormalizedName, Version]] = field(default_factory=dict)

    def of(self, target: Target) -> Mapping[NormalizedName, Version]:
        """Those of one target."""
        return self.by_target.get(target.name, {})


def make_request(
    profile: Profile,
    inputs: Inputs,
    now: datetime,
    preferences: Preferences | None = None,
    publishers: Publishers | None = None,
) -> Request:
    """What to resolve for a profile; `now` is what an age in it is counted from."""
    table = profile.profile
    rules = Rules(
        overrides=profile.parsed_overrides(),
        excluded=frozenset(canonicalize_name(name) for name in table.exclude),
        cutoff=profile.cutoff_at(now),
        sdists=profile.carries_sdists,
    )
    known = preferences or Preferences()
    terms = (make_terms(inputs, rules, target) for target in profile.parsed_targets())
    return Request(
        stream=profile.stream,
        terms=tuple(replace(each, preferred=known.of(each.target)) for each in terms),
        optional=profile.optional_targets,
        breadth=table.breadth,
        align=table.align,
        all_wheels=table.wheels == "all",
        publishers=publishers or {},
    )
