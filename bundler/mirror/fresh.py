"""Which files of a document are not filed yet, and what each must be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bundler.disk import read_at_most
from bundler.mirror.layout import METADATA_SUFFIX, Mirror, is_file_of
from bundler.model.artifact import Blob, Sha256, is_sdist
from bundler.model.contents import WheelContents
from bundler.model.manifest import BundledFile
from bundler.wheel.metadata import MAX_METADATA, check_requires_python
from bundler.wheel.sdist import SdistError, check_sdist


@dataclass(frozen=True, slots=True)
class Stated:
    """What signed documents say of the inside of a wheel.

    Attributes:
        contents: None when there is nothing of note in it.
        allowed: The rules that it may break.
    """

    contents: WheelContents | None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fresh:
    """A file that is not filed yet: where it will be, and what it must be.

    `stated` is None in a bundle of a version that did not look into wheels.
    """

    final: Path
    blob: Blob
    metadata: Sha256
    requires_python: str | None
    stated: Stated | None = None


def fresh(mirror: Mirror, file: BundledFile) -> Fresh | None:
    """What must be filed for `file`; None when it is, with the METADATA that its document names.

    Raises:
        RefusedError: if its name cannot stand in a mirror, or its document states another
            Requires-Python than its METADATA.
    """
    name = mirror.file_name(file)
    if not (_is_filed_sdist if is_sdist(file.filename) else _is_filed_wheel)(name, file):
        return Fresh(Path(name), file.blob, file.metadata, file.requires_python)
    return None


def _is_filed_wheel(name: str, file: BundledFile) -> bool:
    """Whether it is there, with the METADATA that its document names beside it."""
    if not is_file_of(name, file.blob.size):
        return False
    try:
        metadata = read_at_most(f"{name}{METADATA_SUFFIX}", MAX_METADATA + 1)
    except FileNotFoundError:
        return False
    if hashlib.sha256(metadata).hexdigest() != file.metadata:
        return False
    check_requires_python(metadata, file.filename, file.requires_python)
    return True


def _is_filed_sdist(name: str, file: BundledFile) -> bool:
    """Whether it is there, and what its document says; it is read again for that."""
    if not is_file_of(name, file.blob.size):
        return False
    try:
        with Path(name).open("rb") as sdist:
            check_sdist(sdist, file.filename, file.metadata, file.requires_python)
    except SdistError:
        return False  # rotten, or the document is wrong: to file it anew tells which
    return True
