"""Members that were read before: the same packed bytes hold the same content.

The wheels of one version for several targets share most of their Python files, packed by the same
tool. Of the set of `tests/bench/peers.py` two members of three are such, and a seventh of what
inflates.
"""

from __future__ import annotations

import hashlib
import mmap
from typing import Final, NewType

from bundler.wheel.directory import DEFLATED, Entry

_SLOTS: Final = 1 << 16
_DIGEST: Final = hashlib.sha256().digest_size

Key = NewType("Key", bytes)


class Seen:
    """Digests of good members without native code; shared with forks that are made later.

    Each has one place, which the next one takes: 4 MiB in all. Threads and forks do not wait for
    each other: beside what was noted stands a digest that tells when it was noted only by half.
    """

    def __init__(self) -> None:
        self._table = mmap.mmap(-1, _SLOTS * 2 * _DIGEST)

    def digest(self, key: Key) -> bytes | None:
        """SHA-256 of the content; None when it was not seen, or too long ago."""
        at = _place(key)
        digest = self._table[at : at + _DIGEST]
        whole = self._table[at + _DIGEST : at + 2 * _DIGEST] == _mark(key, digest)
        return digest if whole else None

    def add(self, key: Key, digest: bytes) -> None:
        """Its size and checksum were as the entry says, and nothing stood behind its end."""
        at = _place(key)
        self._table[at : at + 2 * _DIGEST] = digest + _mark(key, digest)


def key(entry: Entry, packed: bytes) -> Key | None:
    """All that decides what a member holds, and whether it is good.

    None for one that is only stored: to hash it takes as long.
    """
    if entry.method != DEFLATED:
        return None
    stated = entry.size.to_bytes(8, "little") + entry.crc.to_bytes(4, "little")
    return Key(hashlib.sha256(packed).digest() + stated)


def _place(key: Key) -> int:
    return int.from_bytes(key[:4], "little") % _SLOTS * 2 * _DIGEST


def _mark(key: Key, digest: bytes) -> bytes:
    return hashlib.sha256(key + digest).digest()
