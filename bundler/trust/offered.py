"""What a head offers, and that every entry of it is under a digest of another one.

Nothing here believes anything: `bundler.trust.gate` asks these questions beside the workflow of TUF
and makes of the answers what others may rely on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from bundler.errors import DamagedError, TrustError
from bundler.model.manifest import Manifest
from bundler.model.volume import VolumeIndex, is_index_name
from bundler.model.volume_set import VolumeSet, is_set_name
from bundler.trust.anchor import Anchor
from bundler.trust.metadata import MANIFEST, PACKING, ROLES, entry, read_metadata, root_version
from bundler.trust.refusal import AGAIN
from bundler.trust.workflow import LIMITS


@dataclass(frozen=True, slots=True)
class Names:
    """Under which names a head has its two documents about the packing."""

    index: str
    set: str


@dataclass(frozen=True, slots=True)
class Documents:
    """What the metadata of a head names, read."""

    manifest: Manifest
    index: VolumeIndex
    set: VolumeSet


@dataclass(frozen=True, slots=True)
class Offered:
    """The metadata of a head: well formed, and believed only when the updater accepted it."""

    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]
    packing: Metadata[Targets]


def check_entries(head: Mapping[str, bytes], anchor: Anchor) -> Names:
    """Only known entries, each that is needed, one index and one set.

    Raises:
        TrustError: if one is missing, or the head says that it is of another stream.
        DamagedError: if one has no place there, or is too long.
    """
    needed = [entry(f"{role}.json") for role in ROLES] + [MANIFEST]
    for name in needed:
        if name not in head:
            raise TrustError(f"the head has no {name}: nothing vouches for this volume", hint=AGAIN)
    indexes = [name for name in head if is_index_name(name)]
    if len(indexes) != 1:
        raise TrustError(f"the head has {len(indexes)} volume indexes instead of one", hint=AGAIN)
    sets = [name for name in head if is_set_name(name)]
    if len(sets) != 1:
        raise TrustError(f"the head has {len(sets)} volume sets instead of one", hint=AGAIN)
    for name, data in head.items():
        if name not in (*needed, *indexes, *sets) and not (
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
    return Names(indexes[0], sets[0])


def read_offered(head: Mapping[str, bytes]) -> Offered:
    """Parse all metadata; of its signatures nothing is known yet.

    Raises:
        DamagedError: if it is no TUF metadata in its one spelling.
    """
    for name, data in head.items():
        if root_version(name):
            read_metadata(name, data, Root)
    names = {role: entry(f"{role}.json") for role in ROLES}
    return Offered(
        read_metadata(names["timestamp"], head[names["timestamp"]], Timestamp),
        read_metadata(names["snapshot"], head[names["snapshot"]], Snapshot),
        read_metadata(names["targets"], head[names["targets"]], Targets),
        read_metadata(names[PACKING], head[names[PACKING]], Targets),
    )


def check_digests(head: Mapping[str, bytes], offered: Offered) -> None:
    """Each file is under a digest of the one above it, which TUF permits but does not require.

    Raises:
        DamagedError: if one is not.
        TrustError: if the officers let in anything but a manifest.
    """
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


def open_documents(head: Mapping[str, bytes], offered: Offered, names: Names) -> Documents:
    """Check length and digest of the documents, then parse them.

    Raises:
        DamagedError: if one is not what was signed, or cannot be read.
    """
    _check_target(head, MANIFEST, offered.targets.signed)
    _check_target(head, names.index, offered.packing.signed)
    _check_target(head, names.set, offered.packing.signed)
    try:
        return Documents(
            Manifest.from_bytes(head[MANIFEST]),
            VolumeIndex.from_bytes(head[names.index]),
            VolumeSet.from_bytes(head[names.set]),
        )
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


def check_documents(found: Documents, names: Names, offered: Offered, anchor: Anchor) -> None:
    """The documents speak of the same stream and sequence as the metadata, and of each other.

    Raises:
        TrustError: if they do not.
    """
    manifest, index, volumes = found.manifest, found.index, found.set
    if {manifest.stream, index.stream, volumes.stream} != {anchor.stream}:
        raise TrustError(
            f"the manifest is of the stream {manifest.stream}, the volume of {index.stream}, its"
            f" set of {volumes.stream}; the root is for {anchor.stream}"
        )
    sequence = offered.targets.signed.version
    if {manifest.sequence, index.sequence, volumes.sequence} != {sequence}:
        raise TrustError(
            f"the officers signed sequence {sequence}; the manifest says {manifest.sequence},"
            f" the volume {index.sequence}, its set {volumes.sequence}"
        )
    for name, document in ((names.index, index), (names.set, volumes)):
        if document.name != name:
            raise TrustError(f"{name} describes another volume, {document.name}")
        if document.manifest != offered.targets.signed.targets[MANIFEST].hashes["sha256"]:
            raise TrustError(f"{name} belongs to another manifest of sequence {sequence}")
    if index.volumes != len(volumes.volumes):
        raise TrustError(
            f"{names.index} is of {index.volumes} volumes, its set has {len(volumes.volumes)}"
        )
    if volumes.volumes[index.volume - 1].size != index.size:
        raise TrustError(f"{names.set} gives volume {index.volume} another size than its index")


def check_roots(head: Mapping[str, bytes], index: VolumeIndex, state: Mapping[str, bytes]) -> None:
    """The head's chain of roots is the one that the index names and that is trusted here.

    Raises:
        DamagedError, TrustError: if it is not.
    """
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
