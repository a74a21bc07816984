"""The profile: what a team wants inside, as a TOML document."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Annotated, Final, Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from bundler.errors import ProfileError
from bundler.model.artifact import Sha256, parse_sha256
from bundler.model.asked import parse_constraint, parse_requirement
from bundler.model.cutoff import cutoff_at, parse_cutoff, parse_lifetime
from bundler.model.index_url import PIP_INDEX, check_index_url
from bundler.model.manifest import parse_stream
from bundler.model.policy_tables import (
    AttestationsTable,
    PolicyTable,
    ProvenanceMode,
    PublisherTable,
    UrlPrefix,
    policy_faults,
)
from bundler.model.profile_faults import KEYS_HINT, key_faults
from bundler.model.target import Target
from bundler.model.target_tables import (
    TargetsTable,
    TargetTable,
    matrix_targets,
    single_target,
    target_faults,
)

_PATTERN: Final = re.compile(r"[a-z0-9-]*\*[a-z0-9*-]*", re.ASCII)
"""Normalised names, some of their characters left open."""


def _check_requirement(text: str) -> str:
    parse_requirement(text)
    return text


def _check_constraint(text: str) -> str:
    parse_constraint(text)
    return text


def _check_project(text: str) -> str:
    name: str = canonicalize_name(text, validate=True)
    return name


def _check_pattern(text: str) -> str:
    if _PATTERN.fullmatch(text):
        return text
    name: str = canonicalize_name(text, validate=True)
    return name


def _check_cutoff(value: object) -> object:
    if value is not None:
        parse_cutoff(value)
    return value


_PatternText = Annotated[str, AfterValidator(_check_pattern)]
_ProjectText = Annotated[str, AfterValidator(_check_project)]
_RequirementText = Annotated[str, AfterValidator(_check_requirement)]
_ConstraintText = Annotated[str, AfterValidator(_check_constraint)]
_PathText = Annotated[str, Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RequirementFile(_Table):
    """A file that requirements are kept in; a mere string in the profile is its path.

    Attributes:
        path: Seen from the profile's folder.
        extras: Of the project in the file.
        groups: Dependency groups in the file.
    """

    path: _PathText
    extras: list[str] = []
    groups: list[str] = []


def _file_of_path(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


_RequirementFile = Annotated[
    RequirementFile, BeforeValidator(_file_of_path, json_schema_input_type=str | RequirementFile)
]


class ProfileTable(_Table):
    """`[profile]`."""

    name: Annotated[str, AfterValidator(parse_stream)]
    description: str = ""
    requirements: list[_RequirementText] = []
    requirement_files: Annotated[list[_RequirementFile], Field(alias="requirement-files")] = []
    constraints: list[_ConstraintText] = []
    constraint_files: Annotated[list[_PathText], Field(alias="constraint-files")] = []
    overrides: list[_RequirementText] = []
    exclude: list[_ProjectText] = []
    cutoff: Annotated[str | datetime | date | None, BeforeValidator(_check_cutoff)] = None
    breadth: Annotated[int, Field(ge=1, le=100)] = 1
    align: bool = False
    wheels: Literal["best", "all"] = "best"
    sdists: Literal["never", "when-no-wheel"] = "never"


class IndexTable(_Table):
    """`[[index]]`."""

    name: Annotated[str, Field(min_length=1)] = "default"
    url: Annotated[str, AfterValidator(check_index_url)] = PIP_INDEX
    projects: Annotated[list[_PatternText], Field(min_length=1)] = ["*"]
    provenance: ProvenanceMode = "available"
    passed_through: Annotated[list[UrlPrefix], Field(alias="passed-through")] = []
    require_rebuilt: Annotated[bool, Field(alias="require-rebuilt")] = False


class AcceptTable(_Table):
    """`[[accept]]`: a wheel that breaks a rule and is carried all the same."""

    sha256: Annotated[str, AfterValidator(parse_sha256)]
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
    filename: str | None = None


def _check_lifetime(text: str) -> str:
    parse_lifetime(text)
    return text


_Lifetime = Annotated[str, AfterValidator(_check_lifetime)]


class ExpiryTable(_Table):
    """`[expiry]`: for how long each role's signatures are good; absent ones have a default."""

    targets: _Lifetime | None = None
    packing: _Lifetime | None = None
    snapshot: _Lifetime | None = None
    timestamp: _Lifetime | None = None

    def lifetimes(self) -> dict[str, timedelta]:
        """Those that are given, by role."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: parse_lifetime(text) for name, text in given.items() if text is not None}


class Profile(_Table):
    """A whole profile.

    `Profile.model_json_schema()` is its published JSON Schema.
    """

    profile: ProfileTable
    index: Annotated[list[IndexTable], Field(min_length=1)] = [IndexTable()]
    targets: TargetsTable | None = None
    target: list[TargetTable] = []
    publisher: list[PublisherTable] = []
    attestations: AttestationsTable = AttestationsTable()
    policy: PolicyTable = PolicyTable()
    accept: list[AcceptTable] = []
    expiry: ExpiryTable = ExpiryTable()

    def accepted(self) -> dict[Sha256, str]:
        """The reasons by the digest of the wheel."""
        return {Sha256(each.sha256): each.reason for each in self.accept}

    @property
    def stream(self) -> str:
        """The stream that this profile's bundles belong to."""
        return self.profile.name

    def parsed_targets(self) -> tuple[Target, ...]:
        """Every target, those of `[targets]` first, in the profile's order, each once."""
        return (*matrix_targets(self.targets), *map(single_target, self.target))

    @property
    def optional_targets(self) -> frozenset[str]:
        """The names of the targets that may be left without a solution."""
        listed = self.targets.may_be_missing if self.targets else []
        single = (single_target(table).name for table in self.target if table.may_be_missing)
        return frozenset((*listed, *single))

    @property
    def carries_sdists(self) -> bool:
        """Whether a source distribution may come where no wheel fits."""
        return self.profile.sdists == "when-no-wheel"

    def parsed_requirements(self) -> tuple[Requirement, ...]:
        """The requirements, in the profile's order."""
        return tuple(Requirement(text) for text in self.profile.requirements)

    def parsed_constraints(self) -> tuple[Requirement, ...]:
        """The constraints, in the profile's order."""
        return tuple(Requirement(text) for text in self.profile.constraints)

    def parsed_overrides(self) -> tuple[Requirement, ...]:
        """The overrides, in the profile's order."""
        return tuple(Requirement(text) for text in self.profile.overrides)

    def cutoff_at(self, now: datetime) -> datetime | None:
        """The time after which uploads do not count; `now` is what an age is counted from."""
        cutoff = self.profile.cutoff
        return None if cutoff is None else cutoff_at(parse_cutoff(cutoff), now)


