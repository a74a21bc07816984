"""INSIDE, one line per step: open → verify → unpack → check → publish.

The gate speaks first: nothing of a volume is decompressed, and no document in it is parsed, before
its signatures were checked against a root that was here before. A volume is opened for reading
only, and what is wrong with it changes neither the mirror nor what the gate remembers: it makes the
journal longer, which says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from bundler.archive.head import Head, read_head
from bundler.archive.unpack import unpack_volume, verify_volume
from bundler.errors import BundlerError, DamagedError
from bundler.events import Observer
from bundler.mirror.attempt import attempt, of_volume
from bundler.mirror.attested import MakeJudge, check_verdicts
from bundler.mirror.generations import live
from bundler.mirror.journal import Operator
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import Published, may_go_live, prepare, publish
from bundler.mirror.scan import scan_all
from bundler.mirror.scanner import Scanner
from bundler.mirror.union import read_document
from bundler.mirror.waiting import hold, release
from bundler.model.artifact import Blob
from bundler.model.manifest import VerifiedManifest
from bundler.model.volume import Segment, index_stream
from bundler.trust.gate import (
    Admission,
    Anchor,
    admit,
    commit,
    load_anchor,
    remember_roots,
)
from bundler.trust.keys import fingerprint


@dataclass(frozen=True, slots=True)
class Received:
    """A bundle that is live now, or waits for approval.

    Attributes:
        published: Says whether anything changed; None while it waits.
        approvers: Fingerprints of the keys of which one must approve, while it waits.
    """

    admission: Admission
    published: Published | None
    approvers: tuple[str, ...] = ()


def read_volume_head(volume: Path) -> Head:
    """The head of a volume; nothing of it is verified.

    Raises:
        DamagedError: if the file is not a bundle volume.
    """
    with _opened(volume) as file:
        return read_head(file)


def verify(volume: Path, judge: Anchor | Mirror, *, observe: Observer) -> Admission:
    """Check signatures and every byte of a volume; nothing is decompressed or written.

    Args:
        volume: The file.
        judge: A root that the caller trusts, or the mirror that it is pinned in.
        observe: Hears about the progress.

    Raises:
        TrustError: if the signatures do not lead to a trusted root.
        DamagedError: if the volume is not what was signed.
    """
    with _opened(volume) as file:
        head = read_head(file)
        if isinstance(judge, Mirror):
            judge = _remembered(judge, _claimed_stream(head))
        admission = admit(head.entries, judge)
        verify_volume(admission.index, file, head.size, observe=observe)
    return admission


def unpack(
    volume: Path,
    mirror: Mirror,
    *,
    make_judge: MakeJudge,
    operator: Operator,
    scan: Sequence[Scanner] = (),
    observe: Observer,
) -> Received:
    """Verify a bundle, bring its blobs into the mirror and make it live.

    Where the mirror's policy asks for an approval, it waits for that instead, whole and checked.

    Args:
        volume: The file.
        mirror: Where to.
        make_judge: Called when there are attestations, with a trust root and a profile.
        operator: Who does it, for the journal.
        scan: Scanners that must let it pass, beside those that the mirror's policy asks for.
        observe: Hears about the progress.

    Raises:
        TrustError: if the signatures do not lead to the root pinned in `mirror`, or attestations
            do not prove what was signed.
        DamagedError: if the volume is not what was signed, or the journal not as it was written.
        QuarantinedError: if a scanner does not let it pass.
        IncompleteError: if the mirror still lacks blobs; what has arrived is kept.
    """
    with (
        mirror.locked(),
        _opened(volume) as file,
        attempt(mirror, of_volume(volume), operator, observe) as noted,
    ):
        head = read_head(file)
        admission = admit(head.entries, _remembered(mirror, _claimed_stream(head)))
        noted.received(admission.index, head.entries[admission.index.name])
        remember_roots(admission, mirror.trust)
        mirror.store.sweep()
        unpack_volume(
            admission.index,
            file,
            head.size,
            mirror.store,
            have=mirror.has,
            check=_Expected(admission.manifest, mirror).check,
            observe=observe,
        )
        check_verdicts(mirror, admission.manifest, make_judge, observe)
        noted.verified()
        waits = not may_go_live(mirror, admission.manifest, observe)
        scanners = [*noted.policy.scanners(), *scan]
        if waits or scanners:
            files = prepare(mirror, admission.manifest, observe)
            scan_all(mirror, files, scanners, noted, observe)
        if waits:
            commit(admission, mirror.trust)
            hold(mirror, admission.manifest, observe)
            return Received(admission, None, tuple(map(fingerprint, noted.policy.approvers)))
        published = publish(mirror, admission.manifest, observe)
        commit(admission, mirror.trust)
        release(mirror, admission.stream)
        noted.live(published)
    return Received(admission, published)


class _Expected:
    """The blobs that a volume may bring: those that the officers signed, each once.

    The packing host signs which blobs are in a volume. It must not be able to bring in others.
    """

    def __init__(self, manifest: VerifiedManifest, mirror: Mirror) -> None:
        self._manifest = manifest
        self._mirror = mirror
        self._known = set(manifest.blobs())
        self._documents_read = False
        self._seen: set[Blob] = set()

    def check(self, segment: Segment) -> None:
        """Refuse a segment with any other blob; the documents come before all else.

        Raises:
            DamagedError: if it has one.
            IncompleteError: if a document that would name its blobs has not arrived.
        """
        blobs = set(segment.blobs)
        if not blobs <= self._known and not self._documents_read:
            self._read_documents()
        if strange := blobs - self._known:
            raise DamagedError(
                f"the volume brings {min(strange).sha256} ({segment.label}), which the manifest"
                " does not name",
                hint="whoever packed it added something; do not use it, ask the sender",
            )
        if len(blobs) < len(segment.blobs) or blobs & self._seen:
            raise DamagedError(f"the volume brings a blob twice ({segment.label})")
        self._seen |= blobs

    def _read_documents(self) -> None:
        self._documents_read = True
        for project in self._manifest.projects:
            document = read_document(self._mirror, self._manifest, project)
            self._known.update(blob for file in document.files for blob in file.blobs())


def _remembered(mirror: Mirror, stream: str) -> Anchor:
    """What the gate remembers of a stream, and what is live: neither may go back.

    They differ after a crash between going live and remembering it.
    """
    anchor = load_anchor(mirror.trust, stream)
    with suppress(BundlerError):  # a damaged record of what is live is written anew on publishing
        generation = live(mirror)
        shown = generation.streams.get(stream) if generation else None
        if shown and shown.sequence > anchor.sequence:
            return replace(anchor, sequence=shown.sequence, manifest=shown.manifest.sha256)
    return anchor


def _claimed_stream(head: Head) -> str:
    """The stream that a head says it is of: only to find the root that will judge it."""
    for name in head.entries:
        if stream := index_stream(name):
            return stream
    raise DamagedError("the head of the volume has no index", hint="have the volume sent again")


@contextmanager
def _opened(volume: Path) -> Iterator[BinaryIO]:
    """A volume, for reading only."""
    if volume.is_dir():
        raise BundlerError(f"{volume} is a folder", hint="give the volume's file: NAME.tar.zst")
    try:
        file = volume.open("rb")
    except OSError as error:
        raise BundlerError(f"{volume}: {error.strerror or error}".lower()) from error
    with file:
        yield file
