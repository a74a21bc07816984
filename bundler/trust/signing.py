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
from bundler.trust.keyless import KeylessKey
from bundler.trust.keys import named, people
from bundler.trust.metadata import (
    MANIFEST,
    ODD_METADATA,
    PACKING,
    PACKING_PATHS,
    STREAM_FIELD,
    T,
    entry,
    read_metadata,
)


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


@dataclass(frozen=True, slots=True)
class Board:
    """Who signs for a stream.

    Attributes:
        officers: Keys for `root` and `targets`.
        threshold: How many officers must sign; a hybrid key's two keys are one officer.
        packers: Keys of the packing host, all of which must sign.
    """

    officers: tuple[Key, ...]
    threshold: int
    packers: tuple[Key, ...]

    def signatures(self) -> int:
        """How many of the officers' keys must sign, which is what TUF counts.

        Raises:
            TrustError: if the threshold cannot be met, or counting keys would not do.
        """
        different = {key.keyid: key for key in self.officers}
        persons = people(different.values())
        if not 1 <= self.threshold <= len(persons):
            raise TrustError(
                f"{self.threshold} of {len(persons)} different keys cannot be required to sign",
                hint="there must be at least as many officers as must sign, each once",
            )
        if len(different) != len(self.officers):
            raise TrustError(
                "a key stands twice among the officers", hint="give each officer's key once"
            )
        if all(len(keys) == 1 for keys in persons):
            return self.threshold
        if self.threshold != len(persons):
            raise TrustError(
                f"with hybrid keys all {len(persons)} officers must sign, not {self.threshold}:"
                " TUF counts keys and not their kinds, so that the Ed25519 keys of more officers"
                " could stand in for the ML-DSA keys of fewer",
                hint=f"give --threshold {len(persons)}, or keys of one kind",
            )
        return len(self.officers)


def make_root(stream: str, board: Board, expires: datetime, version: int = 1) -> Root:
    """A root (TUF §4.3).

    Raises:
        TrustError: as `Board.signatures`; also if the packing host's key is keyless.
    """
    if any(isinstance(key, KeylessKey) for key in board.packers):
        raise TrustError(
            f"the packing host cannot sign with {named(board.packers[0])}: it signs at each"
            " `bundle create`, and no identity is asked for there",
            hint="give --packing-key NAME, of a key made with `bundle keygen NAME`",
        )
    officers = Role([key.keyid for key in board.officers], board.signatures())
    packers = Role([key.keyid for key in board.packers], len(board.packers))
    return Root(
        version=version,
        expires=until(expires),
        keys={key.keyid: key for key in (*board.packers, *board.officers)},
        roles={
            Root.type: officers,
            Targets.type: Role(list(officers.keyids), officers.threshold),
            Snapshot.type: packers,
            Timestamp.type: Role(list(packers.keyids), packers.threshold),
        },
        consistent_snapshot=False,
        unrecognized_fields={STREAM_FIELD: stream},
    )


def board_of(root: Root) -> Board:
    """Who signs for a stream, as its root says."""
    officers = tuple(root.keys[keyid] for keyid in root.roles[Root.type].keyids)
    persons, threshold = people(officers), root.roles[Root.type].threshold
    hybrid = any(len(keys) > 1 for keys in persons)
    return Board(officers, len(persons) if hybrid else threshold, packing_keys(root))


def check_plain(root: Root, stream: str) -> None:
    """See that a root says no more than its `Board`, which is what people are shown of it.

    Ordinary TUF metadata could give `targets` to others than the officers, or have further keys.

    Raises:
        TrustError: if it does.
    """
    refusal = TrustError(
        f"root version {root.version} of {stream} gives its roles to other keys than it shows",
        hint="do not sign it; ask who made it",
    )
    try:
        expected = make_root(stream, board_of(root), root.expires, root.version)
    except ODD_METADATA as error:  # such as a role without keys
        raise refusal from error
    if root != expected:
        raise refusal


def packing_keys(root: Root) -> tuple[Key, ...]:
    """The packing host's keys."""
    return tuple(root.keys[keyid] for keyid in root.roles[Timestamp.type].keyids)


def make_targets(manifest: bytes, sequence: int, root: Root, expires: datetime) -> Targets:
    """What may enter, and who says how it was packed (TUF §4.5)."""
    return Targets(
        version=sequence,
        expires=until(expires),
        targets={MANIFEST: TargetFile.from_data(MANIFEST, manifest)},
        delegations=delegations(root),
    )


def delegations(root: Root) -> Delegations:
    """How the officers' metadata hands the packing on to the packing host."""
    packers = {key.keyid: key for key in packing_keys(root)}
    role = DelegatedRole(
        PACKING,
        list(packers),
        root.roles[Timestamp.type].threshold,
        terminating=True,
        paths=[PACKING_PATHS],
    )
    return Delegations(packers, {PACKING: role})


def sign_transport(
    targets: bytes,
    indexes: Mapping[str, bytes],
    packers: Sequence[Signer],
    versions: Mapping[str, int],
    lifetimes: Lifetimes,
    now: datetime,
) -> dict[str, bytes]:
    """What the packing host says of volumes with these indexes, as entries of a head."""
    packing = sign(
        Targets(
            version=versions[PACKING],
            expires=until(now + lifetimes.packing),
            targets={path: TargetFile.from_data(path, data) for path, data in indexes.items()},
        ),
        packers,
    )
    snapshot = sign(
        Snapshot(
            version=versions[Snapshot.type],
            expires=until(now + lifetimes.snapshot),
            meta={
                "targets.json": describe(targets, Targets),
                f"{PACKING}.json": describe(packing, Targets),
            },
        ),
        packers,
    )
    timestamp = Timestamp(
        version=versions[Timestamp.type],
        expires=until(now + lifetimes.timestamp),
        snapshot_meta=describe(snapshot, Snapshot),
    )
    return {
        entry("timestamp.json"): sign(timestamp, packers),
        entry("snapshot.json"): snapshot,
        entry(f"{PACKING}.json"): packing,
    }


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
        missing = ", ".join(named(root.keys[keyid]) for keyid in keyids if keyid not in able)
        raise TrustError(
            f"{root.roles[role].threshold} of the keys for {role} must sign; {len(able)} at hand,"
            f" missing: {missing}",
            hint="put their files where `bundle trust init` found them, as a rule where"
            " `bundle keygen` put them",
        )
    return list(able.values())


def sign(signed: T, signers: Sequence[Signer]) -> bytes:
    """Metadata with a signature of every signer, in canonical JSON.

    Raises:
        TrustError: if a signer fails.
    """
    metadata = Metadata(signed)
    add_signatures(metadata, signers)
    return canonical(metadata.to_dict())


def add_signatures(metadata: Metadata[T], signers: Sequence[Signer]) -> None:
    """Sign metadata, whoever has signed it already.

    Raises:
        TrustError: if a signer fails.
    """
    for signer in signers:
        try:
            metadata.sign(signer, append=True)
        except UnsignedMetadataError as error:
            cause = error.__cause__ or error
            raise TrustError(
                f"the {metadata.signed.type} metadata cannot be signed with"
                f" {named(signer.public_key)}: {str(cause) or type(cause).__name__}"
            ) from error


def until(time: datetime) -> datetime:
    """`time` in UTC, the only zone that TUF knows."""
    return time.astimezone(UTC)
