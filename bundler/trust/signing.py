"""The bodies of a stream's TUF metadata and the signatures under them, all in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from bundler.errors import TrustError
from bundler.model.canonical import canonical
from bundler.trust.keys import fingerprint
from bundler.trust.metadata import MANIFEST, PACKING, PACKING_PATHS, STREAM_FIELD, T, read_metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long metadata is good for.

    Attributes:
        root: It changes only with the officers or their keys, and lies in safes.
        targets: What officers let in stays let in while volumes are repacked and sent again.
        packing, snapshot, timestamp: An attacker who holds back bundles is noticed after this
            time, but a site that takes two discs a year must not be locked out.
    """

    root: timedelta = timedelta(days=5 * 365)
    targets: timedelta = timedelta(days=365)
    packing: timedelta = timedelta(days=180)
    snapshot: timedelta = timedelta(days=180)
    timestamp: timedelta = timedelta(days=180)


LIFETIMES = Lifetimes()


def first_root(
    stream: str,
    officers: Mapping[str, Key],
    threshold: int,
    packer: Key,
    now: datetime,
    lifetimes: Lifetimes,
) -> Root:
    """The root that a stream begins with (TUF §4.3)."""
    return Root(
        expires=until(now + lifetimes.root),
        keys={**officers, packer.keyid: packer},
        roles={
            Root.type: Role(list(officers), threshold),
            Targets.type: Role(list(officers), threshold),
            Snapshot.type: Role([packer.keyid], 1),
            Timestamp.type: Role([packer.keyid], 1),
        },
        consistent_snapshot=False,
        unrecognized_fields={STREAM_FIELD: stream},
    )


def make_targets(manifest: bytes, sequence: int, packer: Key, expires: datetime) -> Targets:
    """What may enter, and who says how it was packed (TUF §4.5)."""
    role = DelegatedRole(PACKING, [packer.keyid], 1, terminating=True, paths=[PACKING_PATHS])
    return Targets(
        version=sequence,
        expires=until(expires),
        targets={MANIFEST: TargetFile.from_data(MANIFEST, manifest)},
        delegations=Delegations({packer.keyid: packer}, {PACKING: role}),
    )


def describe(data: bytes, kind: type[T]) -> MetaFile:
    """Version, length and digest of signed metadata, for the role above it."""
    version = read_metadata(kind.type, data, kind).signed.version
    return MetaFile.from_data(version, data, ["sha256"])


def enough(signers: Iterable[Signer], root: Root, role: str) -> list[Signer]:
    """Those signers who may sign for `role`, each key once.

    Raises:
        TrustError: if they are fewer than the role's threshold.
    """
    keyids = root.roles[role].keyids
    able = {s.public_key.keyid: s for s in signers if s.public_key.keyid in keyids}
    if len(able) < root.roles[role].threshold:
        missing = ", ".join(fingerprint(root.keys[keyid]) for keyid in keyids if keyid not in able)
        raise TrustError(
            f"{root.roles[role].threshold} of the keys for {role} must sign; {len(able)} at hand,"
            f" missing: {missing}",
            hint="put their files where `bundle trust init` found them, as a rule into HOME/keys",
        )
    return list(able.values())


def sign(signed: T, signers: Sequence[Signer]) -> bytes:
    """Metadata with a signature of every signer, in canonical JSON.

    Raises:
        TrustError: if a signer fails.
    """
    metadata = Metadata(signed)
    try:
        for signer in signers:
            metadata.sign(signer, append=True)
    except UnsignedMetadataError as error:
        raise TrustError(f"the {signed.type} metadata cannot be signed: {error}") from error
    return canonical(metadata.to_dict())


def until(time: datetime) -> datetime:
    """`time` in UTC, the only zone that TUF knows."""
    return time.astimezone(UTC)
