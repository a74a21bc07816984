"""An index in memory: pages and wheels for tests of the resolver, through its own seam."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from concurrent.futures import Future

from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from bundler.errors import NotFoundError
from bundler.events import ignore
from bundler.model.artifact import Blob, RemoteFile, Sha256
from bundler.model.page import ProjectPage
from bundler.model.plan import Plan
from bundler.model.profile import IndexTable, Profile, ProfileTable, TargetsTable
from bundler.resolve.index import WheelFacts
from bundler.resolve.plan import make_plan
from bundler.wheel.metadata import read_metadata
from tests.fakes.wheels import build_wheel

LINUX, WINDOWS = "x86_64-manylinux_2_28", "x86_64-pc-windows-msvc"


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
        self.list_file(filename, content, requires_python=listed_python, yanked=yanked)
        return filename

    def list_file(
        self,
        filename: str,
        content: bytes,
        *,
        requires_python: str | None = None,
        yanked: str | None = None,
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
                upload_time="2026-01-02T03:04:05Z",
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
        try:
            metadata = read_metadata(io.BytesIO(content), file.filename)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)
        else:
            digest = Sha256(hashlib.sha256(content).hexdigest())
            future.set_result(WheelFacts(metadata, Blob(digest, len(content))))
        return future

    def close(self) -> None:
        """Count it."""
        self.asked["close"] += 1


def versions_in(filenames: list[str]) -> dict[str, str]:
    """`{"a": "1.0"}` of wheel filenames."""
    parsed = (parse_wheel_filename(name) for name in filenames)
    return {name: str(version) for name, version, _, _ in parsed}


def profile(
    *requirements: str,
    constraints: tuple[str, ...] = (),
    python: tuple[str, ...] = ("3.12",),
    platforms: tuple[str, ...] = (LINUX,),
) -> Profile:
    """A profile of these requirements, for one target unless told otherwise."""
    return Profile(
        profile=ProfileTable(
            name="test", requirements=list(requirements), constraints=list(constraints)
        ),
        index=[IndexTable()],
        targets=TargetsTable(python=list(python), platforms=list(platforms)),
    )


def plan(index: MemoryIndex, *requirements: str, **options: tuple[str, ...]) -> Plan:
    """The plan, without progress."""
    return make_plan(profile(*requirements, **options), index, tool="test 1", observe=ignore)


def resolved(index: MemoryIndex, *requirements: str, **options: tuple[str, ...]) -> dict[str, str]:
    """What is planned, as `{"a": "1.0"}`."""
    files = plan(index, *requirements, **options).files
    return versions_in([file.remote.filename for file in files])
