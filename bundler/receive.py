"""INSIDE, one line per step: open → verify → unpack → check → publish.

The gate speaks first: nothing of a volume is decompressed, and no document in it is parsed, before
its signatures were checked against a root that was here before. A volume is opened for reading
only, and what is wrong with it changes neither the mirror nor what the gate remembers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bundler.archive.head import Head, read_head
from bundler.archive.unpack import unpack_volume, verify_volume
from bundler.errors import BundlerError, DamagedError, TrustError
from bundler.events import Observer
from bundler.mirror.generations import live
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import Published, publish
from bundler.model.volume import index_stream
from bundler.trust.gate import Admission, Anchor, admit, commit, load_anchor


@dataclass(frozen=True, slots=True)
class Received:
    """A bundle that is live now; `published` says whether anything changed."""

    admission: Admission
    published: Published


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
            judge = load_anchor(judge.trust, _claimed_stream(head))
        admission = admit(head.entries, judge)
        verify_volume(admission.index, file, head.size, observe=observe)
    return admission


def unpack(volume: Path, mirror: Mirror, *, observe: Observer) -> Received:
    """Verify a bundle, bring its blobs into the mirror and make it live.

    Raises:
        TrustError: if the signatures do not lead to the root pinned in `mirror`.
        DamagedError: if the volume is not what was signed.
        IncompleteError: if the mirror still lacks blobs; what has arrived is kept.
    """
    with mirror.locked(), _opened(volume) as file:
        head = read_head(file)
        admission = admit(head.entries, load_anchor(mirror.trust, _claimed_stream(head)))
        mirror.store.sweep()
        _check_progress(admission, mirror)
        unpack_volume(
            admission.index, file, head.size, mirror.store, have=mirror.has, observe=observe
        )
        published = publish(mirror, admission.manifest, observe)
        commit(admission, mirror.trust)
    return Received(admission, published)


def _claimed_stream(head: Head) -> str:
    """The stream that a head says it is of: only to find the root that will judge it."""
    for name in head.entries:
        if stream := index_stream(name):
            return stream
    raise DamagedError("the head of the volume has no index", hint="have the volume sent again")


def _check_progress(admission: Admission, mirror: Mirror) -> None:
    """The gate remembers what was admitted, the mirror what is live; neither may go back."""
    generation = live(mirror)
    shown = generation.streams.get(admission.manifest.stream) if generation else None
    if shown and shown.sequence > admission.manifest.sequence:
        raise TrustError(
            f"{admission.manifest.stream}: sequence {admission.manifest.sequence} is older than"
            f" sequence {shown.sequence}, which is live",
            hint="unpack a newer bundle; going back is a decision of its own, not an import",
        )


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
