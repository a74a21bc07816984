"""Which volumes have been here while their sequence is not complete, and what is missing.

The head of each volume that the gate has let in is kept until its sequence, or a later one, is
live. Nothing in it is believed because it is kept: it goes through the gate again. Whether a volume
has arrived is not written down at all, but seen: by whether the blobs that its index lists are
here.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.utils import NormalizedName

from bundler.archive.head import encode_head, head_size, read_head
from bundler.archive.keep import Keeper
from bundler.archive.sliced import Sliced
from bundler.disk import atomic_write, sync_folder
from bundler.errors import BundlerError
from bundler.events import Noticed, Observer
from bundler.mirror.layout import Mirror
from bundler.mirror.named import Named, wholes
from bundler.mirror.remembered import remembered
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import Segment, VerifiedIndex
from bundler.model.volume_set import VerifiedSet
from bundler.trust.gate import Admission, Anchor, admit


@dataclass(frozen=True, slots=True)
class Arrival:
    """A volume that was here: its head, and what the gate made of it."""

    entries: Mapping[str, bytes]
    admission: Admission

    @property
    def place(self) -> tuple[Sha256, int]:
        """Which volume of which packing it is."""
        return _digest(self.admission.set), self.admission.index.volume


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingVolume:
    """A volume of which something is missing.

    Attributes:
        number: From 1.
        segments: Their numbers, from 1; None where the volume was never seen.
        projects: Whose files are affected, sorted.
        blobs: Those of the segments that are not here.
    """

    number: int
    segments: tuple[int, ...] | None
    projects: tuple[NormalizedName, ...]
    blobs: tuple[Blob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingOfSet:
    """What is missing of one packing.

    Attributes:
        set: The packing.
        digest: Of the set's document.
        arrived: The numbers of the volumes that are wholly here.
        volumes: The others that are needed.
        blobs: What no volume of the set brings.
    """

    set: VerifiedSet
    digest: Sha256
    arrived: tuple[int, ...]
    volumes: tuple[MissingVolume, ...]
    blobs: tuple[Blob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What is missing of a sequence, for people and for whoever sends it again.

    Attributes:
        named: What the manifest names.
        blobs: All that is missing and known by name.
        sets: Each packing of which a volume was here, the one that lacks least first.
        live: The sequence of the stream that is accepted here, 0 when there is none.
    """

    stream: str
    sequence: int
    named: Named
    blobs: tuple[Blob, ...]
    sets: tuple[MissingOfSet, ...]
    live: int

    def __bool__(self) -> bool:
        """Whether anything is missing."""
        return bool(self.blobs) or bool(self.named.unread)


def keep(mirror: Mirror, arrival: Arrival) -> None:
    """Keep the head of a volume.

    Raises:
        BundlerError: if it cannot be written.
    """
    index, entries = arrival.admission.index, arrival.entries
    digest, number = arrival.place
    folder = mirror.arrived / f"{index.stream}-{index.sequence:06}"
    path = folder / f"{digest[:16]}.v{number:02}.head"
    if not path.is_file():
        sizes = {name: len(data) for name, data in entries.items()}
        atomic_write(path, encode_head(entries, head_size(sizes)), mode=0o600)


def arrivals(mirror: Mirror, stream: str, observe: Observer) -> list[Arrival]:
    """The volumes of a stream that were here, as the gate judges them now; by sequence.

    Raises:
        TrustError, DamagedError: as `load_anchor`.
    """
    return list(_arrivals(mirror, stream, observe))


def _arrivals(mirror: Mirror, stream: str, observe: Observer) -> Iterator[Arrival]:
    folders = mirror.arrived.iterdir() if mirror.arrived.exists() else ()
    own = [each for each in folders if each.name.rpartition("-")[0] == stream]
    for path in sorted(path for folder in own for path in folder.glob("*.head")):
        try:
            with path.open("rb") as file:
                entries = read_head(file).entries
            yield Arrival(entries, admit(entries, remembered(mirror, stream)))
        except BundlerError as error:
            observe(Noticed(f"{path.parent.name}, which arrived before, does not count: {error}"))


def streams(mirror: Mirror) -> list[str]:
    """The streams of which volumes were here."""
    found = mirror.arrived.iterdir() if mirror.arrived.exists() else ()
    return sorted({path.name.rpartition("-")[0] for path in found})


