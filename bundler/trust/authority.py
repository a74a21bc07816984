"""A stream's authority on the outside: a TUF repository in a folder, and the signing of heads.

Officers sign `root` and `targets`, which says what may enter. The packing host signs the delegated
role `packing`, which says how it was packed, and `snapshot` and `timestamp`. No private key is in
the folder; `authority.json` remembers the names by which the keys were given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import Signer
from tuf.api.metadata import Root, Snapshot, TargetFile, Targets, Timestamp

from bundler.disk import atomic_write, read_whole
from bundler.errors import BundlerError, DamagedError, TrustError
from bundler.model.canonical import Json, canonical
from bundler.model.document import FORMAT, Reader
from bundler.model.manifest import Manifest, parse_stream
from bundler.trust.metadata import (
    MANIFEST,
    PACKING,
    ROLES,
    T,
    entry,
    latest_root,
    read_metadata,
    read_root,
    root_version,
)
from bundler.trust.signing import (
    LIFETIMES,
    Lifetimes,
    describe,
    enough,
    first_root,
    make_targets,
    sign,
    until,
)

_REFERENCES = "authority.json"

# In hexadecimal digits, an ML-DSA-87 signature has 9,254 bytes and its public key in PEM 3,600.
_KEY_ROOM = 16 << 10
_METADATA_ROOM = 4 << 10


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A signer and the reference by which `keys.load_signer` found it."""

    reference: str
    signer: Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """One stream's TUF repository; versions are read from its folder each time.

    Attributes:
        references: How the officers' keys, then the packing key, were given; each once.
    """

    folder: Path
    stream: str
    references: tuple[str, ...]
    lifetimes: Lifetimes = LIFETIMES

    @classmethod
    def create(
        cls,
        folder: Path,
        stream: str,
        officers: Sequence[KeyHolder],
        threshold: int,
        now: datetime,
        *,
        packing: KeyHolder | None = None,
        lifetimes: Lifetimes = LIFETIMES,
    ) -> Authority:
        """Begin a stream: write the first root, signed by every officer.

        Args:
            folder: Of this stream alone; made when absent.
            stream: Its name.
            officers: Who may change the root and let manifests in.
            threshold: How many officers must sign.
            now: The time, in UTC.
            packing: Whose key signs what needs no officer; the first officer's when None.
            lifetimes: Of each role's metadata.

        Raises:
            TrustError: if the threshold cannot be met, or a key stands twice.
            BundlerError: if the folder holds a stream, the name is wrong, or it cannot be written.
        """
        try:
            parse_stream(stream)
        except ValueError as error:
            raise BundlerError(str(error)) from error
        if (folder / _REFERENCES).exists():
            raise BundlerError(
                f"the stream {stream} exists already",
                hint=f"`bundle trust export {stream} -o root.json` writes its root",
            )
        keys = {holder.signer.public_key.keyid: holder.signer.public_key for holder in officers}
        if len(keys) != len(officers) or not 1 <= threshold <= len(keys):
            raise TrustError(
                f"{threshold} of {len(keys)} different keys cannot be required to sign",
                hint="give at least as many --key as --threshold, each once",
            )
        packer = packing or officers[0]
        root = first_root(stream, keys, threshold, packer.signer.public_key, now, lifetimes)
        references = tuple(dict.fromkeys(holder.reference for holder in (*officers, packer)))
        atomic_write(folder / "1.root.json", sign(root, [holder.signer for holder in officers]))
        document: Json = {"format": FORMAT, "stream": stream, "references": references}
        atomic_write(folder / _REFERENCES, canonical(document))
        return cls(folder=folder, stream=stream, references=references, lifetimes=lifetimes)

    @classmethod
    def open(cls, folder: Path, *, lifetimes: Lifetimes = LIFETIMES) -> Authority:
        """The stream in `folder`.

        Raises:
            BundlerError: if there is none, or it cannot be read.
            DamagedError: if it is not as it was written.
        """
        path = folder / _REFERENCES
        if not path.exists():
            raise BundlerError(
                f"there is no stream {folder.name}",
                hint=f"`bundle trust init {folder.name} --key NAME` begins it",
            )
        try:
            document = Reader.over(read_whole(path), str(path))
            stream, references = document.text("stream"), document.texts("references")
            document.finish()
        except ValueError as error:
            raise DamagedError(str(error)) from error
        found = cls(folder=folder, stream=stream, references=references, lifetimes=lifetimes)
        if read_root(str(folder), found.root_bytes()).stream != stream:
            raise DamagedError(f"{path} and the root beside it are not of the same stream")
        return found

    @property
    def next_sequence(self) -> int:
        """The number that the next manifest gets."""
        return self._version("targets", Targets) + 1

    def root_bytes(self) -> bytes:
        """The newest root; what `bundle trust export` writes."""
        try:
            return latest_root(self.root_chain())
        except ValueError as error:
            raise DamagedError(f"{self.folder} holds no root") from error

    def root_chain(self) -> dict[str, bytes]:
        """Every root under its name in a head."""
        paths = {version: p for p in self.folder.iterdir() if (version := root_version(p.name))}
        return {entry(paths[n].name): read_whole(paths[n]) for n in sorted(paths)}

    def check_signers(self, signers: Sequence[Signer]) -> None:
        """See early whether `authorise` will have the keys that it needs.

        Raises:
            TrustError: naming the keys that are missing.
        """
        root = read_metadata("root", self.root_bytes(), Root).signed
        for role in (Targets.type, Timestamp.type):
            enough(signers, root, role)

    def head_bounds(self) -> dict[str, int]:
        """Bounds of the sizes, in bytes, of the metadata that `authorise` will put into a head."""
        root = read_metadata("root", self.root_bytes(), Root).signed
        bound = _METADATA_ROOM + _KEY_ROOM * len(root.keys)
        chain = {name: len(data) for name, data in self.root_chain().items()}
        return chain | {entry(f"{role}.json"): bound for role in ROLES}

    def authorise(
        self,
        manifest: bytes,
        sequence: int,
        indexes: Mapping[str, bytes],
        signers: Sequence[Signer],
        now: datetime,
    ) -> dict[str, bytes]:
        """Sign a manifest and the volumes that it was packed into; nothing is written.

        Packing the last sequence again, with the manifest that it had, needs no officer.

        Args:
            manifest: `manifest.json`.
            sequence: The next one, or the last one.
            indexes: The index of every volume under its target path.
            signers: Those at hand.
            now: The time, in UTC.

        Returns:
            The metadata entries of the head.

        Raises:
            TrustError: if a key is missing, or the manifest is not the sequence's.
        """
        _check_manifest(manifest, self.stream, sequence)
        root = read_metadata("root", self.root_bytes(), Root).signed
        targets = self._recorded_targets(manifest, sequence, root, now)
        if targets is None:
            packer = root.keys[root.roles[Timestamp.type].keyids[0]]
            body = make_targets(manifest, sequence, packer, now + self.lifetimes.targets)
            targets = sign(body, enough(signers, root, Targets.type))
        packers = enough(signers, root, Timestamp.type)
        packing = sign(
            Targets(
                version=self._version(PACKING, Targets) + 1,
                expires=until(now + self.lifetimes.packing),
                targets={path: TargetFile.from_data(path, data) for path, data in indexes.items()},
            ),
            packers,
        )
        snapshot = Snapshot(
            version=self._version("snapshot", Snapshot) + 1,
            expires=until(now + self.lifetimes.snapshot),
            meta={
                "targets.json": describe(targets, Targets),
                f"{PACKING}.json": describe(packing, Targets),
            },
        )
        signed_snapshot = sign(snapshot, packers)
        timestamp = Timestamp(
            version=self._version("timestamp", Timestamp) + 1,
            expires=until(now + self.lifetimes.timestamp),
            snapshot_meta=describe(signed_snapshot, Snapshot),
        )
        return {
            **self.root_chain(),
            entry("timestamp.json"): sign(timestamp, packers),
            entry("snapshot.json"): signed_snapshot,
            entry("targets.json"): targets,
            entry(f"{PACKING}.json"): packing,
        }

    def record(self, sequence: int, manifest: bytes, head: Mapping[str, bytes]) -> None:
        """Remember what was authorised, so that no number is given twice.

        To be called before the head leaves this host. A crash in between costs a number at most.

        Raises:
            BundlerError: if it cannot be written.
        """
        atomic_write(self.folder / "manifests" / f"{sequence:06}.json", manifest)
        for role in (Targets.type, PACKING, Snapshot.type, Timestamp.type):
            atomic_write(self.folder / f"{role}.json", head[entry(f"{role}.json")])

    def _version(self, role: str, kind: type[T]) -> int:
        path = self.folder / f"{role}.json"
        return (
            read_metadata(str(path), read_whole(path), kind).signed.version if path.exists() else 0
        )

    def _recorded_targets(
        self, manifest: bytes, sequence: int, root: Root, now: datetime
    ) -> bytes | None:
        """The recorded targets when they still vouch for this manifest at `now`."""
        following = self.next_sequence
        if sequence == following:
            return None
        path = self.folder / "targets.json"
        if sequence != following - 1 or not path.exists():
            raise TrustError(f"{self.stream}: sequence {sequence} cannot follow {following - 1}")
        data = read_whole(path)
        recorded = read_metadata(str(path), data, Targets)
        if (
            recorded.signed.targets[MANIFEST].hashes["sha256"]
            != hashlib.sha256(manifest).hexdigest()
        ):
            raise TrustError(
                f"{self.stream}: sequence {sequence} was authorised with another manifest",
                hint=f"give this one the number {following}",
            )
        counted = root.get_verification_result(
            Targets.type, recorded.signed_bytes, recorded.signatures
        )
        return data if counted and not recorded.signed.is_expired(now) else None


def _check_manifest(manifest: bytes, stream: str, sequence: int) -> None:
    try:
        found = Manifest.from_bytes(manifest)
    except ValueError as error:
        raise TrustError(f"what is to be authorised is no manifest: {error}") from error
    if (found.stream, found.sequence) != (stream, sequence):
        raise TrustError(
            f"the manifest is sequence {found.sequence} of {found.stream},"
            f" not sequence {sequence} of {stream}"
        )
