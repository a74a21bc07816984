"""A part of a sequence: what a base has not, or what was asked for again.

The base is what the far side *has*: a sequence that somebody names, or one that a mirror's receipt
states. It is believed only as far as this host has made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bundler.errors import RefusedError, TrustError
from bundler.events import Noticed, Observer
from bundler.model.artifact import Blob
from bundler.model.receipt import Live, Receipt
from bundler.model.resend import SET_DIGITS, Lost, LostBlob, LostVolume
from bundler.model.volume_set import Base
from bundler.packable import Described, Shape
from bundler.records import Packing, packings, read_manifest, recorded, sha256_of
from bundler.trust.authority import Authority
from bundler.trust.keys import fingerprint
from bundler.trust.receipt import check_mirror, open_receipt, remember_mirror


@dataclass(frozen=True, slots=True)
class Since:
    """What a delta leaves out: the blobs of its base."""

    base: Base
    blobs: frozenset[Blob]

    def wanted(self, blob: Blob) -> bool:
        """Whether the delta must carry it."""
        return blob not in self.blobs

    def shape(self, shape: Shape) -> Shape:
        """The same volumes, of such a delta."""
        return replace(shape, kind="delta", base=self.base, wanted=self.wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What was asked for again of a sequence."""

    described: Described
    blobs: frozenset[Blob]

    def wanted(self, blob: Blob) -> bool:
        """Whether it was asked for."""
        return blob in self.blobs

    def shape(self, shape: Shape) -> Shape:
        """The same volumes, of nothing else."""
        return replace(shape, kind="resend", wanted=self.wanted)


def since(authority: Authority, sequence: int, before: int | None = None) -> Since:
    """What a delta leaves out for whoever has `sequence`.

    Args:
        authority: Of the stream.
        sequence: The base.
        before: The sequence that will be packed; the next one when None.

    Raises:
        RefusedError: if this host has made no such sequence, or not before that one.
        IncompleteError, DamagedError: if its record is lost or damaged.
    """
    data = read_manifest(authority, sequence)
    if before is not None and sequence >= before:
        raise RefusedError(
            f"a delta of sequence {before} of {authority.stream} cannot build on {sequence}",
            hint="give an earlier sequence",
        )
    blobs = frozenset(recorded(authority, sequence).blobs())
    return Since(Base(sequence, sha256_of(data)), blobs)


def since_receipt(
    authority: Authority,
    path: Path,
    observe: Observer,
    *,
    confirmed: str | None = None,
    before: int | None = None,
) -> Since:
    """What a delta leaves out for the mirror that signed this receipt.

    Its key is remembered if it is the first one, or has the fingerprint `confirmed`.

    Raises:
        TrustError: if the receipt was changed, is of another mirror, or states what this host has
            not made.
        DamagedError: if it is no receipt.
        RefusedError, IncompleteError: as `since`.
    """
    receipt, key = open_receipt(path)
    is_new = check_mirror(authority.folder, key, path, confirmed)
    live = _stated(authority, receipt, path)
    found = since(authority, live.sequence, before)
    if is_new:
        remember_mirror(authority.folder, key)
        observe(
            Noticed(
                f"receipts of {authority.stream} are taken from the mirror key {fingerprint(key)}"
                " from now on; ask the mirror's operator whether it is theirs"
            )
        )
    observe(
        Noticed(
            f"{path}: sequence {live.sequence} of {authority.stream} was live there at"
            f" {receipt.created}"
        )
    )
    return found


