"""What is asked before volumes are read: whose they say they are, how much room, how much work.

Nothing that is found here is believed: each volume goes through the gate on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Final

from bundler.archive.head import Head
from bundler.archive.keep import Keeper
from bundler.archive.medium import head_of, opened
from bundler.disk import require_room
from bundler.errors import BundlerError, DamagedError
from bundler.forks import answering
from bundler.mirror.early import Look
from bundler.mirror.filing import look_into
from bundler.mirror.layout import Mirror
from bundler.mirror.remembered import remembered
from bundler.model.artifact import Blob
from bundler.model.volume import index_stream
from bundler.trust.gate import admit
from bundler.wheel.seen import Seen

_LITTLE: Final = 16 << 20
"""Bytes of volumes."""


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


def looking(volumes: Sequence[Path], mirror: Mirror) -> AbstractContextManager[Look]:
    """What looks into the wheels that these volumes bring; see `bundler.mirror.early`.

    In forks, unless they would take longer than what they do. They are made before the mirror is
    locked: one that outlives this process must not hold it.
    """
    look = partial(look_into, mirror, Seen())
    sizes = [volume.stat().st_size if volume.is_file() else _LITTLE for volume in volumes]
    return nullcontext(look) if sum(sizes) < _LITTLE else answering(look, "look")
