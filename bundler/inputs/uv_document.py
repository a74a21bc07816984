"""What a `uv.lock` says, as values; `bundler.inputs.uv_lock` walks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import NormalizedName, canonicalize_name

from bundler.inputs.table import Table

_VERSION = 1
_LOCAL = ("virtual", "editable", "directory")
_EXPORT = "export what you need with `uv export --format pylock.toml` and name that file instead"


@dataclass(frozen=True, slots=True)
class Edge:
    """A dependency; `version` and `source` are None where the name says it all."""

    name: NormalizedName
    version: str | None
    source: dict[str, object] | None
    extras: tuple[NormalizedName, ...]
    marker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A `[[package]]`; `wheels` and `sdists` are files by name, with digests as written.

    Attributes:
        forks: Markers of the parts of the resolution that it is for; empty when for all.
        extras, groups: What each adds; one without dependencies is there too.
    """

    name: NormalizedName
    version: str | None
    source: dict[str, object]
    forks: tuple[str, ...]
    dependencies: tuple[Edge, ...]
    extras: Mapping[NormalizedName, tuple[Edge, ...]]
    groups: Mapping[NormalizedName, tuple[Edge, ...]]
    wheels: tuple[tuple[str, str | None], ...]
    sdists: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UvLock:
    """The parts of a lock that decide what a target gets.

    Attributes:
        groups: Of a workspace whose root is no project.
        environments: Markers, one of which must hold for a target; empty when all do.
    """

    requires_python: str
    environments: tuple[str, ...]
    packages: Mapping[NormalizedName, Sequence[Package]]
    members: tuple[Package, ...]
    groups: Mapping[NormalizedName, tuple[Edge, ...]]


def parse_uv_lock(document: Table) -> UvLock:
    """Read a lock.

    Raises:
        ValueError: naming the key, if it is none or of a kind that is not read.
    """
    if document.as_dict().get("version") != _VERSION:
        raise ValueError(f"not a uv.lock of version {_VERSION}, the only one that is read")
    if document.as_dict().get("conflicts"):
        raise ValueError(f"it has conflicting extras or groups, which are not read; {_EXPORT}")
    packages: dict[NormalizedName, list[Package]] = {}
    for table in document.tables("package"):
        package = _package(table)
        packages.setdefault(package.name, []).append(package)
    manifest = document.table("manifest")
    names = {canonicalize_name(name) for name in manifest.texts("members")}
    local = (p for found in packages.values() for p in found if _is_local(p))
    members = tuple(p for p in local if (p.name in names if names else "." in p.source.values()))
    groups = _edges_by_name(manifest.table("dependency-groups"))
    if not (members or groups):
        raise ValueError(f"it has no workspace member to begin with; {_EXPORT}")
    return UvLock(
        requires_python=document.optional_text("requires-python") or "",
        environments=document.texts("supported-markers"),
        packages=packages,
        members=members,
        groups=groups,
    )


def _is_local(package: Package) -> bool:
    return any(kind in package.source for kind in _LOCAL)


def _package(table: Table) -> Package:
    metadata = table.table("metadata")
    none: dict[NormalizedName, tuple[Edge, ...]] = {}
    extras = none | {canonicalize_name(name): () for name in metadata.texts("provides-extras")}
    groups = none | {canonicalize_name(n): () for n in metadata.table("requires-dev")}
    return Package(
        name=canonicalize_name(table.text("name")),
        version=table.optional_text("version"),
        source=table.table("source").as_dict(),
        forks=table.texts("resolution-markers"),
        dependencies=_edges(table, "dependencies"),
        extras=extras | _edges_by_name(table.table("optional-dependencies")),
        groups=groups | _edges_by_name(table.table("dev-dependencies")),
        wheels=tuple(_file(wheel) for wheel in table.tables("wheels")),
        sdists=tuple(_file(sdist) for sdist in table.tables("sdist")),
    )


def _edges_by_name(table: Table) -> dict[NormalizedName, tuple[Edge, ...]]:
    return {canonicalize_name(name): _edges(table, name) for name in table}


def _edges(table: Table, key: str) -> tuple[Edge, ...]:
    return tuple(_edge(item) for item in table.tables(key))


def _edge(table: Table) -> Edge:
    # Groups of the manifest are requirements, which spell it "extras".
    extras = (*table.texts("extra"), *table.texts("extras"))
    return Edge(
        name=canonicalize_name(table.text("name")),
        version=table.optional_text("version"),
        source=table.table("source").as_dict() if "source" in table else None,
        extras=tuple(canonicalize_name(extra) for extra in extras),
        marker=table.optional_text("marker") or "",
    )


def _file(table: Table) -> tuple[str, str | None]:
    path = table.optional_text("url") or table.optional_text("path")
    name = table.optional_text("filename") or (path or "").rpartition("/")[2]
    return name or table.place, table.optional_text("hash")
