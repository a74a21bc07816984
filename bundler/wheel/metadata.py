"""The METADATA of a wheel (core metadata specification), read from the zip file that carries it."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from typing import IO, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundler.model.artifact import SdistName, Sha256, WheelName, header_block, parse_wheel_name
from bundler.wheel.directory import MAX_DIRECTORY, MAX_ENTRIES
from bundler.wheel.fault import WheelError

MAX_METADATA = 4 * 1024 * 1024
"""Bytes; the largest METADATA seen on the public index is below 2 MB."""

_ENTRY: Final = b"PK\x01\x02"
"""What each entry of a zip directory begins with (APPNOTE 4.3.12)."""

_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""The others of `zipfile` decompress as much as comes, whatever was asked for."""

_ENCRYPTED: Final = 1 << 0 | 1 << 6 | 1 << 13
"""Flag bits: encrypted, strongly encrypted, and header values masked (APPNOTE 4.4.4)."""

# What zipfile and its decompressors raise for odd bytes.
_ODD_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A wheel as zipfile gets to see it: no huge directory goes through.

    zipfile reads the directory in one piece, of the size that the end of the file claims, and
    makes an object of each entry. To bound what it reads needs no second opinion on where the
    directory is.
    """

    wheel: IO[bytes]
    filename: str

    def read(self, size: int = -1, /) -> bytes:
        if size > MAX_DIRECTORY:
            raise WheelError(f"{self.filename}: its zip directory has {size} bytes")
        data = self.wheel.read(size)
        if data.count(_ENTRY) > MAX_ENTRIES:
            raise WheelError(f"{self.filename}: its zip directory has over {MAX_ENTRIES} entries")
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self.wheel.seek(offset, whence)

    def tell(self) -> int:
        return self.wheel.tell()

    def seekable(self) -> bool:
        return True


def read_metadata(wheel: IO[bytes], filename: str) -> bytes:
    """The exact bytes of METADATA; `wheel` is seekable.

    Takes a bounded amount of memory, whatever the wheel.

    Raises:
        WheelError: if the file is not a zip file, has not exactly one METADATA, or that one is
            damaged, too large, or of another project or version than `filename`.
    """
    name = parse_wheel_name(filename)
    try:
        with zipfile.ZipFile(_Guarded(wheel, filename)) as archive:
            entry = archive.getinfo(_metadata_entry(archive, name, filename))
            if not 0 <= entry.header_offset < wheel.seek(0, io.SEEK_END):
                raise zipfile.BadZipFile("an entry outside of the file")
            data = _read_entry(archive, entry, filename)
    except _ODD_ZIP as error:
        raise WheelError(f"{filename}: not a readable wheel: {error}") from error
    _check_identity(data, name, filename)
    return data


def check_metadata(
    data: bytes, filename: str, metadata: Sha256, requires_python: str | None = None
) -> None:
    """Hold METADATA against the wheel's name and against what was planned.

    Args:
        data: METADATA.
        filename: What the wheel is called.
        metadata: The digest of the METADATA that dependencies were resolved from.
        requires_python: As `check_requires_python`.

    Raises:
        WheelError: if it is another project's or version's, or the digest differs; also as
            `check_requires_python`.
    """
    _check_identity(data, parse_wheel_name(filename), filename)
    if hashlib.sha256(data).hexdigest() != metadata:
        raise WheelError(
            f"{filename}: its METADATA is not the one that dependencies were resolved from",
            hint="the index serves metadata that disagrees with the wheel; tell its operator",
        )
    check_requires_python(data, filename, requires_python)


def read_requires_python(metadata: bytes, filename: str) -> str | None:
    """What METADATA demands of Python, as it is written there; None when it demands nothing.

    Raises:
        WheelError: if it says so twice.
    """
    return _single(_headers(metadata, filename), "Requires-Python", filename) or None


def check_requires_python(metadata: bytes, filename: str, stated: str | None) -> None:
    """Hold what an index or a document states beside a wheel (PEP 503) against its METADATA.

    Installers skip a wheel by what is stated, and never open it. To state nothing is fine.

    Raises:
        WheelError: if the two are different specifiers.
    """
    if not stated:
        return
    own = read_requires_python(metadata, filename) or ""
    if not _same_specifier(stated, own):
        raise WheelError(
            f"{filename}: is listed with Requires-Python {stated!r:.80},"
            f" its METADATA says {own!r:.80}"
        )


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, filename: str) -> bytes:
    size = entry.file_size
    if (largest := max(size, entry.compress_size)) > MAX_METADATA:
        raise WheelError(f"{filename}: its METADATA has {largest} bytes")
    if entry.flag_bits & _ENCRYPTED:
        raise WheelError(f"{filename}: its METADATA is encrypted")
    if entry.compress_type not in _METHODS:
        raise WheelError(
            f"{filename}: its METADATA has compression method {entry.compress_type},"
            " neither stored nor deflated"
        )
    # zipfile ends a stream without a word at the size that the directory claims: show it more.
    entry.file_size = MAX_METADATA + 1
    with archive.open(entry) as stream:
        data = stream.read(MAX_METADATA + 1)
    if len(data) != size:
        raise WheelError(f"{filename}: its METADATA has not the {size} bytes that it should have")
    return data


def _metadata_entry(archive: zipfile.ZipFile, name: WheelName, filename: str) -> str:
    found = [
        entry
        for entry in archive.namelist()
        if entry.count("/") == 1 and entry.endswith(".dist-info/METADATA")
    ]
    if len(found) != 1:
        raise WheelError(f"{filename}: has {len(found)} METADATA files, not one")
    if not is_folder_of(found[0].removesuffix("/METADATA"), name):
        raise WheelError(f"{filename}: carries the metadata folder {found[0]!r:.120}")
    return found[0]


def _check_identity(data: bytes, name: WheelName, filename: str) -> None:
    headers = _headers(data, filename)
    project, version = (_single(headers, field, filename) for field in ("Name", "Version"))
    if not is_release(project, version, name):
        raise WheelError(f"{filename}: its METADATA says {project!r:.80} {version!r:.80}")


def _headers(metadata: bytes, filename: str) -> Message:
    try:
        return BytesHeaderParser().parsebytes(header_block(metadata))
    except ValueError as error:
        raise WheelError(f"{filename}: its {error}") from error


def _single(headers: Message, field: str, filename: str) -> str:
    values = headers.get_all(field, [""])
    if len(values) != 1:
        raise WheelError(f"{filename}: its METADATA has the field {field} {len(values)} times")
    return str(values[0])


def is_folder_of(folder: str, name: WheelName) -> bool:
    """Whether a `.dist-info` folder is of the project and version of a filename."""
    project, _, version = folder.removesuffix(".dist-info").partition("-")
    return is_release(project, version, name)


def is_release(project: str, version: str, name: WheelName | SdistName) -> bool:
    """Whether project and version, however they are spelled, are those of a filename."""
    try:
        return canonicalize_name(project) == name.project and Version(version) == name.version
    except ValueError:  # also of a number with thousands of digits
        return False


def _same_specifier(one: str, other: str) -> bool:
    if one.strip() == other.strip():
        return True
    try:
        return SpecifierSet(one) == SpecifierSet(other)
    except InvalidSpecifier:
        return False
