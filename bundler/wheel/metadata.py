"""The METADATA of a wheel (core metadata specification), read from the zip file that carries it."""

from __future__ import annotations

import hashlib
import lzma
import zipfile
import zlib
from email.parser import BytesHeaderParser
from typing import IO

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bundler.errors import RefusedError
from bundler.model.artifact import Sha256, WheelName, parse_wheel_name

MAX_METADATA = 16 * 1024 * 1024
"""Bytes; the largest METADATA seen on the public index is below 2 MB."""


# What zipfile and its decompressors raise for odd bytes.
_ODD_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


class WheelError(RefusedError):
    """A wheel is not what its filename or its plan says."""

    code = "wheel"


def read_metadata(wheel: IO[bytes], filename: str) -> bytes:
    """The exact bytes of METADATA; `wheel` is seekable.

    Raises:
        WheelError: if the file is not a zip file, has not exactly one METADATA, or that one is
            damaged, too large, or of another project or version than `filename`.
    """
    name = parse_wheel_name(filename)
    try:
        with zipfile.ZipFile(wheel) as archive:
            entry = archive.getinfo(_metadata_entry(archive, name, filename))
            if entry.file_size > MAX_METADATA:
                raise WheelError(f"{filename}: its METADATA has {entry.file_size} bytes")
            data = _read_entry(archive, entry)
    except _ODD_ZIP as error:
        raise WheelError(f"{filename}: not a readable wheel: {error}") from error
    _check_identity(data, name, filename)
    return data


def check_wheel(wheel: IO[bytes], filename: str, metadata: Sha256) -> bytes:
    """Hold a wheel against the digest of the METADATA that was planned with; return METADATA.

    Raises:
        WheelError: as `read_metadata`, or if the digest differs.
    """
    data = read_metadata(wheel, filename)
    if hashlib.sha256(data).hexdigest() != metadata:
        raise WheelError(
            f"{filename}: its METADATA is not the one that dependencies were resolved from",
            hint="the index serves metadata that disagrees with the wheel; tell its operator",
        )
    return data


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(entry)
    except OSError as error:
        if error.errno is not None:
            raise
        raise zipfile.BadZipFile(str(error)) from error  # bz2's word for odd bytes


def _metadata_entry(archive: zipfile.ZipFile, name: WheelName, filename: str) -> str:
    found = [
        entry
        for entry in archive.namelist()
        if entry.count("/") == 1 and entry.endswith(".dist-info/METADATA")
    ]
    if len(found) != 1:
        raise WheelError(f"{filename}: has {len(found)} METADATA files, not one")
    project, _, version = found[0].removesuffix(".dist-info/METADATA").partition("-")
    if not _same(project, version, name):
        raise WheelError(f"{filename}: carries the metadata folder {found[0]!r:.120}")
    return found[0]


def _check_identity(data: bytes, name: WheelName, filename: str) -> None:
    headers = BytesHeaderParser().parsebytes(data)
    project, version = str(headers.get("Name", "")), str(headers.get("Version", ""))
    if not _same(project, version, name):
        raise WheelError(f"{filename}: its METADATA says {project!r:.80} {version!r:.80}")


def _same(project: str, version: str, name: WheelName) -> bool:
    try:
        return canonicalize_name(project) == name.project and Version(version) == name.version
    except InvalidVersion:
        return False
