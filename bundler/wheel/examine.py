"""One pass over a wheel that holds everything in it against everything that it says of itself.

Memory stays flat, whatever the wheel: a directory of bounded size, RECORD, and a piece of one
member at a time. Nothing of a wheel is run, and nothing is parsed but what its own few documents
are. Sources: APPNOTE 6.3.10; the binary distribution format; the public index's rules for zip files
of 2025; PEP 770 for `sboms/`.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Final, Literal, TypeAlias

from bundler.model.artifact import Blob, Sha256, WheelName, parse_wheel_name
from bundler.model.contents import NativeFormat
from bundler.wheel.directory import Directory, Entry, read_directory
from bundler.wheel.fault import BrokenError, Fault
from bundler.wheel.headers import wheel_file_faults
from bundler.wheel.inflate import Inflate, strict
from bundler.wheel.magic import native_format
from bundler.wheel.members import content, members, read_one
from bundler.wheel.metadata import MAX_METADATA, is_folder_of
from bundler.wheel.names import name_faults
from bundler.wheel.record import MAX_RECORD, Record, read_record
from bundler.wheel.seen import Seen, key

BOMB_SIZE: Final = 64 * 1024 * 1024
"""Bytes; what inflates to no more is no bomb, however small it was."""

BOMB_RATIO: Final = 50
"""Times; the public index's bound as well."""

MAX_FAULTS: Final = 1000
"""So many are told apart; a wheel with more has them everywhere."""

_START: Final = 1 << 12
"""Bytes in which a format must show itself; a deflated stream may give one byte at a time."""

SBOMS: Final = "sboms"
"""In the metadata folder; each file there is an SBOM (PEP 770)."""

