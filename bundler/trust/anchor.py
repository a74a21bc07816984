"""What the far side believes before a bundle is opened: the pinned root and what came after it.

The state of a stream is the folder that `tuf.ngclient.Updater` would keep: the chain of roots from
the pinned one on, and the last accepted timestamp, snapshot, targets and packing metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from bundler.disk import atomic_write, read_whole
from bundler.errors import DamagedError, TrustError
from bundler.model.manifest import parse_stream
from bundler.trust.metadata import (
    MANIFEST,
    ODD_METADATA,
    ROLES,
    RootFacts,
    latest_root,
    read_metadata,
    read_root,
    read_stream,
    root_version,
)

_PIN = "`bundle trust pin ROOT --into MIRROR` pins a root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A root that is pinned; see `RootFacts`.

    Attributes:
        changed: False when it had been pinned before.
        succeeds: Whether the officers of the root that was pinned before vouch for it.
    """

    stream: str
    fingerprint: str
    version: int
    keys: tuple[str, ...]
    threshold: int
    expires: datetime
    changed: bool
    succeeds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A stream's state in memory.

    Attributes:
        files: By name: `1.root.json`, `timestamp.json` …
        sequence: The last one accepted; 0 when there was none.
        manifest: Its manifest's sha256; empty when there was none.
    """

    stream: str
    files: Mapping[str, bytes]
    sequence: int = 0
    manifest: str = ""


def pin(root: bytes, folder: Path) -> Pinned:
    """Make `root` the anchor of its stream below `folder`; doing it again changes nothing.

    A root that has expired can be pinned, as TUF permits (§5.3): a bundle may carry its successor.
    A pinned root gives way to its next version alone, if its officers signed that (§5.3.4): so a
    stolen key is out before any bundle comes.

    Raises:
        DamagedError: if it is not a root that signs itself and names a stream.
        TrustError: if another root is pinned for that stream, which does not vouch for this one.
        BundlerError: if it cannot be written.
    """
    facts = read_root("the root", root)
    state = folder / facts.stream
    known = {name: data for name, data in read_state(state).items() if root_version(name)}
    changed, succeeds = root not in known.values(), False
    if changed:
        if known:
            succeeds = _succeeds(root, latest_root(known))
            if not succeeds:
                raise _other_root(facts, known)
        atomic_write(state / f"{facts.version}.root.json", root, mode=0o600)
    return Pinned(
        stream=facts.stream,
        fingerprint=facts.fingerprint,
        version=facts.version,
        keys=facts.keys,
        threshold=facts.threshold,
        expires=facts.expires,
        changed=changed,
        succeeds=succeeds,
    )


def load_anchor(folder: Path, stream: str) -> Anchor:
    """The state of `stream` below `folder`.

    Raises:
        TrustError: if no root is pinned for the stream.
        DamagedError: if the state is not as it was written.
        BundlerError: if it cannot be read.
    """
    try:
        state = folder / parse_stream(stream)
    except ValueError as error:
        raise TrustError(str(error)) from error
    files = read_state(state)
    if not any(root_version(name) for name in files):
        raise TrustError(
            f"no root is pinned for the stream {stream}",
            hint=f"{_PIN}; compare its fingerprint with the sender first",
        )
    return _anchor(files, f"{state}: ")


def anchor_from_root(root: bytes) -> Anchor:
    """An anchor that remembers nothing but `root`.

    Raises:
        DamagedError: if it is not a root that signs itself and names a stream.
    """
    version = read_root("the root", root).version
    return _anchor({f"{version}.root.json": root}, "")


def write_state(state: Path, files: Mapping[str, bytes]) -> None:
    """Replace a stream's state, roots first, the timestamp next.

    In this order a crash in between leaves nothing that is less strict than what was there.

    Raises:
        BundlerError: if it cannot be written.
    """
    for name in sorted(files, key=_writing_order):
        path = state / name
        if not path.exists() or read_whole(path) != files[name]:
            atomic_write(path, files[name], mode=0o600)


def _writing_order(name: str) -> tuple[int, int]:
    version = root_version(name)
    return (0, version) if version else (1, ROLES.index(name.removesuffix(".json")))


def read_state(state: Path) -> dict[str, bytes]:
    """The metadata files of a stream's folder by name, empty when it is not there.

    Raises:
        BundlerError: if one cannot be read.
    """
    names = {f"{role}.json" for role in ROLES}
    if not state.is_dir():
        return {}
    return {
        path.name: read_whole(path)
        for path in sorted(state.iterdir())
        if path.name in names or root_version(path.name)
    }


def _anchor(files: Mapping[str, bytes], place: str) -> Anchor:
    """Read every file: one that TUF cannot read would silently remember nothing."""
    facts = read_root(f"{place}root", latest_root(files))
    for name, data in files.items():
        match name.removesuffix(".json"):
            case "timestamp":
                read_metadata(f"{place}{name}", data, Timestamp)
            case "snapshot":
                read_metadata(f"{place}{name}", data, Snapshot)
            case "targets" | "packing":
                read_metadata(f"{place}{name}", data, Targets)
            case _:
                read_metadata(f"{place}{name}", data, Root)
    sequence, manifest = 0, ""
    if "targets.json" in files:
        targets = read_metadata(f"{place}targets.json", files["targets.json"], Targets).signed
        if MANIFEST not in targets.targets:
            raise DamagedError(f"{place}targets.json names no {MANIFEST}")
        sequence = targets.version
        manifest = targets.targets[MANIFEST].hashes.get("sha256", "")
    return Anchor(stream=facts.stream, files=files, sequence=sequence, manifest=manifest)


def _succeeds(root: bytes, pinned: bytes) -> bool:
    """Whether a root is the next version of the pinned one, by the word of its officers."""
    new, old = read_metadata("the root", root, Root), read_metadata("the pinned root", pinned, Root)
    if new.signed.version != old.signed.version + 1 or read_stream(
        "the root", new.signed
    ) != read_stream("the pinned root", old.signed):
        return False
    try:
        old.signed.verify_delegate(Root.type, new.signed_bytes, new.signatures)
    except ODD_METADATA:
        return False
    return True


def _other_root(facts: RootFacts, known: Mapping[str, bytes]) -> TrustError:
    there = read_root("the pinned root", latest_root(known))
    return TrustError(
        f"another root is pinned for the stream {facts.stream}:\n"
        f"pinned   version {there.version}  {there.fingerprint}\n"
        f"offered  version {facts.version}  {facts.fingerprint}",
        hint="a newer root of the same stream comes with a bundle, or is pinned version by version;"
        " ask the sender which of the two is theirs",
    )