def parse_profile(data: bytes, name: str) -> Profile:
    """Read a profile; `name` is the file's, for messages.

    Raises:
        ProfileError: naming every key that is wrong.
    """
    try:
        document = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise ProfileError(f"{name}: not UTF-8 text: {error}", hint=KEYS_HINT) from error
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{name}: not TOML: {error}", hint=KEYS_HINT) from error
    try:
        profile = Profile.model_validate(document)
    except ValidationError as error:
        faults = "\n".join(f"{name}: {fault}" for fault in key_faults(error, Profile))
        raise ProfileError(faults, hint=KEYS_HINT) from error
    faults = "\n".join(f"{name}: {fault}" for fault in _further_faults(profile))
    if faults:
        raise ProfileError(faults, hint=KEYS_HINT)
    return profile


def _further_faults(profile: Profile) -> Iterator[str]:
    """What no single key shows."""
    if not (profile.profile.requirements or profile.profile.requirement_files):
        yield "profile: requirements and requirement-files are both empty"
    names = [table.name for table in profile.index]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"index: two have the name {name!r}"
    pinned = [p for table in profile.index for p in table.projects if "*" not in p]
    for project in sorted({p for p in pinned if pinned.count(p) > 1}):
        yield f"index: two have {project!r} among their projects"
    kept = {canonicalize_name(each.name) for each in profile.parsed_requirements()}
    for number, name in enumerate(profile.profile.exclude):
        if name in kept:
            yield f"profile.exclude[{number}]: {name} stands in requirements too"
    yield from target_faults(profile.targets, profile.target)
    yield from policy_faults(profile.publisher, profile.attestations, names)
    for index in profile.index:
        if index.require_rebuilt and not index.passed_through:
            yield f"index {index.name!r}: require-rebuilt needs passed-through, to tell files apart"
