"""An index in memory: pages and wheels for tests of the resolver, through its own seam."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from bundler.errors import NotFoundError
from bundler.events import Observer, ignore
from bundler.inputs.read import read_inputs
from bundler.model.artifact import Blob, RemoteFile, Sha256, is_sdist
from bundler.model.asked import THE_PROFILE, AskedRequirement, Inputs
from bundler.model.page import ProjectPage
from bundler.model.plan import Plan
from bundler.model.profile import IndexTable, Profile, ProfileTable
from bundler.model.target import Target
from bundler.model.target_tables import TargetsTable
from bundler.model.verdict import ABSENT
from bundler.resolve import terms
from bundler.resolve.index import Index, WheelFacts
from bundler.resolve.lock import Locks
from bundler.resolve.plan import find_resolution, plan_of
from bundler.resolve.request import Preferences, make_request
from bundler.resolve.resolution import Likely, Resolution
from bundler.resolve.solution import Solution
from bundler.resolve.terms import Terms
from bundler.trust.policy import FileFacts
from bundler.upstream.vouching import Vouched
from bundler.wheel.metadata import read_metadata
from bundler.wheel.sdist import read_sdist
from tests.fakes.wheels import build_wheel

LINUX, WINDOWS = "x86_64-manylinux_2_28", "x86_64-pc-windows-msvc"
UPLOADED = "2026-01-02T03:04:05Z"


class MemoryIndex:
    """Implements `bundler.resolve.index.Index`; counts what it is asked."""

    def __init__(self) -> None:
        self.name = "memory"
        self.files: dict[NormalizedName, list[RemoteFile]] = {}
        self.contents: dict[str, bytes] = {}
        self.statuses: dict[NormalizedName, tuple[str, str | None]] = {}
        self.asked: Counter[str] = Counter()

    def add(
        self,
        name: str,
        version: str,
        *requires: str,
        tags: str = "py3-none-any",
        extras: tuple[str, ...] = (),
        requires_python: str | None = None,
        listed_python: str | None = None,
        yanked: str | None = None,
        build: str = "",
        uploaded: str | None = UPLOADED,
    ) -> str:
        """List a wheel; return its filename."""
        filename, content = build_wheel(
            name,
            version,
            tags=tags,
            requires=requires,
            extras=extras,
            requires_python=requires_python,
            build=build,
        )
        self.list_file(
            filename, content, requires_python=listed_python, yanked=yanked, uploaded=uploaded
        )
        return filename

    def list_file(
        self,
        filename: str,
        content: bytes,
        *,
        requires_python: str | None = None,
        yanked: str | None = None,
        uploaded: str | None = UPLOADED,
    ) -> None:
        """List any file."""
        project = canonicalize_name(filename.partition("-")[0])
        self.contents[filename] = content
        self.files.setdefault(project, []).append(
            RemoteFile(
                filename=filename,
                url=f"https://example.org/files/{filename}",
                sha256=Sha256(hashlib.sha256(content).hexdigest()),
                requires_python=requires_python,
                yanked=yanked,
                upload_time=uploaded,
            )
        )

    def page(self, project: NormalizedName) -> Future[ProjectPage]:
        """A page, at once."""
        self.asked[project] += 1
        future: Future[ProjectPage] = Future()
        if project not in self.files:
            future.set_exception(NotFoundError(f"no project {project}"))
            return future
        status, reason = self.statuses.get(project, ("active", None))
        future.set_result(
            ProjectPage(
                name=project,
                files=tuple(self.files[project]),
                status=status,
                status_reason=reason,
            )
        )
        return future

    def facts(self, file: RemoteFile) -> Future[WheelFacts]:
        """METADATA, digest and size, at once."""
        self.asked[file.filename] += 1
        content = self.contents[file.filename]
        future: Future[WheelFacts] = Future()
        blob = Blob(Sha256(hashlib.sha256(content).hexdigest()), len(content))
        try:
            if is_sdist(file.filename):
                source = read_sdist(io.BytesIO(content), file.filename)
                facts = WheelFacts(source.metadata, blob, source.build_requires)
            else:
                facts = WheelFacts(read_metadata(io.BytesIO(content), file.filename), blob)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)
        else:
            future.set_result(facts)
        return future

    def origin(self, _project: NormalizedName) -> str:
        """Itself."""
        return self.name

    def close(self) -> None:
        """Count it."""
        self.asked["close"] += 1


def versions_in(filenames: list[str]) -> dict[str, str]:
    """`{"a": "1.0"}` of wheel filenames."""
    parsed = (parse_wheel_filename(name) for name in filenames)
    return {name: str(version) for name, version, _, _ in parsed}


NOW = datetime(2026, 6, 1, tzinfo=UTC)


def make_terms(
    *requirements: str, target: Target, constraints: tuple[str, ...] = (), **rules: Any
) -> Terms:
    """The terms of one target; `rules` are those of `Rules`."""
    inputs = Inputs(
        requirements=tuple(AskedRequirement(Requirement(r), THE_PROFILE) for r in requirements),
        constraints=tuple(AskedRequirement(Requirement(c), THE_PROFILE) for c in constraints),
    )
    return terms.make_terms(inputs, terms.Rules(**rules), target)


def make_plan(
    wanted: Profile,
    index: Index,
    *,
    tool: str = "test 1",
    observe: Observer = ignore,
    likely: Likely = lambda _file: None,
) -> Plan:
    """The plan for a profile that names no files."""
    resolution = resolve(wanted, index, observe=observe, likely=likely)
    plan = plan_of(resolution, tool, observe)
    index.close()
    return plan


def resolve(
    wanted: Profile,
    index: Index,
    *,
    preferences: Preferences | None = None,
    locks: Locks | None = None,
    observe: Observer = ignore,
    likely: Likely = lambda _file: None,
) -> Resolution:
    """The resolution of a profile that names no files."""
    request = make_request(wanted, read_inputs(wanted, Path()), NOW, preferences)
    return find_resolution(request, locks, index, observe, likely)


def versions_of(solution: Solution) -> dict[str, str]:
    """What a target gets, as `{"a": "1.0"}`."""
    return {str(project): str(pin.version) for project, pin in sorted(solution.pins.items())}


def profile(
    *requirements: str,
    constraints: tuple[str, ...] = (),
    python: tuple[str, ...] = ("3.12",),
    platforms: tuple[str, ...] = (LINUX,),
    may_be_missing: tuple[str, ...] = (),
    **keys: Any,
) -> Profile:
    """A profile of these requirements, for one target unless told otherwise.

    `keys` are further ones of `[profile]`.
    """
    targets = {
        "python": list(python),
        "platforms": list(platforms),
        "may-be-missing": list(may_be_missing),
    }
    return Profile(
        profile=ProfileTable(
            name="test", requirements=list(requirements), constraints=list(constraints), **keys
        ),
        index=[IndexTable()],
        targets=TargetsTable.model_validate(targets),
    )


def plan(index: MemoryIndex, *requirements: str, **options: Any) -> Plan:
    """The plan, without progress."""
    return make_plan(profile(*requirements, **options), index, tool="test 1", observe=ignore)


def resolved(index: MemoryIndex, *requirements: str, **options: Any) -> dict[str, str]:
    """What is planned, as `{"a": "1.0"}`."""
    files = plan(index, *requirements, **options).files
    return versions_in([file.remote.filename for file in files])


def unattested(plan: Plan) -> dict[str, Vouched]:
    """What an index that attests nothing makes of a plan."""
    return {
        file.remote.filename: Vouched(
            facts=FileFacts(
                project=file.project,
                version=file.version,
                filename=file.remote.filename,
                sha256=file.blob.sha256,
                index=file.index,
            ),
            verdict=ABSENT,
            provenance=None,
        )
        for file in plan.files
    }