def asked_again(authority: Authority, asked: Sequence[Lost]) -> Again:
    """The blobs that the far side asks for; all of the stream's last sequence.

    Raises:
        RefusedError: if they are of another sequence, of a packing that is not known here, or
            nothing.
        IncompleteError, DamagedError: if the record of the sequence is lost or damaged.
    """
    last = authority.next_sequence - 1
    for lost in asked:
        if (lost.stream, lost.sequence) != (authority.stream, last):
            raise RefusedError(
                f"{lost.stream} sequence {lost.sequence} is asked for again; of {authority.stream}"
                f" only the last one can be sent again, {last}",
                hint="make the next sequence as a delta upon what is live over there:"
                " bundle create PROFILE --since N",
            )
    described = recorded(authority, last)
    everything = set(described.blobs())
    known = packings(authority, last)
    found: set[Blob] = set()
    for lost in asked:
        if isinstance(lost, LostBlob):
            found |= _named(described, lost)
        else:
            found |= _packed(known, lost)
    if not (blobs := frozenset(found & everything)):
        raise RefusedError(
            "what is asked for again brings no file: these are parity volumes, which are made anew"
            " with all others",
            hint="bundle revolume",
        )
    return Again(described=described, blobs=blobs)


def stream_of(asked: Sequence[Lost]) -> str:
    """The one stream that is asked for.

    Raises:
        RefusedError: if there are several.
    """
    streams = sorted({lost.stream for lost in asked})
    if len(streams) > 1:
        raise RefusedError(
            f"several streams are asked for again: {', '.join(streams)}",
            hint="one list for each of them",
        )
    return streams[0]


def _stated(authority: Authority, receipt: Receipt, path: Path) -> Live:
    """What is live of this stream, if it is what this host has made."""
    stream = authority.stream
    live = receipt.streams.get(stream)
    if live is None:
        others = ", ".join(f"{name} {each.sequence}" for name, each in receipt.streams.items())
        raise TrustError(
            f"{path} states nothing of {stream}, but: {others or 'nothing at all'}",
            hint="give the receipt of a mirror where it is live, or make a full bundle",
        )
    try:
        made = sha256_of(read_manifest(authority, live.sequence))
    except RefusedError as error:
        raise TrustError(
            f"{path} states sequence {live.sequence} of {stream} as live: {error.message}",
            hint="if another host makes bundles of this stream, make the delta there; else make a"
            " full bundle",
        ) from error
    if made != live.manifest:
        raise TrustError(
            f"{path} states sequence {live.sequence} of {stream} with the manifest {live.manifest};"
            f" this host has made it with {made}",
            hint="the mirror has another bundle of that number than this host has made: find out"
            " whose; a full bundle will be refused there as well",
        )
    return live


def _named(described: Described, lost: LostBlob) -> set[Blob]:
    """A blob; with a project's document, its files: who lacks the one cannot name the others."""
    found = {blob for blob in described.blobs() if blob.sha256 == lost.sha256}
    for document in described.documents:
        if described.manifest.projects[document.name] in found:
            found |= {blob for file in document.files for blob in file.blobs()}
    if not found:
        raise RefusedError(
            f"the blob {lost.sha256} is not of sequence {lost.sequence} of {lost.stream}",
            hint="have the list written again over there",
        )
    return found


def _packed(known: Sequence[Packing], lost: LostVolume) -> set[Blob]:
    """What was in a volume, or in some of its segments."""
    index = next(
        (
            each.indexes.get(lost.volume)
            for each in known
            if each.digest[:SET_DIGITS] == lost.volumes
        ),
        None,
    )
    if index is None:
        raise RefusedError(
            f"no volume {lost.volume} of the set {lost.volumes} was packed here as sequence"
            f" {lost.sequence} of {lost.stream}",
            hint="where the bundle was packed, it can be packed again; else make the next one",
        )
    numbers = lost.segments or range(1, len(index.segments) + 1)
    if numbers and numbers[-1] > len(index.segments):
        raise RefusedError(
            f"volume {lost.volume} of {lost.stream} has {len(index.segments)} segments;"
            f" {numbers[-1]} is asked for"
        )
    packed = (blob for number in numbers for blob in index.segments[number - 1].blobs)
    # Of a blob that was sliced, all of it.
    return {
        index.slices[blob.sha256].whole if blob.sha256 in index.slices else blob for blob in packed
    }
