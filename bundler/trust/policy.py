"""Whether a file may enter: one pure function over what is known of it.

It decides in this order, and the first rule that says no is the answer: denied by name or digest,
quarantined, too young, yanked, not rebuilt, attestation failed, another publisher than expected,
another than last time (drift), attested last time but not now (downgrade), not attested at all.
Each refusal says what to write into the profile for a file that shall enter nevertheless, where
there is such a thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from bundler.errors import PolicyError
from bundler.model.artifact import Sha256
from bundler.model.publisher import Identity, Publisher
from bundler.model.verdict import Outcome, Verdict
from bundler.trust.advice import excuse, publisher_table


class Mode(StrEnum):
    """How much an index, or a project, is asked to attest, strictest first."""

    REQUIRED = "required"
    AVAILABLE = "available"
    NONE = "none"


QUARANTINED: Final = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is known of a file besides its attestations.

    Attributes:
        index: Name of the profile's index that it comes from.
        status: Of the project (PEP 792).
        yanked: The reason, None when it is not.
        uploaded: None when the index does not say.
        passed_through: Whether the index did not build it but took it from elsewhere.
    """

    project: NormalizedName
    version: Version
    filename: str
    sha256: Sha256
    index: str
    status: str = "active"
    yanked: str | None = None
    uploaded: datetime | None = None
    passed_through: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """What the last sequence said of one project.

    Attributes:
        publishers: Of its files that were verified.
        outcomes: Of each file, by digest.
    """

    sequence: int
    publishers: frozenset[Publisher] = frozenset()
    outcomes: Mapping[Sha256, Outcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A publisher that the profile names for projects; `index` None is any."""

    projects: tuple[str, ...]
    publisher: Publisher
    index: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The profile's policy.

    Attributes:
        modes: By the name of an index.
        project_modes: Patterns of projects by mode; they outweigh the index's mode, and a stricter
            one outweighs the others.
        expected: The publishers that the profile names.
        pinned: Those that locks have, for projects for which the profile names none.
        denied: Requirements such as "evil" or "evil<2".
        denied_digests: Of files.
        rebuilt_only: Names of the indexes whose files must be built by the index.
        allow_yanked: Whether yanked files that are pinned may enter.
        cutoff: Nothing that was uploaded later may enter.
    """

    modes: Mapping[str, Mode] = field(default_factory=dict)
    project_modes: Mapping[Mode, tuple[str, ...]] = field(default_factory=dict)
    expected: tuple[Expected, ...] = ()
    pinned: Mapping[NormalizedName, tuple[Publisher, ...]] = field(default_factory=dict)
    denied: tuple[Requirement, ...] = ()
    denied_digests: frozenset[Sha256] = frozenset()
    rebuilt_only: frozenset[str] = frozenset()
    allow_yanked: bool = True
    cutoff: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """On one file.

    Attributes:
        reason: Why it is refused; None when it is allowed.
        fix: What would let it in: lines for the profile, or what to do; None when nothing does.
    """

    reason: str | None = None
    fix: str | None = None

    @property
    def allowed(self) -> bool:
        """Whether the file may enter."""
        return self.reason is None


_ALLOWED: Final = Decision()
_MAX_FIXES: Final = 5


def check(
    files: Iterable[tuple[FileFacts, Verdict]],
    former: Mapping[NormalizedName, Former],
    rules: Rules,
) -> None:
    """See that all files may enter.

    Raises:
        PolicyError: naming every file that may not, and why.
    """
    refused = [
        (facts, decision)
        for facts, verdict in files
        if not (decision := decide(facts, verdict, former.get(facts.project), rules)).allowed
    ]
    if not refused:
        return
    fixes = [decision.fix for _facts, decision in refused if decision.fix is not None]
    excusable = {facts.project for facts, each in refused if each.fix == excuse([facts.project])}
    if excusable:  # in one table: a second one of the same name would be no TOML
        single = {excuse([project]) for project in excusable}
        fixes = [excuse(sorted(excusable)), *(fix for fix in fixes if fix not in single)]
    shown = list(dict.fromkeys(fixes))
    if len(shown) > _MAX_FIXES:
        shown[_MAX_FIXES:] = [f"… and {len(shown) - _MAX_FIXES} more like these"]
    raise PolicyError(
        "\n".join(f"{facts.filename}: refused: {each.reason}" for facts, each in refused),
        hint="\n".join(["if these shall enter nevertheless, write into the profile:", *shown])
        if shown
        else None,
    )


def decide(facts: FileFacts, verdict: Verdict, former: Former | None, rules: Rules) -> Decision:
    """Whether a file may enter; `former` is None for a project that was not there last time."""
    decision = _judge_file(facts, rules)
    mode = mode_of(facts, rules)
    if not decision.allowed:
        return decision
    if mode is Mode.NONE:  # attestations count for nothing, whatever they are
        return _judge_absent(facts, former, rules, mode)
    if verdict.identity is not None:
        return _judge_publisher(verdict.identity, facts, former, rules)
    if verdict.outcome is Outcome.FAILED:
        return Decision(
            f"its attestation is not valid: {verdict.reason}",
            f"have its publisher or the operator of the index {facts.index!r} explain it",
        )
    return _judge_absent(facts, former, rules, mode)


def mode_of(facts: FileFacts, rules: Rules) -> Mode:
    """How much this file is asked to attest.

    That of the project where the profile has one; a project whose publisher is named or pinned
    must be attested; else that of the index.
    """
    mode = _project_mode(facts.project, rules)
    if mode is not None:
        return mode
    if _expected_of(facts, rules):
        return Mode.REQUIRED
    return rules.modes.get(facts.index, Mode.AVAILABLE)


def _project_mode(project: NormalizedName, rules: Rules) -> Mode | None:
    """A name outweighs a pattern; of two patterns, that of the stricter mode does."""
    for mode in Mode:
        if project in rules.project_modes.get(mode, ()):
            return mode
    for mode in Mode:
        if covers(rules.project_modes.get(mode, ()), project):
            return mode
    return None


def covers(patterns: Iterable[str], project: NormalizedName) -> bool:
    """Whether a pattern such as `torch*` matches the project's normalised name."""
    return any(fnmatchcase(project, pattern) for pattern in patterns)


def _judge_file(facts: FileFacts, rules: Rules) -> Decision:
    """By what the index says of it, before any attestation."""
    if denied := _denied(facts, rules):
        return Decision(f"{denied} is on the profile's deny list")
    if facts.status == QUARANTINED:
        return Decision("the index has quarantined the project")
    if rules.cutoff is not None and facts.uploaded is not None and facts.uploaded > rules.cutoff:
        when, cutoff = facts.uploaded.isoformat(), rules.cutoff.isoformat()
        return Decision(f"it was uploaded at {when}, after the cutoff {cutoff}")
    if facts.yanked is not None and not rules.allow_yanked:
        why = f" ({facts.yanked:.200})" if facts.yanked else ""
        return Decision(f"it is yanked{why}", '[policy] yanked = "allow"')
    if facts.passed_through and facts.index in rules.rebuilt_only:
        return Decision(
            f"the index {facts.index!r} did not build it but passes it through",
            f"take {facts.project} from another [[index]], or ask the index to build it",
        )
    return _ALLOWED


def _denied(facts: FileFacts, rules: Rules) -> str | None:
    if facts.sha256 in rules.denied_digests:
        return f"sha256 {facts.sha256}"
    for denied in rules.denied:
        named = canonicalize_name(denied.name) == facts.project
        if named and denied.specifier.contains(facts.version, prereleases=True):
            return f'"{denied}"'
    return None


def _judge_absent(facts: FileFacts, former: Former | None, rules: Rules, mode: Mode) -> Decision:
    fix = excuse([facts.project])
    if mode is Mode.REQUIRED:
        return Decision("it has no attestation, and one is required", fix)
    if former is None or not former.publishers:
        return _ALLOWED
    if former.outcomes.get(facts.sha256) is Outcome.ABSENT:
        return _ALLOWED  # the same file was there, and it was not attested then either
    if _project_mode(facts.project, rules) is not None:
        return _ALLOWED  # the profile says of this very project that it need not be attested
    return Decision(
        f"it has no attestation, but {facts.project} was attested in sequence {former.sequence}"
        f" by {_listed(former.publishers)}",
        fix,
    )


def _judge_publisher(
    identity: Identity, facts: FileFacts, former: Former | None, rules: Rules
) -> Decision:
    fix = publisher_table(identity.publisher, facts.project)
    expected = _expected_of(facts, rules)
    if any(identity.is_one_of(each) for each in expected):
        return _ALLOWED
    if expected:
        return Decision(
            f"it is attested by {identity.publisher}, but the profile or its locks expect"
            f" {_listed(expected)}",
            fix,
        )
    if former is None or not former.publishers:
        return _ALLOWED
    if any(identity.is_one_of(each) for each in former.publishers):
        return _ALLOWED
    return Decision(
        f"it is attested by {identity.publisher}, but in sequence {former.sequence} it was"
        f" {_listed(former.publishers)}",
        fix,
    )


def _expected_of(facts: FileFacts, rules: Rules) -> Sequence[Publisher]:
    return named_by_profile(facts, rules) or rules.pinned.get(facts.project, ())


def named_by_profile(facts: FileFacts, rules: Rules) -> Sequence[Publisher]:
    """The publishers that the profile's tables name for a file."""
    return [
        each.publisher
        for each in rules.expected
        if each.index in {None, facts.index} and covers(each.projects, facts.project)
    ]


def _listed(publishers: Iterable[Publisher]) -> str:
    return " or ".join(sorted(map(str, publishers)))
