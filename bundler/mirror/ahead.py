"""What can be asked before volumes are read: which stream they say they are of, and how much room.

Nothing that is found here is believed: each volume goes through the gate on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bundler.archive.head import Head
from bundler.archive.keep import Keeper
from bundler.archive.medium import head_of, opened
from bundler.disk import require_room
from bundler.errors import BundlerError, DamagedError
from bundler.mirror.layout import Mirror
from bundler.mirror.remembered import remembered
from bundler.model.artifact import Blob
from bundler.model.volume import index_stream
from bundler.trust.gate import admit


def claimed_stream(head: Head) -> str:
    """The stream that a head says it is of: only to find the root that will judge it."""
    for name in head.entries:
        if stream := index_stream(name):
            return stream
    raise DamagedError("the head of the volume has no index", hint="have the volume sent again")


def require_room_for(volumes: Sequence[Path], mirror: Mirror) -> None:
    """Refuse to begin with several volumes that will not all fit; what is wrong is told later.

    Raises:
        NoRoomError: naming what is needed and what is free.
    """
    missing: set[Blob] = set()
    for volume in volumes if len(volumes) > 1 else ():
        with suppress(BundlerError), opened(volume) as source:
            head = head_of(source)
            index = admit(head.entries, remembered(mirror, claimed_stream(head))).index
            missing.update(Keeper(mirror.store, mirror.has, index.slices).missing(index))
    require_room(mirror.store.root, sum(blob.size for blob in missing))
