"""The roles of a stream, as its metadata has them now: a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from securesystemslib.signer import Key
from tuf.api.metadata import Root, Signed, Snapshot, Targets, Timestamp

from bundler.trust.keys import fingerprint, key_name, kind
from bundler.trust.metadata import PACKING, T, latest_root, read_metadata, read_root
from bundler.trust.signing import delegations


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key: its fingerprint, the name that the root gives it, and its kind of signature."""

    fingerprint: str
    name: str | None
    scheme: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFacts:
    """A role; version and expiry are None when no metadata of it is there yet."""

    role: str
    keys: tuple[KeyFacts, ...]
    threshold: int
    version: int | None
    expires: datetime | None


def role_facts(name: str, files: Mapping[str, bytes]) -> tuple[RoleFacts, ...]:
    """Every role of a stream, those of the officers first.

    Args:
        name: What the files are, for messages.
        files: The roots, and those of `targets.json`, `packing.json`, `snapshot.json` and
            `timestamp.json` that there are.

    Raises:
        DamagedError: if a file is not such metadata, or the newest root is not signed by itself.
    """
    data = latest_root(files)
    read_root(name, data)
    root = read_metadata(name, data, Root).signed

    def read(role: str, kind: type[T]) -> T | None:
        file = f"{role}.json"
        return read_metadata(f"{name}: {file}", files[file], kind).signed if file in files else None

    targets = read(Targets.type, Targets)
    return (
        _role(Root.type, root, root),
        _role(Targets.type, root, targets),
        _packing(root, targets, read(PACKING, Targets)),
        _role(Snapshot.type, root, read(Snapshot.type, Snapshot)),
        _role(Timestamp.type, root, read(Timestamp.type, Timestamp)),
    )


def _role(role: str, root: Root, signed: Signed | None) -> RoleFacts:
    rule = root.roles[role]
    return _facts(role, [root.keys[keyid] for keyid in rule.keyids], rule.threshold, signed)


def _packing(root: Root, targets: Targets | None, signed: Targets | None) -> RoleFacts:
    """As the officers delegated it last; as they would now, when they have not yet."""
    delegated = targets.delegations if targets else None
    if delegated is None or PACKING not in (delegated.roles or {}):
        delegated = delegations(root)
    rule = (delegated.roles or {})[PACKING]
    return _facts(PACKING, [delegated.keys[k] for k in rule.keyids], rule.threshold, signed)


def _facts(role: str, keys: Iterable[Key], threshold: int, signed: Signed | None) -> RoleFacts:
    return RoleFacts(
        role=role,
        keys=tuple(KeyFacts(fingerprint(key), key_name(key), kind(key)) for key in keys),
        threshold=threshold,
        version=signed.version if signed else None,
        expires=signed.expires if signed else None,
    )
