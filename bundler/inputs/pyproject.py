"""`pyproject.toml`: dependencies, extras (PEP 621) and dependency groups (PEP 735).

Only the tables of the specifications count. One of a tool is looked at: what `[tool.uv.sources]`
takes from a folder or a repository must not be looked for on an index, where anybody may have
taken the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from packaging.dependency_groups import DependencyGroupResolver
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from bundler.inputs.gathered import Gathered, Source
from bundler.inputs.table import Table, parse_toml
from bundler.model.asked import AskedRequirement, parse_requirement
from bundler.model.profile import RequirementFile

_NO_INDEX = ("workspace", "path", "git", "url")


@dataclass(frozen=True, slots=True)
class _Written:
    """A specifier in the file and its place."""

    text: str
    place: str


@dataclass(frozen=True, slots=True)
class _Project:
    """What of the file counts.

    Attributes:
        name: None when there is no `[project]`.
        own: Projects that `[tool.uv.sources]` takes from elsewhere.
    """

    name: NormalizedName | None
    dependencies: Sequence[_Written]
    extras: Mapping[NormalizedName, Sequence[_Written]]
    own: frozenset[NormalizedName]


def read_pyproject(source: Source, wanted: RequirementFile, gathered: Gathered) -> None:
    """Take what a project depends on, with the extras and groups that are wanted."""
    try:
        document = parse_toml(source.data)
        project = _read_project(document, wanted)
        # Each with the extras that led to it.
        none: frozenset[NormalizedName] = frozenset()
        written = [(item, none) for item in project.dependencies]
        for extra in map(canonicalize_name, wanted.extras):
            written += [(item, frozenset({extra})) for item in _extra(project, extra)]
        for group in wanted.groups:
            written += [(item, none) for item in _group(document, group)]
    except ValueError as error:
        gathered.faults.append(f"{source.path}: {error}")
        return
    for item, above in written:
        try:
            for requirement in _expand(item, project, above):
                origin = f"{source.name}, {item.place}"
                gathered.requirements.append(AskedRequirement(requirement, origin))
        except ValueError as error:
            gathered.faults.append(f"{source.path}: {item.place}: {error}")


def _read_project(document: Table, wanted: RequirementFile) -> _Project:
    table = document.table("project")
    if "project" not in document:
        if wanted.extras or not wanted.groups:
            raise ValueError("it has no [project] table, the only one that is read; name groups")
        return _Project(None, (), {}, _own_sources(document))
    dynamic = table.texts("dynamic")
    for key, needed in (("dependencies", True), ("optional-dependencies", bool(wanted.extras))):
        if needed and key in dynamic:
            raise ValueError(
                f"project.{key} is dynamic: only a build could tell, and none is run;"
                " lock the project and name the lock instead"
            )
    extras = table.table("optional-dependencies")
    return _Project(
        name=canonicalize_name(table.text("name")),
        dependencies=_written(table, "dependencies"),
        extras={canonicalize_name(key): _written(extras, key) for key in extras},
        own=_own_sources(document),
    )


def _written(table: Table, key: str) -> tuple[_Written, ...]:
    return tuple(
        _Written(text, f"{table.at(key)}[{number}]") for number, text in enumerate(table.texts(key))
    )


def _own_sources(document: Table) -> frozenset[NormalizedName]:
    sources = document.table("tool").table("uv").table("sources")
    return frozenset(
        canonicalize_name(name)
        for name in sources
        for entry in sources.tables(name)
        if any(key in entry for key in _NO_INDEX)
    )


def _extra(project: _Project, extra: NormalizedName) -> Sequence[_Written]:
    try:
        return project.extras[extra]
    except KeyError:
        known = ", ".join(project.extras) or "none"
        raise ValueError(f"it has no extra {extra!r}; it has: {known}") from None


def _group(document: Table, group: str) -> Iterator[_Written]:
    groups = document.table("dependency-groups")
    try:
        # The resolver looks at the types itself.
        resolver = DependencyGroupResolver(
            cast("Mapping[str, Sequence[str | Mapping[str, str]]]", groups.as_dict())
        )
        found = resolver.resolve(group)
    except ExceptionGroup as error:
        reasons = "; ".join(_plain(reason) for reason in error.exceptions)
        raise ValueError(f"dependency-groups: {reasons}") from error
    for requirement in found:
        yield _Written(str(requirement), f"dependency-groups.{group}")


def _plain(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _expand(
    item: _Written, project: _Project, above: frozenset[NormalizedName]
) -> Iterator[Requirement]:
    """A requirement; in the place of one upon the project itself, what its extras stand for.

    Args:
        item: What is written.
        project: Whose dependency it is.
        above: The extras that led here; they may name each other in a circle.
    """
    requirement = parse_requirement(item.text)
    name = canonicalize_name(requirement.name)
    if name != project.name:
        if name in project.own:
            raise ValueError(
                f"[tool.uv.sources] takes {name} from elsewhere, and no index vouches for it;"
                " build a wheel and put it onto your index, or name uv.lock instead"
            )
        yield requirement
        return
    for extra in sorted(canonicalize_name(extra) for extra in requirement.extras):
        if extra in above:
            continue
        for inner in _extra(project, extra):
            for found in _expand(inner, project, above | {extra}):
                yield _where(found, requirement.marker)


def _where(requirement: Requirement, marker: Marker | None) -> Requirement:
    """`requirement`, where `marker` holds as well."""
    if marker is not None:
        own = requirement.marker
        requirement.marker = marker if own is None else marker & own
    return requirement
