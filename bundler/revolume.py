"""What volumes bring, taken back on the packing host: to pack it again in other sizes or forms.

Officers are not asked: what they signed is the manifest, and that stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from bundler.archive.failures import Failures
from bundler.archive.keep import Keeper
from bundler.archive.medium import check_form, head_of, opened, sources
from bundler.archive.sliced import Sliced
from bundler.archive.store import BlobStore
from bundler.archive.unpack import unpack_volume
from bundler.errors import DamagedError, TrustError
from bundler.events import Observer
from bundler.model.artifact import Blob
from bundler.model.volume import index_stream
from bundler.packable import Described, Shape
from bundler.records import read_manifest, recorded, sha256_of
from bundler.trust.authority import Authority
from bundler.trust.gate import Admission, admit, anchor_from_root


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """What some volumes of the stream's last sequence bring.

    Attributes:
        admission: Of one of them.
        blobs: Those of all of them, but for parity.
    """

    described: Described
    admission: Admission
    blobs: frozenset[Blob]

    def shape(self, shape: Shape) -> Shape:
        """How they are packed again: as what they were, in other volumes."""
        kind, base = self.admission.set.kind, self.admission.set.base
        wanted = shape.wanted if kind == "full" else self.blobs.__contains__
        return Shape(
            size=shape.size,
            form=shape.form,
            parity=shape.parity,
            kind=kind,
            base=base,
            wanted=wanted,
        )


def stream_of_volume(volume: Path) -> str:
    """The stream that a volume says it is of: only to find the authority that will judge it.

    Raises:
        DamagedError: if it is no volume.
        BundlerError: if it cannot be read.
    """
    with opened(volume) as source:
        for name in head_of(source).entries:
            if stream := index_stream(name):
                return stream
    raise DamagedError(f"the head of {volume} has no index", hint="take another copy of it")


def take_back(
    volumes: Iterable[Path], authority: Authority, cache: BlobStore, observe: Observer
) -> TakenBack:
    """Bring into the cache what it lacks of these volumes.

    Raises:
        TrustError: if one is not of the stream's last sequence, or they are of different kinds.
        DamagedError: if one is not what was signed.
        BundlerError: if one cannot be read, or the disk is full.
    """
    failures, admissions = Failures(), list[Admission]()
    blobs: set[Blob] = set()
    anchor = anchor_from_root(authority.root_bytes())
    for source in sources(volumes, BytesIO(), failures):
        with failures.collected():
            head = head_of(source)
            admission = admit(head.entries, anchor)
            check_form(source, head, admission.index)
            _check(source.name, admission, authority, admissions)
            admissions.append(admission)
            if not admission.set.volumes[admission.index.volume - 1].parity:
                index = admission.index
                unpack_volume(index, source, Keeper(cache, slices=index.slices), observe=observe)
                packed = (blob for segment in index.segments for blob in segment.blobs)
                parts = ((blob, index.slices.get(blob.sha256)) for blob in packed)
                blobs.update(part.whole if part else blob for blob, part in parts)
    failures.raise_all()
    Sliced(cache).clear()
    return TakenBack(
        described=recorded(authority, authority.next_sequence - 1),
        admission=admissions[0],
        blobs=frozenset(blobs),
    )


def _check(
    name: str, admission: Admission, authority: Authority, others: Iterable[Admission]
) -> None:
    last = authority.next_sequence - 1
    if admission.sequence != last:
        raise TrustError(
            f"{name} is sequence {admission.sequence} of {authority.stream}; only the last one,"
            f" {last}, can be packed again",
            hint="for a site that has an earlier one: bundle create PROFILE --since N",
        )
    for other in others:
        if (other.set.kind, other.set.base) != (admission.set.kind, admission.set.base):
            raise TrustError(
                f"{name} is of a {admission.set.kind} set, the volume before it of a"
                f" {other.set.kind} one",
                hint="give the volumes of one set",
            )
    if admission.index.manifest != sha256_of(read_manifest(authority, last)):
        raise TrustError(f"{name} is not what this host has made as sequence {last}")
