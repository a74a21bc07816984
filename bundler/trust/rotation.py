"""The life of a root: its successors, and how one that others had to sign is taken in.

Root N+1 is signed by enough officers of root N and of itself (TUF §6.1). Every site follows the
chain from the root that it pinned, since each bundle carries all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Root

from bundler.disk import atomic_write
from bundler.errors import TrustError
from bundler.trust.authority import PENDING, Authority, remembered
from bundler.trust.holders import KeyHolder
from bundler.trust.keys import fingerprint, key_name, named
from bundler.trust.metadata import entry, read_metadata, read_root
from bundler.trust.pending import Quorum, quorums
from bundler.trust.signing import Board, board_of, check_plain, make_root, sign

_SHORTEST_FINGERPRINT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What shall be different in the next root.

    Attributes:
        add: New officers.
        remove: Officers who leave, by name or fingerprint.
        threshold: How many officers must sign; as before when None.
        packing: The packing host's new key; the old one when None.
    """

    add: Sequence[KeyHolder] = ()
    remove: Sequence[str] = ()
    threshold: int | None = None
    packing: KeyHolder | None = None


def successor(authority: Authority, change: Change, now: datetime) -> Root:
    """The next root, unsigned; its expiry begins anew.

    Raises:
        TrustError: if a key is not there to be removed, is there already, or the threshold cannot
            be met.
    """
    old = authority.root
    board = board_of(old)
    officers = list(board.officers)
    for word in change.remove:
        gone = _find(word, officers)
        officers = [key for key in officers if key not in gone]
    for holder in change.add:
        for key in holder.keys:
            if taken := _clash(key, officers):
                raise TrustError(
                    f"{named(taken)} is an officer already",
                    hint="remove that one with --remove, or name the new one apart: NAME=KEY",
                )
        officers += holder.keys
    packers = change.packing.keys if change.packing else board.packers
    left = {key.keyid for key in officers}
    if not change.packing and any(
        key.keyid not in left and key in board.officers for key in board.packers
    ):
        raise TrustError(
            f"the packing host signs with {named(packers[0])}, who would leave",
            hint="give --packing-key as well",
        )
    # A key that was given anew may have another name; the officers' entry is the one that counts.
    renewed = Board(tuple(officers), change.threshold or board.threshold, tuple(packers))
    return make_root(
        authority.stream, renewed, now + authority.lifetimes.root, version=old.version + 1
    )


def propose(
    authority: Authority, change: Change, signers: Sequence[Signer], now: datetime
) -> tuple[bytes, tuple[Quorum, ...]]:
    """The next root signed by those at hand, and what it still lacks. Nothing is written.

    Raises:
        TrustError: as `successor`.
    """
    root = successor(authority, change, now)
    judges = [authority.root, root]
    officers = {keyid for judge in judges for keyid in judge.roles[Root.type].keyids}
    able = {s.public_key.keyid: s for s in signers if s.public_key.keyid in officers}
    data = sign(root, list(able.values()))
    return data, quorums(data, Root, judges)


def pending_entries(authority: Authority, root: bytes) -> dict[str, bytes]:
    """What a staged file has for a root to be signed: the chain of roots, and this one."""
    chain = authority.root_chain()
    return {**chain, entry(f"{len(chain) + 1}.root.json"): root}


def adopt(authority: Authority, root: bytes) -> Path:
    """Take in the next root, or the first one that waited, now that enough have signed it.

    Raises:
        TrustError: if it is not the next one, or too few have signed.
        DamagedError: if it is no root, or a signature is not good.
    """
    new = read_metadata("the new root", root, Root).signed
    chain = authority.root_chain()
    if new.version != len(chain) + 1:
        raise TrustError(
            f"this is root {new.version}; the next one of {authority.stream} is {len(chain) + 1}",
            hint="another root was adopted meanwhile; begin again with `bundle trust rotate`",
        )
    judges = [*([authority.root] if chain else []), new]
    for quorum in quorums(root, Root, judges):
        if quorum.lacking:
            raise TrustError(
                f"root {quorum.root} demands {quorum.threshold} signatures; {len(quorum.signed)}"
                f" are there, missing: {', '.join(quorum.missing)}",
                hint="each of them runs: bundle sign STAGED --key KEY",
            )
    if read_root("the new root", root).stream != authority.stream:
        raise TrustError(f"this root is not of the stream {authority.stream}")
    check_plain(new, authority.stream)
    waited = authority.pending
    if not chain and (
        waited is None or read_metadata("the root that waited", waited, Root).signed != new
    ):
        raise TrustError("this is not the root that `bundle trust init` made on this host")
    path = authority.folder / f"{new.version}.root.json"
    atomic_write(path, root)
    (authority.folder / PENDING).unlink(missing_ok=True)
    return path


def remember_keys(authority: Authority, holders: Sequence[KeyHolder]) -> Authority:
    """The authority that also remembers how these keys were given.

    Raises:
        BundlerError: if it cannot be written.
    """
    found = replace(authority, written={**authority.written, **remembered(holders)})
    found.remember()
    return found


def _find(word: str, officers: Sequence[Key]) -> list[Key]:
    """The keys of one officer."""
    digits = word.replace(" ", "")
    found = [key for key in officers if key_name(key) == word]
    if not found and len(digits) >= _SHORTEST_FINGERPRINT:
        found = [key for key in officers if key.keyid.startswith(digits)]
    if not found:
        there = ", ".join(named(key) for key in officers)
        raise TrustError(
            f"{word!r:.80} is none of the officers: {there}", hint="give a name or a fingerprint"
        )
    return found


def _clash(key: Key, officers: Sequence[Key]) -> Key | None:
    """An officer who has this key, or this name."""
    for there in officers:
        if fingerprint(there) == fingerprint(key):
            return there
        if key_name(key) and key_name(there) == key_name(key):
            return there
    return None
