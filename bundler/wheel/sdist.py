"""What a source distribution says of itself without being run: metadata and build requirements.

The archive is read from its front to its end, in bounded memory. Nothing is extracted, no link in
it is followed, and none of its code is run. Dependencies are taken from PKG-INFO if that promises
that every wheel will have the same (PEP 643), else from pyproject.toml (PEP 621); a source
distribution that leaves them to its build is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

from packaging.utils import InvalidSdistFilename

from bundler.errors import RefusedError
from bundler.model.artifact import (
    SDIST_SUFFIX,
    SdistName,
    Sha256,
    parse_sdist_name,
)
from bundler.wheel.fault import WheelError
from bundler.wheel.metadata import MAX_METADATA, check_requires_python
from bundler.wheel.pkg_info import PKG_INFO, has_static_needs
from bundler.wheel.pyproject import PYPROJECT, parse_source_project

MAX_SDIST: Final = 1024**3
"""Bytes; as packed, of a source distribution that is read at all."""

MAX_UNPACKED: Final = 4 * 1024**3
"""Bytes."""

MAX_RATIO: Final = 100
"""Unpacked to packed; gzip itself ends at about 1,030."""

MAX_ENTRIES: Final = 200_000

_ANY_RATIO: Final = 16 * 1024**2
"""Bytes; so little is no bomb, whatever the ratio."""

_MAX_HEADER: Final = 1024**2
"""Bytes that tarfile may read to find one entry, extended headers included."""

_MAX_GLOBAL: Final = 64
"""Keywords in the global headers: tarfile copies them for every entry."""

_CHUNK: Final = 64 * 1024

# What gzip and tarfile raise for odd bytes.
_ODD_TAR = (
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    RecursionError,
)

_KEYS: Final = {name.casefold(): name for name in (PKG_INFO, PYPROJECT)}
_NO_NAMES: Final = frozenset({"", ".", ".."})


class SdistError(RefusedError):
    """A source distribution is not what its filename or its plan says, or it is not static."""

    code = "sdist"


@dataclass(frozen=True, slots=True)
class SdistFacts:
    """What a source distribution says of itself.

    Attributes:
        metadata: PKG-INFO, byte for byte, where it is static; else core metadata that
            `SourceProject.metadata` makes of pyproject.toml.
        build_requires: What its build needs (PEP 518).
    """

    metadata: bytes
    build_requires: tuple[str, ...]


def read_sdist(sdist: IO[bytes], filename: str) -> SdistFacts:
    """The static metadata of a source distribution; `sdist` is seekable.

    Raises:
        SdistError: if the file is not a gzipped tar, is a bomb, has anything outside of one folder
            of its name, has not exactly one PKG-INFO of its project and version, or its
            dependencies are not known before it is built.
    """
    name = _name(filename)
    try:
        pkg_info, pyproject = _key_files(sdist, name, filename)
    except _ODD_TAR as error:
        raise SdistError(f"{filename}: not a readable source distribution: {error}") from error
    try:
        is_static = has_static_needs(pkg_info, name)
        project = parse_source_project(pyproject)
        metadata = pkg_info if is_static else project.metadata(name)
    except (ValueError, RecursionError) as error:
        raise SdistError(f"{filename}: {error}") from error
    return SdistFacts(metadata, project.build_requires)


def check_sdist(
    sdist: IO[bytes], filename: str, metadata: Sha256, requires_python: str | None = None
) -> None:
    """Hold a source distribution against its plan; the arguments are those of `check_metadata`.

    Raises:
        SdistError: as `read_sdist`; if its static metadata is another one, or another
            Requires-Python is stated.
    """
    facts = read_sdist(sdist, filename)
    if hashlib.sha256(facts.metadata).hexdigest() != metadata:
        raise SdistError(
            f"{filename}: its static metadata is not the one that dependencies were resolved from",
            hint="whoever made the plan read another file; make it anew",
        )
    try:
        check_requires_python(facts.metadata, filename, requires_python)
    except WheelError as error:
        raise SdistError(error.message) from error


def _name(filename: str) -> SdistName:
    try:
        return parse_sdist_name(filename)
    except InvalidSdistFilename as error:
        raise SdistError(f"{filename:.120}: not the name of a source distribution") from error


class _Unpacked:
    """The tar within, as tarfile gets to see it: forwards only, and no more than is reasonable.

    Attributes:
        allowance: How many bytes may be read, rather than passed over, until it is raised again.
        last: What was read last.
    """

    def __init__(self, sdist: IO[bytes], filename: str) -> None:
        size = sdist.seek(0, io.SEEK_END)
        sdist.seek(0)
        if size > MAX_SDIST:
            raise SdistError(f"{filename}: has {size} bytes; at most {MAX_SDIST} are read")
        self.allowance = _MAX_HEADER
        self.last = b""
        self._filename = filename
        self._limit = min(max(_ANY_RATIO, MAX_RATIO * size), MAX_UNPACKED)
        self._stream = gzip.GzipFile(fileobj=sdist)
        self._position = 0

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= self.allowance:
            raise SdistError(f"{self._filename}: an entry has too long a header")
        self.allowance -= size
        self.last = self._take(size)
        return self.last

    def seek(self, offset: int, _whence: int = io.SEEK_SET, /) -> int:
        if offset < self._position:
            raise tarfile.ReadError("an entry lies in front of the one before it")
        while self._position < offset:
            if not self._take(min(_CHUNK, offset - self._position)):
                raise tarfile.ReadError("unexpected end of data")
        return self._position

    def tell(self) -> int:
        return self._position

    def rest(self) -> Iterator[bytes]:
        """What no reader of tar files looks at."""
        while chunk := self._take(_CHUNK):
            yield chunk

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._position += len(data)
        if self._position > self._limit:
            raise SdistError(
                f"{self._filename}: unpacks to more than {self._limit} bytes, a bomb perhaps"
            )
        return data


def _key_files(sdist: IO[bytes], name: SdistName, filename: str) -> tuple[bytes, bytes | None]:
    """PKG-INFO and, if there is one, pyproject.toml: those that an installer would find.

    Other programs may read odd archives in other ways, and find other files. So the whole of it is
    looked through, and what is odd in a place that matters is refused.
    """
    unpacked = _Unpacked(sdist, filename)
    found: dict[str, bytes] = {}
    folder = None
    # The type is right in spirit: tarfile calls these three methods and no other.
    with tarfile.TarFile(fileobj=unpacked, errors="surrogateescape") as archive:  # type: ignore[arg-type]
        for entry in _entries(archive, unpacked, filename):
            folder = folder or _own_folder(entry, name, filename)
            key = _key(entry, folder, filename)
            if key is None:
                continue
            if key in found:
                raise SdistError(f"{filename}: has {key} twice")
            found[key] = _content(archive, entry, unpacked, filename)
    if PKG_INFO not in found:
        raise SdistError(f"{filename}: has no {PKG_INFO}")
    return found[PKG_INFO], found.get(PYPROJECT)


def _entries(
    archive: tarfile.TarFile, unpacked: _Unpacked, filename: str
) -> Iterator[tarfile.TarInfo]:
    """Every entry up to the end, behind which there must be nothing."""
    for _ in range(MAX_ENTRIES):
        unpacked.allowance = _MAX_HEADER
        entry = archive.next()
        archive.members.clear()  # type: ignore[attr-defined] # it would keep them all
        if len(archive.pax_headers) > _MAX_GLOBAL:
            raise SdistError(f"{filename}: has too many global headers")
        if entry is None:
            break
        yield entry
    else:
        raise SdistError(f"{filename}: has over {MAX_ENTRIES} entries")
    # tarfile takes a header that it cannot read for the end.
    if unpacked.last.strip(b"\0") or any(chunk.strip(b"\0") for chunk in unpacked.rest()):
        raise SdistError(f"{filename}: something lies behind the end of the archive")


def _own_folder(entry: tarfile.TarInfo, name: SdistName, filename: str) -> str:
    """The folder that everything is in: `NAME-VERSION` (PEP 625), in some spelling."""
    folder = entry.name.partition("/")[0]
    try:
        if parse_sdist_name(folder + SDIST_SUFFIX) == name:
            return folder
    except InvalidSdistFilename:
        pass
    raise SdistError(f"{filename}: begins with {entry.name!r:.120}, not with a folder of its name")


def _key(entry: tarfile.TarInfo, folder: str, filename: str) -> str | None:
    """Which of the two files an entry is, if any."""
    shown = f"{entry.name!r:.120}"
    top, *inner = parts = entry.name.split("/")
    if "\\" in entry.name or "\0" in entry.name or not _NO_NAMES.isdisjoint(parts):
        raise SdistError(f"{filename}: has an entry {shown}, which is no plain path")
    if top != folder or not (inner or entry.isdir()):
        raise SdistError(f"{filename}: has an entry {shown} outside of its folder {folder}")
    if not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk()):
        raise SdistError(f"{filename}: its entry {shown} is a device or a pipe")
    # Some file systems take capital letters for small ones.
    key = _KEYS.get("/".join(inner).casefold())
    if key is None:
        return None
    if inner != [key] or not entry.isreg() or entry.sparse is not None:
        raise SdistError(f"{filename}: its entry {shown} is not a regular file of that name")
    return key


def _content(
    archive: tarfile.TarFile, entry: tarfile.TarInfo, unpacked: _Unpacked, filename: str
) -> bytes:
    if entry.size > MAX_METADATA:
        raise SdistError(f"{filename}: its {entry.name:.120} has {entry.size} bytes")
    unpacked.allowance = MAX_METADATA + _CHUNK
    reader = archive.extractfile(entry)
    assert reader is not None  # noqa: S101 - it is a regular file
    return reader.read()
