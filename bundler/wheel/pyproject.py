"""The pyproject.toml of a source distribution (PEP 518, PEP 621), as far as it is static."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from bundler.model.artifact import SdistName

PYPROJECT: Final = "pyproject.toml"

DEFAULT_BUILD: Final = ("setuptools>=40.8.0",)
"""What a build needs that names nothing (PEP 518, PEP 517 "Source trees")."""

_NEEDED: Final = ("dependencies", "optional-dependencies", "requires-python")


@dataclass(frozen=True, slots=True)
class SourceProject:
    """What was found.

    Attributes:
        table: `[project]`; None when there is none.
        build_requires: `[build-system] requires`, or what stands for it.
    """

    table: Mapping[str, object] | None
    build_requires: tuple[str, ...]

    def metadata(self, name: SdistName) -> bytes:
        """Core metadata with the dependencies and no more.

        In this order, each a line of its own: `Metadata-Version: 2.2`, `Name`, `Version`,
        `Requires-Python`, then a `Requires-Dist` for each dependency, then of each extra a
        `Provides-Extra` and its `Requires-Dist`, all in the order and the words of the file. An
        extra's requirement gets `; extra == "NAME"` behind it, or `; (MARKER) and extra == "NAME"`.

        Raises:
            ValueError: if they are dynamic, or not of the types that PEP 621 says.
        """
        if self.table is None:
            raise ValueError(
                "only its build knows its dependencies: PKG-INFO does not promise that its own are"
                " those of every wheel (PEP 643), and there is no [project] in pyproject.toml"
            )
        dynamic = _texts(self.table, "dynamic", "project.dynamic")
        if left := [key for key in _NEEDED if key in dynamic]:
            raise ValueError(f"only its build knows its dependencies: {', '.join(left)} is dynamic")
        lines = [*_identity(self.table, name), *_dependencies(self.table)]
        return "".join(f"{line}\n" for line in lines).encode()


def parse_source_project(data: bytes | None) -> SourceProject:
    """Read pyproject.toml; None stands for none.

    Raises:
        ValueError: if it cannot be read, or lacks what it must have.
    """
    if data is None:
        return SourceProject(None, DEFAULT_BUILD)
    try:
        document = tomllib.loads(data.decode())
    except ValueError as error:
        raise ValueError(f"its {PYPROJECT} cannot be read: {error}") from error
    system, project = _table(document, "build-system"), _table(document, "project")
    if system is None:
        return SourceProject(project, DEFAULT_BUILD)
    if "requires" not in system:
        raise ValueError(f"its {PYPROJECT} has a [build-system] without requires (PEP 518)")
    return SourceProject(project, _texts(system, "requires", "build-system.requires"))


def _identity(table: Mapping[str, object], name: SdistName) -> Iterator[str]:
    stated = table.get("name")
    if not isinstance(stated, str) or canonicalize_name(stated) != name.project:
        raise ValueError(f"its {PYPROJECT} is of the project {stated!r:.80}")
    version = table.get("version", str(name.version))
    if not isinstance(version, str) or Version(version) != name.version:
        raise ValueError(f"its {PYPROJECT} is of the version {version!r:.80}")
    yield "Metadata-Version: 2.2"
    yield f"Name: {name.project}"
    yield f"Version: {name.version}"


def _dependencies(table: Mapping[str, object]) -> Iterator[str]:
    if "requires-python" in table:
        bound = _text(table["requires-python"], "project.requires-python")
        yield f"Requires-Python: {bound.strip()}"
    for text in _texts(table, "dependencies", "project.dependencies"):
        yield f"Requires-Dist: {text.strip()}"
    extras = _table(table, "optional-dependencies") or {}
    for key in extras:
        extra = canonicalize_name(_text(key, "project.optional-dependencies"))
        yield f"Provides-Extra: {extra}"
        for text in _texts(extras, key, f"project.optional-dependencies.{key:.80}"):
            requirement, _, marker = text.partition(";")
            condition = f"({marker.strip()}) and " if marker.strip() else ""
            yield f'Requires-Dist: {requirement.strip()} ; {condition}extra == "{extra}"'


def _table(document: Mapping[str, object], key: str) -> Mapping[str, object] | None:
    value = document.get(key)
    if value is None or isinstance(value, dict):
        return value
    raise ValueError(f"in its {PYPROJECT} {key} is not a table")


def _texts(table: Mapping[str, object], key: str, place: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f"in its {PYPROJECT} {place} is not an array")  # noqa: TRY004 - a fault of the file
    return tuple(_text(item, place) for item in value)


def _text(value: object, place: str) -> str:
    """A text of one line: it will stand in one."""
    if isinstance(value, str) and value.isprintable():
        return value
    raise ValueError(f"in its {PYPROJECT} {place} has {value!r:.80}, which is no line of text")