Kind: TypeAlias = "NativeFormat | Literal['sbom']"


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a wheel that is worth a word of its own."""

    path: str
    blob: Blob
    kind: Kind


Taker: TypeAlias = Callable[[Member, Path], None]
"""Gets such a file in a temporary place, which is gone when it returns, while the wheel is read."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a wheel.

    Attributes:
        faults: Every rule that it breaks, in the order of the file.
        metadata: METADATA; None when a fault kept it from being read.
        members: The native libraries and embedded SBOMs, sorted by path; not all of them when a
            fault ended the reading.
    """

    faults: tuple[Fault, ...]
    metadata: bytes | None
    members: tuple[Member, ...]

    def natives(self) -> list[Member]:
        """The native libraries."""
        return [member for member in self.members if member.kind != "sbom"]

    def sboms(self) -> list[Member]:
        """The embedded SBOMs."""
        return [member for member in self.members if member.kind == "sbom"]


def examine(
    wheel: IO[bytes],
    filename: str,
    takers: Mapping[Kind, Taker] | None = None,
    seen: Seen | None = None,
    inflate: Inflate = strict,
) -> Examined:
    """Read a whole wheel, once; `wheel` is seekable, `seen` knows members of others.

    Whatever the bytes are, the outcome is a list of faults, empty for a good wheel.
    """
    name = parse_wheel_name(filename)
    reading = _Reading(wheel, filename, name, takers or {}, seen or Seen(), inflate)
    try:
        reading.run()
    except BrokenError as error:
        reading.faults.append(error.fault)
    return Examined(
        faults=tuple(reading.faults[:MAX_FAULTS]),
        metadata=reading.documents.get("METADATA"),
        members=tuple(sorted(reading.found, key=lambda member: member.path)),
    )


@dataclass(slots=True)
class _Reading:
    """One wheel while it is read."""

    wheel: IO[bytes]
    filename: str
    name: WheelName
    takers: Mapping[Kind, Taker]
    seen: Seen
    inflate: Inflate
    faults: list[Fault] = field(default_factory=list)
    documents: dict[str, bytes] = field(default_factory=dict)
    found: list[Member] = field(default_factory=list)
    folder: str = ""
    own_documents: tuple[str, ...] = ()
    record: Record | None = None

    def run(self) -> None:
        directory = read_directory(self.wheel)
        self._note(name_faults(directory.entries))
        self._refuse_bombs(directory)
        self.folder = _metadata_folder(directory.entries, self.name)
        self.own_documents = (f"{self.folder}/METADATA", f"{self.folder}/WHEEL")
        self.record = self._read_record(directory.entries)
        for entry, packed in members(self.wheel, directory):
            self._read(entry, packed)
        if self.record is not None:
            self._note(self.record.leftovers())
        self._note(self._document_faults())

    def _note(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            if len(self.faults) < MAX_FAULTS:
                self.faults.append(fault)

    def _refuse_bombs(self, directory: Directory) -> None:
        size = sum(entry.size for entry in directory.entries)
        packed = self.wheel.seek(0, io.SEEK_END)
        if size > max(BOMB_SIZE, BOMB_RATIO * packed):
            raise BrokenError("bomb", f"{packed} bytes would inflate to {size}")
        bounds = {"METADATA": MAX_METADATA, "WHEEL": MAX_METADATA, "RECORD": MAX_RECORD}
        for entry in directory.entries:
            folder, _, name = entry.name.rpartition("/")
            if folder.endswith(".dist-info") and entry.size > bounds.get(name, entry.size):
                raise BrokenError("bomb", f"has {entry.size} bytes", entry.name)

    def _read_record(self, entries: Iterable[Entry]) -> Record | None:
        """RECORD is read before the rest: it says how to hash what."""
        place = f"{self.folder}/RECORD"
        for entry in entries:
            if entry.name == place:
                try:
                    return read_record(read_one(self.wheel, entry, self.inflate), self.folder)
                except BrokenError as error:  # the rest can be read all the same
                    self.faults.append(error.fault)
                    return None
        self.faults.append(Fault("record", "is not there", place))
        return None

    def _read(self, entry: Entry, packed: bytes | None) -> None:
        """Hold one member against RECORD."""
        algorithm = self.record.algorithm(entry.name) if self.record else "sha256"
        known = None
        if packed is not None and algorithm == "sha256" and not self._is_document(entry.name):
            known = key(entry, packed)
        digest = self.seen.digest(known) if known else None
        if digest is None:
            pieces = content(self.wheel, entry, packed, self.inflate)
            digest, kind = self._take_in(entry, pieces, algorithm)
            if known and kind is None:
                self.seen.add(known, digest)
        if self.record is not None and not entry.is_folder:
            self._note(self.record.compare(entry.name, digest, entry.size))

    def _take_in(
        self, entry: Entry, pieces: Iterator[bytes], algorithm: str
    ) -> tuple[bytes, Kind | None]:
        """Take one member's content through all that wants to see it; its digest and kind."""
        own, other = hashlib.sha256(), None
        sinks: list[Callable[[bytes], object]] = [own.update]
        if algorithm != "sha256":
            other = hashlib.new(algorithm)
            sinks.append(other.update)
        first = next(pieces, b"")
        while len(first) < min(_START, entry.size) and (more := next(pieces, b"")):
            first += more
        pieces = chain((first,), pieces)
        kind = self._kind(entry.name, first)
        if kind is not None:
            self._take(entry, pieces, kind, own, sinks)
        elif entry.name in self.own_documents:
            data = b"".join(pieces)
            self.documents[entry.name.rpartition("/")[2]] = data
            _pour((data,), sinks)
        else:
            _pour(pieces, sinks)
        return (other or own).digest(), kind

    def _is_document(self, path: str) -> bool:
        """Whether its content is wanted, whatever it is."""
        return path in self.own_documents or self._is_sbom(path)

    def _is_sbom(self, path: str) -> bool:
        return path.startswith(f"{self.folder}/{SBOMS}/") and not path.endswith("/")

    def _kind(self, path: str, first: bytes) -> Kind | None:
        return "sbom" if self._is_sbom(path) else native_format(first)

    def _take(
        self,
        entry: Entry,
        pieces: Iterable[bytes],
        kind: Kind,
        own: hashlib._Hash,
        sinks: list[Callable[[bytes], object]],
    ) -> None:
        taker = self.takers.get(kind)
        if taker is None:
            _pour(pieces, sinks)
            self.found.append(Member(entry.name, _blob(own, entry), kind))
            return
        with tempfile.NamedTemporaryFile(prefix="bundle-") as place:
            _pour(pieces, [*sinks, place.write])
            place.flush()
            member = Member(entry.name, _blob(own, entry), kind)
            self.found.append(member)
            taker(member, Path(place.name))

    def _document_faults(self) -> Iterator[Fault]:
        for path in self.own_documents:
            if path.rpartition("/")[2] not in self.documents:
                yield Fault("metadata-folder", "is not there", path)
        if data := self.documents.get("WHEEL"):
            yield from wheel_file_faults(data, f"{self.folder}/WHEEL", self.name)


def _metadata_folder(entries: Iterable[Entry], name: WheelName) -> str:
    folders = {entry.name.partition("/")[0] for entry in entries}
    found = sorted(folder for folder in folders if folder.endswith(".dist-info"))
    if len(found) != 1:
        raise BrokenError("metadata-folder", f"has {len(found)} metadata folders, not one")
    if not is_folder_of(found[0], name):
        raise BrokenError("metadata-folder", f"carries the metadata folder {found[0]!r:.120}")
    return found[0]


def _pour(pieces: Iterable[bytes], sinks: Iterable[Callable[[bytes], object]]) -> None:
    for piece in pieces:
        for sink in sinks:
            sink(piece)


def _blob(digest: hashlib._Hash, entry: Entry) -> Blob:
    return Blob(Sha256(digest.hexdigest()), entry.size)
