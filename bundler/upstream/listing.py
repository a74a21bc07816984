"""A page as it was read: a few words about the project, and a line of text for each file.

A page lists thousands of files and a resolution looks at few, so a line is made into a file when
somebody looks at it. The lines are also what is kept from one run to the next.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from typing import Final

from packaging.utils import NormalizedName

from bundler.model.artifact import RemoteFile
from bundler.model.page import LazyFiles, ProjectPage
from bundler.upstream.links import anchor_file

FORMAT: Final = 3
"""To be raised whenever other bytes are written, or the readers of pages read other values."""

ACTIVE: Final = "active"

_ATTRIBUTE = re.compile(r' ([a-z-]+)="([^"]*)"')
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_unescape = lru_cache(maxsize=1024)(unescape)  # a page repeats a few values thousands of times


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a page says; every line of it was checked.

    Attributes:
        status, status_reason: As in `ProjectPage`.
        base: Which address the anchors are relative to.
        names: The filename of each file.
        lines: Each file: either the attributes of its anchor, as they stand on the page, or JSON.
    """

    project: NormalizedName
    status: str
    status_reason: str | None
    base: str
    names: list[str]
    lines: list[str]

    def page(self) -> ProjectPage:
        """The same as files, each made when it is looked at."""
        return ProjectPage(
            name=self.project,
            files=LazyFiles(self.names, self._file),
            status=self.status,
            status_reason=self.status_reason,
        )

    def _file(self, place: int) -> RemoteFile:
        line = self.lines[place]
        if line.startswith("["):
            return _unpack_file(self.names[place], line)
        file = anchor_file(self.base, read_attributes(line))
        if file is None:
            raise ValueError(f"no file: {line!r:.200}")
        return file

    def to_bytes(self) -> bytes:
        """For `from_bytes`: the words and the names as a line of JSON, then the lines."""
        head = [self.project, self.status, self.status_reason, self.base, self.names]
        return "\n".join([_encode(head), *self.lines]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Listing:
        """Nothing is checked: who keeps the bytes sees to it that they come back as they were."""
        head, *lines = data.decode().split("\n")
        project, status, reason, base, names = json.loads(head)
        return cls(
            project=project,
            status=status,
            status_reason=reason,
            base=base,
            names=names,
            lines=lines,
        )


def read_attributes(text: str) -> Mapping[str, str | None]:
    """The attributes of an anchor, from ` href="…" data-yanked="…"`."""
    pairs = _ATTRIBUTE.findall(text)
    return {name: _unescape(value) if "&" in value else value for name, value in pairs}


def list_files(files: Iterable[RemoteFile]) -> tuple[list[str], list[str]]:
    """Names and lines of files that were made already."""
    made = list(files)
    return [file.filename for file in made], [pack_file(file) for file in made]


def pack_file(file: RemoteFile) -> str:
    """A file as a line of JSON."""
    return _encode(
        [
            file.url,
            file.sha256,
            file.size,
            file.requires_python,
            file.yanked,
            file.upload_time,
            file.has_metadata,
            file.metadata_sha256,
            file.provenance,
        ]
    )


def _unpack_file(name: str, line: str) -> RemoteFile:
    url, sha256, size, requires_python, yanked, upload_time, *rest = json.loads(line)
    known, digest, provenance = rest
    return RemoteFile(
        filename=name,
        url=url,
        sha256=sha256,
        size=size,
        requires_python=requires_python,
        yanked=yanked,
        upload_time=upload_time,
        has_metadata=known,
        metadata_sha256=digest,
        provenance=provenance,
    )
