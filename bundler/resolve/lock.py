"""One target's solution as a `pylock.toml` (PEP 751)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import tomli_w
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bundler.model.plan import PlannedFile
from bundler.model.target import Target

_LOCK_VERSION = Version("1.0")


def lock_name(target: Target) -> str:
    """The file name of a target's lock, in the form that PEP 751 prescribes."""
    return f"pylock.{target.name}.toml"


def write_lock(target: Target, files: Sequence[PlannedFile], created_by: str) -> bytes:
    """The lock of one target; `files` are those it installs, sorted by project."""
    lock = Pylock(
        lock_version=_LOCK_VERSION,
        requires_python=SpecifierSet(
            f"=={target.python_version.major}.{target.python_version.minor}.*"
        ),
        created_by=created_by,
        packages=[_package(file) for file in files],
    )
    return tomli_w.dumps(lock.to_dict()).encode()


def _package(file: PlannedFile) -> Package:
    return Package(
        name=file.project,
        version=file.version,
        requires_python=file.requires_python or None,
        wheels=[
            PackageWheel(
                name=file.remote.filename,
                url=_without_query(file.remote.url),
                size=file.blob.size,
                upload_time=_time(file.remote.upload_time),
                hashes={"sha256": file.blob.sha256},
            )
        ],
    )


def _without_query(url: str) -> str:
    """A lock travels, and some indexes put a token behind the question mark."""
    return url.partition("?")[0]


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