def forget(mirror: Mirror, stream: str, sequence: int, *, only: bool = False) -> None:
    """Drop what was kept of a sequence and, unless it is the `only` one, of those before.

    With the last one go unfinished blobs.
    """
    if mirror.arrived.exists():
        for folder in mirror.arrived.iterdir():
            name, _, number = folder.name.rpartition("-")
            if name == stream and (
                int(number) == sequence or (int(number) < sequence and not only)
            ):
                shutil.rmtree(folder)
        if not any(mirror.arrived.iterdir()):
            mirror.arrived.rmdir()
        sync_folder(mirror.state)
    if not mirror.arrived.exists():
        Sliced(mirror.store).clear()


def missing_of(mirror: Mirror, arrived: Iterable[Arrival], anchor: Anchor) -> Missing:
    """What is missing of the sequence of which these volumes, at least one, were here.

    Raises:
        DamagedError: if a document in the store is not what was signed.
    """
    found = list(arrived)
    newest = found[0].admission
    named = Named(mirror, newest.manifest)
    blobs = named.missing()
    by_set: dict[Sha256, list[Admission]] = {}
    for each in found:
        by_set.setdefault(_digest(each.admission.set), []).append(each.admission)
    sets = [_missing_of_set(mirror, named, blobs, digest, some) for digest, some in by_set.items()]
    return Missing(
        stream=newest.stream,
        sequence=newest.sequence,
        named=named,
        blobs=tuple(blobs),
        sets=tuple(sorted(sets, key=lambda one: (len(one.blobs), len(one.volumes)))),
        live=anchor.sequence,
    )


def missing_in(mirror: Mirror, observe: Observer) -> list[Missing]:
    """What is missing in a mirror, by stream and sequence; empty when nothing is waited for.

    Raises:
        TrustError, DamagedError: as `arrivals` and `missing_of`.
    """
    found: list[Missing] = []
    for stream in streams(mirror):
        anchor = remembered(mirror, stream)
        by_sequence: dict[int, list[Arrival]] = {}
        for each in arrivals(mirror, stream, observe):
            by_sequence.setdefault(each.admission.sequence, []).append(each)
        found += [missing_of(mirror, some, anchor) for some in by_sequence.values()]
    return [one for one in found if one]


def _missing_of_set(
    mirror: Mirror,
    named: Named,
    missing: list[Blob],
    digest: Sha256,
    admitted: list[Admission],
) -> MissingOfSet:
    volumes = admitted[0].set.volumes
    indexes = {each.index.volume: each.index for each in admitted}
    found: list[MissingVolume] = []
    brought: set[Blob] = set()
    for number, summary in enumerate(volumes, start=1):
        index = indexes.get(number)
        if summary.parity:
            continue
        if index is None:
            projects = _affected(named, missing, summary.projects)
            found.append(MissingVolume(number=number, segments=None, projects=projects))
        elif segments := list(_lacking(mirror, index)):
            blobs = [blob for _, segment in segments for blob in wholes(index, segment.blobs)]
            lacking = [blob for blob in dict.fromkeys(blobs) if not mirror.has(blob)]
            brought.update(lacking)
            found.append(
                MissingVolume(
                    number=number,
                    segments=tuple(place for place, _ in segments),
                    projects=_projects(named, lacking),
                    blobs=tuple(lacking),
                )
            )
    unseen = any(each.segments is None for each in found)
    whole = {each.number for each in found}
    return MissingOfSet(
        set=admitted[0].set,
        digest=digest,
        arrived=tuple(number for number in sorted(indexes) if number not in whole),
        volumes=tuple(each for each in found if each.segments is not None or each.projects),
        blobs=() if unseen else tuple(blob for blob in missing if blob not in brought),
    )


def _lacking(mirror: Mirror, index: VerifiedIndex) -> Iterator[tuple[int, Segment]]:
    """The segments of a volume that are not here, and their numbers."""
    keeper = Keeper(mirror.store, mirror.has, index.slices)
    for number, segment in enumerate(index.segments, start=1):
        if keeper.lacks(segment.blobs):
            yield number, segment


def _affected(
    named: Named, missing: Iterable[Blob], projects: Iterable[NormalizedName]
) -> tuple[NormalizedName, ...]:
    """Whose files a volume that was never seen may bring."""
    lacking = {named.project(blob) for blob in missing} | named.unread
    of_all = None in lacking
    return tuple(project for project in projects if of_all or project in lacking)


def _projects(named: Named, blobs: Iterable[Blob]) -> tuple[NormalizedName, ...]:
    return tuple(sorted({name for blob in blobs if (name := named.project(blob))}))


def _digest(one: VerifiedSet) -> Sha256:
    return Sha256(hashlib.sha256(one.to_bytes()).hexdigest())
