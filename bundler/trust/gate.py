"""The gate: the only maker of a `VerifiedManifest` and a `VerifiedIndex`.

The workflow is that of TUF §5 as python-tuf runs it (`bundler.trust.workflow`). Around it, the gate
holds every entry against the metadata, so that an admitted head has no byte that nobody vouches
for. Admitting changes nothing; `commit` makes it remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from bundler.errors import DamagedError, TrustError
from bundler.model.manifest import Manifest, VerifiedManifest
from bundler.model.volume import VerifiedIndex, VolumeIndex, is_index_name
from bundler.trust.anchor import Anchor, Pinned, anchor_from_root, load_anchor, pin, write_state
from bundler.trust.keys import named
from bundler.trust.metadata import (
    MANIFEST,
    PACKING,
    ROLES,
    entry,
    latest_root,
    read_metadata,
    read_stream,
    root_version,
)
from bundler.trust.refusal import (
    AGAIN,
    LONGEST,
    clock_behind,
    good_too_long,
    older,
    other_content,
)
from bundler.trust.workflow import LIMITS, run_updater

__all__ = [
    "Admission",
    "Anchor",
    "Pinned",
    "admit",
    "anchor_from_root",
    "commit",
    "load_anchor",
    "pin",
    "recall",
    "remember_roots",
]


_SLACK = timedelta(days=1)
"""How much two clocks may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A head that was found to be what the stream's keys vouch for.

    Attributes:
        expires: When each role's metadata expires.
        signers: Fingerprints of the keys whose signatures count, for each role.
        versions: Of each role's metadata; that of targets is the sequence.
        state: What `commit` will remember.
        previous: The sequence that was accepted before, 0 when there was none.
    """

    manifest: VerifiedManifest
    index: VerifiedIndex
    stream: str
    sequence: int
    root_version: int
    expires: Mapping[str, datetime]
    signers: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, int]
    state: Mapping[str, bytes]
    previous: int

    @property
    def is_newer(self) -> bool:
        """Whether it was not accepted before."""
        return self.sequence > self.previous


@dataclass(frozen=True, slots=True)
class _Offered:
    """The metadata of a head: well formed, and believed only when the updater accepted it."""

    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]
    packing: Metadata[Targets]


def admit(head: Mapping[str, bytes], anchor: Anchor) -> Admission:
    """Check the entries of a head against `anchor`; nothing is changed or remembered.

    The updater compares expiry dates with this host's clock.

    Raises:
        TrustError: if the signatures, their freshness, the stream or the sequence are not right.
        DamagedError: if bytes are not those that were signed.
        BundlerError: if no temporary folder can be written.
    """
    index_name = _check_entries(head, anchor)
    offered = _read_offered(head)
    state, now = run_updater(head, anchor, index_name)
    _check_progress(head, offered, state, anchor)
    root = read_metadata("the newest root", latest_root(state), Root)
    if read_stream("the newest root", root.signed) != anchor.stream:
        raise TrustError(f"the newest root is not for the stream {anchor.stream}", hint=AGAIN)
    _check_digests(head, offered)
    manifest, index = _open_documents(head, offered, index_name)
    _check_documents(manifest, index, index_name, offered, anchor)
    _check_roots(head, index, state)
    signed: dict[str, Signed] = {
        Root.type: root.signed,
        Timestamp.type: offered.timestamp.signed,
        Snapshot.type: offered.snapshot.signed,
        Targets.type: offered.targets.signed,
        PACKING: offered.packing.signed,
    }
    _check_dates(manifest, signed, now)
    return Admission(
        manifest=VerifiedManifest(manifest),
        index=VerifiedIndex(index),
        stream=anchor.stream,
        sequence=manifest.sequence,
        root_version=root.signed.version,
        expires={role: part.expires for role, part in signed.items()},
        signers=_signers(root, offered),
        versions={role: part.version for role, part in signed.items()},
        state=state,
        previous=anchor.sequence,
    )


def remember_roots(admission: Admission, folder: Path) -> None:
    """Remember below `folder` the roots that were admitted, whatever becomes of the bundle.

    A key that was replaced must not count again (TUF §5.3.8).

    Raises:
        BundlerError: if they cannot be written.
    """
    roots = {name: data for name, data in admission.state.items() if root_version(name)}
    write_state(folder / admission.stream, roots)


def commit(admission: Admission, folder: Path) -> None:
    """Remember below `folder` what was admitted, once its sequence is live or waits for approval.

    Raises:
        BundlerError: if it cannot be written.
    """
    write_state(folder / admission.stream, admission.state)


def recall(manifest: bytes, anchor: Anchor) -> VerifiedManifest:
    """The manifest of the sequence that was accepted last, from whoever has kept it since.

    Raises:
        TrustError: if it is another one.
    """
    if hashlib.sha256(manifest).hexdigest() != anchor.manifest:
        raise TrustError(
            f"{anchor.stream}: the manifest is not that of sequence {anchor.sequence}, which was"
            " accepted last",
            hint="unpack the newest bundle again",
        )
    return VerifiedManifest(Manifest.from_bytes(manifest))


def _check_entries(head: Mapping[str, bytes], anchor: Anchor) -> str:
    """Only known entries, each that is needed, one index; returns the name of the index."""
    needed = [entry(f"{role}.json") for role in ROLES] + [MANIFEST]
    for name in needed:
        if name not in head:
            raise TrustError(f"the head has no {name}: nothing vouches for this volume", hint=AGAIN)
    indexes = [name for name in head if is_index_name(name)]
    if len(indexes) != 1:
        raise TrustError(f"the head has {len(indexes)} volume indexes instead of one", hint=AGAIN)
    for name, data in head.items():
        if name not in (*needed, *indexes) and not (
            name.startswith("metadata/") and root_version(name)
        ):
            raise DamagedError(f"{name!r:.120} has no place in a head", hint=AGAIN)
        # Before anything is parsed, since nothing is verified yet.
        limit = LIMITS.get(name, LIMITS["root"] if root_version(name) else len(data))
        if len(data) > limit:
            raise DamagedError(f"{name} has {len(data)} bytes, {limit} at most", hint=AGAIN)
    # The name is not verified yet. It can only cause a refusal, and here it gives the best reason.
    stream = indexes[0].removeprefix("transport/").rpartition("-")[0]
    if stream != anchor.stream:
        raise TrustError(
            f"this is a volume of the stream {stream}; the root is for {anchor.stream}",
            hint="each stream has a root of its own",
        )
    return indexes[0]


def _read_offered(head: Mapping[str, bytes]) -> _Offered:
    for name, data in head.items():
        if root_version(name):
            read_metadata(name, data, Root)
    names = {role: entry(f"{role}.json") for role in ROLES}
    return _Offered(
        read_metadata(names["timestamp"], head[names["timestamp"]], Timestamp),
        read_metadata(names["snapshot"], head[names["snapshot"]], Snapshot),
        read_metadata(names["targets"], head[names["targets"]], Targets),
        read_metadata(names[PACKING], head[names[PACKING]], Targets),
    )


def _check_progress(
    head: Mapping[str, bytes], offered: _Offered, state: Mapping[str, bytes], anchor: Anchor
) -> None:
    """No step back, also where a change of keys made the updater forget; nothing was left unread.

    The updater keeps what it has when the offered version is equal, without a look at the bytes.
    """
    targets = offered.targets.signed
    if targets.version < anchor.sequence:
        raise older(targets.version, anchor)
    file = targets.targets.get(MANIFEST)
    digest = file.hashes.get("sha256") if file else None
    if targets.version == anchor.sequence and digest != anchor.manifest:
        raise other_content(targets.version, anchor)
    for role in ROLES:
        if state[f"{role}.json"] != head[entry(f"{role}.json")]:
            raise DamagedError(
                f"{entry(f'{role}.json')} was accepted before in the same version with other"
                " content",
                hint=AGAIN,
            )


def _check_digests(head: Mapping[str, bytes], offered: _Offered) -> None:
    """Each file is under a digest of the one above it, which TUF permits but does not require."""
    above: dict[str, MetaFile | None] = {
        "snapshot": offered.timestamp.signed.snapshot_meta,
        "targets": offered.snapshot.signed.meta.get("targets.json"),
        PACKING: offered.snapshot.signed.meta.get(f"{PACKING}.json"),
    }
    for role, meta in above.items():
        data = head[entry(f"{role}.json")]
        if not meta or (meta.hashes or {}).get("sha256") != hashlib.sha256(data).hexdigest():
            raise DamagedError(
                f"{entry(f'{role}.json')} is not under a sha256 digest of the metadata above it",
                hint=AGAIN,
            )
    if set(offered.targets.signed.targets) != {MANIFEST}:
        raise TrustError(f"the officers' metadata must name {MANIFEST} and nothing else")


def _open_documents(
    head: Mapping[str, bytes], offered: _Offered, index_name: str
) -> tuple[Manifest, VolumeIndex]:
    """Check length and digest of both documents, then parse them."""
    _check_target(head, MANIFEST, offered.targets.signed)
    _check_target(head, index_name, offered.packing.signed)
    try:
        return Manifest.from_bytes(head[MANIFEST]), VolumeIndex.from_bytes(head[index_name])
    except ValueError as error:
        raise DamagedError(
            f"signed, but not understood: {error}",
            hint="a newer version of bundle may have written it",
        ) from error


def _check_target(head: Mapping[str, bytes], name: str, targets: Targets) -> None:
    file: TargetFile | None = targets.targets.get(name)
    data = head[name]
    if (
        file is None
        or file.length != len(data)
        or file.hashes.get("sha256") != hashlib.sha256(data).hexdigest()
    ):
        raise DamagedError(f"{name} is not the one that was signed", hint=AGAIN)


def _check_documents(
    manifest: Manifest, index: VolumeIndex, index_name: str, offered: _Offered, anchor: Anchor
) -> None:
    """The documents speak of the same stream and sequence as the metadata, and of each other."""
    if {manifest.stream, index.stream} != {anchor.stream}:
        raise TrustError(
            f"the manifest is of the stream {manifest.stream}, the volume of {index.stream};"
            f" the root is for {anchor.stream}"
        )
    sequence = offered.targets.signed.version
    if (manifest.sequence, index.sequence) != (sequence, sequence):
        raise TrustError(
            f"the officers signed sequence {sequence}; the manifest says {manifest.sequence},"
            f" the volume {index.sequence}"
        )
    if index.name != index_name:
        raise TrustError(f"{index_name} describes another volume, {index.name}")
    if index.manifest != offered.targets.signed.targets[MANIFEST].hashes["sha256"]:
        raise TrustError(f"{index_name} belongs to another manifest of sequence {sequence}")


def _check_dates(manifest: Manifest, signed: Mapping[str, Signed], now: datetime) -> None:
    """Nothing comes from the future, and nothing is good for ever.

    Expiry alone does not show a clock that is slow: to it, everything is fresh.
    """
    created = datetime.fromisoformat(manifest.created)
    if created > now + _SLACK:
        raise clock_behind(manifest.sequence, created, now)
    for role, part in signed.items():
        if part.expires > now + LONGEST + _SLACK:
            raise good_too_long(role, part.expires)


def _check_roots(head: Mapping[str, bytes], index: VolumeIndex, state: Mapping[str, bytes]) -> None:
    """The head's chain of roots is the one that the index names and that is trusted here."""
    roots = {name: data for name, data in head.items() if root_version(name)}
    for name in sorted(roots.keys() | index.head.keys()):
        data = roots.get(name)
        if data is None or index.head.get(name) != hashlib.sha256(data).hexdigest():
            raise DamagedError(f"{name} is not the one that the volume's index names", hint=AGAIN)
        known = state.get(name.removeprefix("metadata/"), data)
        if known != data:
            raise TrustError(
                f"{name} differs from the root of that version which is trusted here",
                hint="the sender has two roots of one version; ask them",
            )
    newest = max(version for name in state if (version := root_version(name)))
    if any((version := root_version(name)) and version > newest for name in roots):
        raise TrustError(f"the chain of roots has a gap behind version {newest}", hint=AGAIN)


def _signers(root: Metadata[Root], offered: _Offered) -> dict[str, tuple[str, ...]]:
    """Whose signatures count, by role."""
    below = offered.targets.signed
    parts = (
        (Root.type, root.signed, root),
        (Timestamp.type, root.signed, offered.timestamp),
        (Snapshot.type, root.signed, offered.snapshot),
        (Targets.type, root.signed, offered.targets),
        (PACKING, below, offered.packing),
    )
    found = {
        role: by.get_verification_result(role, part.signed_bytes, part.signatures).signed
        for role, by, part in parts
    }
    # No digest covers the timestamp, so a spare signature in it could change unnoticed.
    if len(found[Timestamp.type]) != len(offered.timestamp.signatures):
        raise DamagedError(
            "metadata/timestamp.json carries a signature that none of its keys made", hint=AGAIN
        )
    return {role: tuple(named(key) for key in keys.values()) for role, keys in found.items()}
