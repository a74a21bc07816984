"""Resolver scenarios: tiny indexes with an expectation, from the data folder beside the repository.

Each is one TOML file, in the form of `packse`. `serve` puts one on a FakeIndex as real wheels and
source distributions; `resolve` is our planner on it, over a real socket.
"""

from __future__ import annotations

import io
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundler.archive.store import BlobStore
from bundler.events import ignore
from bundler.model.plan import Plan
from bundler.upstream.index import SimpleIndex
from bundler.upstream.transport import Transport
from tests.fakes.index import FakeIndex
from tests.fakes.planning import make_plan, profile
from tests.fakes.wheels import build_wheel

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "resolver-scenarios"
UNIVERSAL = ("x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc", "aarch64-apple-darwin")
_PYTHON = "3.12"
_PYTHONS = {"wheels/specific-architecture": "3.13"}
"""Where no Python is named and there are wheels for one alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a package: what its METADATA says, and which files it has."""

    requires: tuple[str, ...]
    extras: Mapping[str, tuple[str, ...]]
    requires_python: str | None
    wheel_tags: tuple[str, ...]
    wheel: bool
    sdist: bool
    yanked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is asked of which index, and what must come of it.

    Attributes:
        name: Folder and file, such as `fork/basic`.
        requires: Of the root.
        satisfiable, packages: The expectation; `packages` is None when it names no versions.
        python: Of the targets.
        platforms: Of the targets: three of them for a universal resolution.
        prereleases: Whether all pre-releases are allowed.
        resolution: None, "lowest" or "lowest-direct".
        no_build, no_binary: Projects whose source distributions or wheels must not be used.
        releases: By project and version.
    """

    name: str
    requires: tuple[str, ...]
    satisfiable: bool
    packages: Mapping[str, str] | None
    python: str
    platforms: tuple[str, ...]
    prereleases: bool
    resolution: str | None
    no_build: tuple[str, ...]
    no_binary: tuple[str, ...]
    releases: Mapping[str, Mapping[str, Release]]

    @property
    def universal(self) -> bool:
        """Whether several targets must agree with one expectation."""
        return len(self.platforms) > 1


def scenarios() -> Iterator[Scenario]:
    """Every scenario, in a fixed order; none when the data folder is not there."""
    for path in sorted(FOLDER.glob("*/*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        yield _scenario(f"{path.parent.name}/{path.stem}", document)


def _scenario(name: str, document: dict[str, Any]) -> Scenario:
    options, expected = document.get("resolver_options", {}), document["expected"]
    python = options.get("python") or document.get("environment", {}).get("python")
    python = python or _PYTHONS.get(name, _PYTHON)
    platform = options.get("python_platform", UNIVERSAL[0])
    return Scenario(
        name=name,
        requires=tuple(document["root"]["requires"]),
        satisfiable=expected["satisfiable"],
        packages=expected.get("packages"),
        python=".".join(python.split(".")[:2]),
        platforms=UNIVERSAL if options.get("universal") else (platform,),
        prereleases=options.get("prereleases", False),
        resolution=options.get("resolution"),
        no_build=tuple(options.get("no_build", ())),
        no_binary=tuple(options.get("no_binary", ())),
        releases={
            project: {text: _release(found) for text, found in table["versions"].items()}
            for project, table in document.get("packages", {}).items()
        },
    )


def _release(table: dict[str, Any]) -> Release:
    return Release(
        requires=tuple(table.get("requires", ())),
        extras={name: tuple(items) for name, items in table.get("extras", {}).items()},
        requires_python=table.get("requires_python"),
        wheel_tags=tuple(table.get("wheel_tags", ["py3-none-any"])),
        wheel=table.get("wheel", True),
        sdist=table.get("sdist", True),
        yanked=table.get("yanked", False),
    )


def serve(scenario: Scenario, index: FakeIndex, only: frozenset[str] | None = None) -> None:
    """Put the scenario's files on `index`; with `only`, no others than these."""
    for project, versions in scenario.releases.items():
        for version, release in versions.items():
            for filename, content in _files(project, version, release):
                if only is None or filename in only:
                    index.add(
                        filename,
                        content,
                        project=project,
                        requires_python=release.requires_python,
                        yanked="withdrawn" if release.yanked else None,
                    )


def _files(project: str, version: str, release: Release) -> Iterator[tuple[str, bytes]]:
    requires = [*release.requires]
    for extra, items in release.extras.items():
        requires += [_with_extra(item, extra) for item in items]
    for tags in release.wheel_tags if release.wheel else ():
        yield build_wheel(
            project,
            version,
            tags=tags,
            requires=requires,
            requires_python=release.requires_python,
            extras=release.extras,
        )
    if release.sdist:
        yield f"{project.replace('-', '_')}-{version}.tar.gz", _sdist(project, version)


def _with_extra(requirement: str, extra: str) -> str:
    bare, _, marker = requirement.partition(";")
    return f'{bare.strip()} ; {f"({marker.strip()}) and " if marker else ""}extra == "{extra}"'


def _sdist(project: str, version: str) -> bytes:
    stem = f"{project.replace('-', '_')}-{version}"
    text = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode()
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        entry = tarfile.TarInfo(f"{stem}/PKG-INFO")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return target.getvalue()


def resolve(scenario: Scenario, index: FakeIndex, store: BlobStore) -> Plan:
    """Our plan for all of its targets at once, asked of `index` over HTTP.

    Raises:
        BundlerError: as `make_plan`.
    """
    wanted = profile(*scenario.requires, python=(scenario.python,), platforms=scenario.platforms)
    with Transport() as transport, SimpleIndex("fake", index.url, transport, store) as pages:
        return make_plan(wanted, pages, tool="test 1", observe=ignore)


def pinned(plan: Plan) -> dict[str, dict[str, str]]:
    """What each platform gets, as `{"linux": {"a": "1.0"}}`."""
    return {
        target.platform.name: {
            file.project: str(file.version) for file in plan.files if target.name in file.targets
        }
        for target in plan.targets
    }


def planned_files(plan: Plan) -> frozenset[str]:
    """The names of all planned files."""
    return frozenset(file.remote.filename for file in plan.files)
