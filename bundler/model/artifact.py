"""A blob, a file on an index, the name of a wheel or sdist and the headers of its metadata."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NewType

from packaging.tags import Tag
from packaging.utils import (
    BuildTag,
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

Sha256 = NewType("Sha256", str)
"""64 lowercase hexadecimal digits; made by `parse_sha256`, or by hashing."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)

MAX_FILENAME: Final = 255
"""Characters; no usual file system has longer names."""

MAX_TAGS: Final = 1000
"""Tags of one filename; a few dozen are rare."""

MAX_HEADER_LINES: Final = 20_000
"""Lines; a licence or a description that stands in the headers has some hundreds."""

_DOTS_TO_REMEMBER: Final = 7  # that of ".whl" among them: at most 27 tags

# A line of headers as `email` takes it: a name, or more of the value above.
_HEADER_LINE = re.compile(rb"(?:From |[!-9;-~]*:|[ \t])[^\r\n]*(?:\r\n|[\r\n]|\Z)")


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
        provenance: The address of its provenance (PEP 740), "" when the page says that there is
            none, None when the page does not say.
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
    provenance: str | None = None


@dataclass(frozen=True, slots=True)
class WheelName:
    """What a wheel's filename says (binary distribution format, "File name convention")."""

    project: NormalizedName
    version: Version
    build: BuildTag
    tags: frozenset[Tag]


def parse_wheel_name(filename: str) -> WheelName:
    """Split a wheel's filename.

    Raises:
        packaging.utils.InvalidWheelFilename: if it is not one, has more than `MAX_FILENAME`
            characters, or stands for more than `MAX_TAGS` tags.
    """
    if len(filename) > MAX_FILENAME:
        raise InvalidWheelFilename(
            f"Invalid wheel filename (more than {MAX_FILENAME} characters): {filename!r:.120}"
        )
    if filename.count(".") <= _DOTS_TO_REMEMBER:
        return _parse_and_remember(filename)
    # A compressed tag set is a cross product (PEP 425): it is counted before it is made.
    tags = math.prod(part.count(".") + 1 for part in filename[:-4].split("-")[-3:])
    if tags > MAX_TAGS:
        raise InvalidWheelFilename(f"Invalid wheel filename ({tags} tags): {filename!r}")
    return WheelName(*parse_wheel_filename(filename))


@lru_cache(maxsize=8192)
def _parse_and_remember(filename: str) -> WheelName:
    return WheelName(*parse_wheel_filename(filename))


SDIST_SUFFIX: Final = ".tar.gz"
"""Of a source distribution (PEP 625); `.zip`, which older ones have, is not taken."""


@dataclass(frozen=True, slots=True)
class SdistName:
    """What a source distribution's filename says (PEP 625)."""

    project: NormalizedName
    version: Version


def is_sdist(filename: str) -> bool:
    """Whether a file that was chosen is a source distribution: all others are wheels."""
    return filename.endswith(SDIST_SUFFIX)


def parse_sdist_name(filename: str) -> SdistName:
    """Split a source distribution's filename; the name in front may be written in any form.

    Raises:
        packaging.utils.InvalidSdistFilename: if it is not one, not a `.tar.gz`, or has more than
            `MAX_FILENAME` characters.
    """
    if len(filename) > MAX_FILENAME or not is_sdist(filename):
        raise InvalidSdistFilename(f"Invalid sdist filename: {filename!r:.120}")
    return SdistName(*parse_sdist_filename(filename))


def parse_file_name(filename: str) -> WheelName | SdistName:
    """Split the filename of a wheel or of a source distribution.

    Raises:
        packaging.utils.InvalidWheelFilename: if it is neither.
        packaging.utils.InvalidSdistFilename: if it ends like a source distribution and is none.
    """
    return parse_sdist_name(filename) if is_sdist(filename) else parse_wheel_name(filename)


def header_block(metadata: bytes) -> bytes:
    """METADATA without its description: the lines in front of the first that is no header.

    Parse no more than this. What follows may be a million lines, or a MIME message of as many
    parts.

    Raises:
        ValueError: if they are `MAX_HEADER_LINES` or more.
    """
    end = 0
    for _ in range(MAX_HEADER_LINES):
        line = _HEADER_LINE.match(metadata, end)
        if line is None:
            return metadata[:end]
        end = line.end()
    raise ValueError(f"METADATA has {MAX_HEADER_LINES} lines of headers or more")
