"""A blob, a file on an index, and the name of a wheel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType

from packaging.tags import Tag
from packaging.utils import BuildTag, NormalizedName, parse_wheel_filename
from packaging.version import Version

Sha256 = NewType("Sha256", str)
"""64 lowercase hexadecimal digits; made by `parse_sha256`, or by hashing."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def parse_sha256(text: object) -> Sha256:
    """The digest in `text`.

    Raises:
        ValueError: if it is anything but 64 lowercase hexadecimal digits.
    """
    if isinstance(text, str) and _SHA256.fullmatch(text):
        return Sha256(text)
    raise ValueError(f"not a sha256 digest: {text!r:.80}")


@dataclass(frozen=True, slots=True, order=True)
class Blob:
    """Bytes named by their digest; `size` in bytes."""

    sha256: Sha256
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file as a project page lists it (PEP 503, 592, 658, 691, 700).

    Attributes:
        filename: As listed; neither parsed nor trusted.
        url: Absolute, without fragment.
        sha256: None when the page names no sha256.
        size: In bytes; None when the page does not say.
        requires_python: The raw specifier, None when absent.
        yanked: None when not yanked, else the reason, which may be empty.
        upload_time: RFC 3339 in UTC, as the index wrote it; None when absent.
        has_metadata: Whether `url + ".metadata"` is advertised (PEP 658/714).
        metadata_sha256: The advertised digest of that file, when there is one.
    """

    filename: str
    url: str
    sha256: Sha256 | None = None
    size: int | None = None
    requires_python: str | None = None
    yanked: str | None = None
    upload_time: str | None = None
    has_metadata: bool = False
    metadata_sha256: Sha256 | None = None


@dataclass(frozen=True, slots=True)
class WheelName:
    """What a wheel's filename says (binary distribution format, "File name convention")."""

    project: NormalizedName
    version: Version
    build: BuildTag
    tags: frozenset[Tag]


@lru_cache(maxsize=8192)
def parse_wheel_name(filename: str) -> WheelName:
    """Split a wheel's filename.

    Raises:
        packaging.utils.InvalidWheelFilename: if it is not one.
    """
    return WheelName(*parse_wheel_filename(filename))
