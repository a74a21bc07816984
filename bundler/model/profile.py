"""The profile: what a team wants inside, as a TOML document."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from packaging.markers import UndefinedComparison
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from bundler.errors import ProfileError
from bundler.model.manifest import parse_stream
from bundler.model.target import Target, parse_target

PIP_INDEX: Final = "pip"
"""As an index's URL: the index that pip is configured for on this host."""


def _check_requirement(text: str) -> str:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).replace("\n", " ")) from error
    try:
        if requirement.marker:
            requirement.marker.evaluate({"extra": ""})
    except UndefinedComparison as error:
        raise ValueError(f"its marker cannot be evaluated: {error}") from error
    if requirement.url:
        raise ValueError("a URL requirement comes from no index; name the project and a version")
    return text


def parse_index_url(text: str) -> SplitResult:
    """An index's address, split; its user information is allowed here.

    Raises:
        ValueError: saying what is wrong. Nothing is quoted: a password with one of these characters
            looks like a port, a path, a query or a fragment.
    """
    if not text.startswith(("https://", "http://")):
        raise ValueError("does not begin with https:// or http://")
    if " " in text or not text.isprintable():
        raise ValueError("has a space or a control character in it")
    if "?" in text or "#" in text:
        raise ValueError('has a "?" or "#" in it; a password has %3F and %23 instead')
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises as well
    except ValueError as error:
        raise ValueError("is no address: its host or its port is wrong") from error
    if "@" in parts.path:
        raise ValueError('has an "@" in its path: "/" in a password is %2F, "@" in a path is %40')
    if not parts.hostname:
        raise ValueError("names no host")
    return parts


def _check_url(text: str) -> str:
    if text == PIP_INDEX:
        return text
    if not text.startswith(("https://", "http://")):
        raise ValueError(
            'give an https:// address, or "pip" for the index that pip uses on this host'
        )
    if "@" in text:
        raise ValueError(
            "credentials do not belong into a profile; put them into ~/.netrc"
            ' (and write an "@" in a path as %40)'
        )
    try:
        parse_index_url(text)
    except ValueError as error:
        raise ValueError(f"the address {error}") from error
    return text


_RequirementText = Annotated[str, AfterValidator(_check_requirement)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ProfileTable(_Table):
    """`[profile]`."""

    name: Annotated[str, AfterValidator(parse_stream)]
    description: str = ""
    requirements: Annotated[list[_RequirementText], Field(min_length=1)]
    constraints: list[_RequirementText] = []


class IndexTable(_Table):
    """`[[index]]`."""

    name: Annotated[str, Field(min_length=1)] = "default"
    url: Annotated[str, AfterValidator(_check_url)] = PIP_INDEX


class TargetsTable(_Table):
    """`[targets]`: each Python on each platform."""

    python: Annotated[list[str], Field(min_length=1)]
    platforms: Annotated[list[str], Field(min_length=1)]


class Profile(_Table):
    """A whole profile.

    `Profile.model_json_schema()` is its published JSON Schema.
    """

    profile: ProfileTable
    index: Annotated[list[IndexTable], Field(min_length=1, max_length=1)] = [IndexTable()]
    targets: TargetsTable

    @property
    def stream(self) -> str:
        """The stream that this profile's bundles belong to."""
        return self.profile.name

    def parsed_targets(self) -> tuple[Target, ...]:
        """Every target, in the profile's order, each once."""
        pairs = ((p, f) for p in self.targets.python for f in self.targets.platforms)
        return tuple({target.name: target for target in (parse_target(*p) for p in pairs)}.values())

    def parsed_requirements(self) -> tuple[Requirement, ...]:
        """The requirements, in the profile's order."""
        return tuple(Requirement(text) for text in self.profile.requirements)

    def parsed_constraints(self) -> tuple[Requirement, ...]:
        """The constraints, in the profile's order."""
        return tuple(Requirement(text) for text in self.profile.constraints)


def parse_profile(data: bytes, name: str) -> Profile:
    """Read a profile; `name` is the file's, for messages.

    Raises:
        ProfileError: naming every key that is wrong.
    """
    try:
        document = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise ProfileError(f"{name}: not UTF-8 text: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{name}: not TOML: {error}") from error
    try:
        profile = Profile.model_validate(document)
    except ValidationError as error:
        faults = "\n".join(_fault(name, fault) for fault in error.errors())
        raise ProfileError(faults) from error
    faults = "\n".join(f"{name}: {fault}" for fault in _further_faults(profile))
    if faults:
        raise ProfileError(faults)
    return profile


_PLAINER = {"extra_forbidden": "there is no such key", "missing": "this key is missing"}


def _fault(name: str, fault: ErrorDetails) -> str:
    path = ""
    for part in fault["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    message = _PLAINER.get(fault["type"], fault["msg"].removeprefix("Value error, "))
    return f"{name}: {path}: {message}"


def _further_faults(profile: Profile) -> Iterator[str]:
    """What no single key shows."""
    table = profile.targets
    for number, python in enumerate(table.python):
        try:
            parse_target(python, "linux")
        except ValueError as error:
            yield f"targets.python[{number}]: {error}"
    for number, platform in enumerate(table.platforms):
        try:
            parse_target("3.12", platform)
        except ValueError as error:
            yield f"targets.platforms[{number}]: {error}"
    for number, constraint in enumerate(profile.parsed_constraints()):
        if constraint.extras:
            yield (
                f"profile.constraints[{number}]: a constraint on"
                f" {canonicalize_name(constraint.name)} cannot ask for extras"
            )
