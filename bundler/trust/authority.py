"""A stream's authority on the outside: a TUF repository in a folder, and the signing of heads.

Officers sign `root` and `targets`, which says what may enter. The packing host signs the delegated
role `packing`, which says how it was packed, and `snapshot` and `timestamp`. No private key is in
the folder; `authority.json` remembers the names by which the keys were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from securesystemslib.signer import Signer
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from bundler.disk import atomic_write, read_whole
from bundler.errors import BundlerError, DamagedError, TrustError
from bundler.model.canonical import Json, canonical
from bundler.model.document import FORMAT, Reader
from bundler.model.manifest import parse_stream
from bundler.trust.holders import KeyHolder
from bundler.trust.keyfiles import PUBLIC_SUFFIX
from bundler.trust.metadata import (
    PACKING,
    T,
    entry,
    latest_root,
    read_metadata,
    read_root,
    root_version,
)
from bundler.trust.pending import officers_at_hand, quorums
from bundler.trust.room import metadata_bounds
from bundler.trust.signing import (
    LIFETIMES,
    Board,
    Lifetimes,
    enough,
    make_root,
    make_targets,
    sign,
    sign_transport,
)
from bundler.trust.streams import WRITTEN, require_stream
from bundler.trust.word import check_manifest, check_word, still_vouches

PENDING: Final = "pending.root.json"
"""In a stream's folder, the first root until enough officers have signed it."""


@dataclass(frozen=True, slots=True)
class Authority:
    """One stream's TUF repository; versions are read from its folder each time.

    Attributes:
        written: What was written for each key that may sign here, by the key's id.
    """

    folder: Path
    stream: str
    written: Mapping[str, str]
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
        """Begin a stream: write the first root, signed by every officer whose key is at hand.

        Where these are fewer than `threshold`, the stream has no root yet, only `pending`; see
        `bundler.trust.rotation`.

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
        if (folder / WRITTEN).exists():
            waits = (folder / PENDING).exists()
            raise BundlerError(
                f"the stream {stream} exists already",
                hint=f"its root waits for signatures; to begin again, remove {folder}"
                if waits
                else f"`bundle trust export {stream} -o root.json` writes its root",
            )
        packer = packing or officers[0]
        board = Board(tuple(k for each in officers for k in each.keys), threshold, packer.keys)
        root = make_root(stream, board, now + lifetimes.root)
        data = sign(root, [signer for officer in officers for signer in officer.signers])
        whole = not quorums(data, Root, [root])[0].lacking
        made = cls(folder, stream, remembered((*officers, packer)), lifetimes)
        atomic_write(folder / ("1.root.json" if whole else PENDING), data)
        made.remember()
        return made

    @classmethod
    def open(cls, folder: Path, *, lifetimes: Lifetimes = LIFETIMES) -> Authority:
        """The stream in `folder`.

        Raises:
            BundlerError: if there is none, or it cannot be read.
            DamagedError: if it is not as it was written.
        """
        require_stream(folder)
        path = folder / WRITTEN
        try:
            document = Reader.over(read_whole(path), str(path))
            stream, written = document.text("stream"), document.all_texts("keys")
            document.finish()
        except ValueError as error:
            raise DamagedError(str(error)) from error
        found = cls(folder, stream, written, lifetimes)
        if not found.pending and read_root(str(folder), found.root_bytes()).stream != stream:
            raise DamagedError(f"{path} and the root beside it are not of the same stream")
        return found

    def remember(self) -> None:
        """Write down how each key was given.

        Raises:
            BundlerError: if it cannot be written.
        """
        document: Json = {"format": FORMAT, "stream": self.stream, "keys": dict(self.written)}
        atomic_write(self.folder / WRITTEN, canonical(document))

    @property
    def pending(self) -> bytes | None:
        """The first root while it waits for signatures."""
        path = self.folder / PENDING
        return None if self.root_chain() or not path.exists() else read_whole(path)

    @property
    def references(self) -> tuple[str, ...]:
        """What was written for the keys that may sign here, each once."""
        return tuple(dict.fromkeys(self.written.values()))

    @property
    def next_sequence(self) -> int:
        """The number that the next manifest gets."""
        return self._version("targets", Targets) + 1

    @property
    def root(self) -> Root:
        """The newest root."""
        return read_metadata("root", self.root_bytes(), Root).signed

    def root_bytes(self) -> bytes:
        """The newest root; what `bundle trust export` writes.

        Raises:
            TrustError: if it waits for signatures.
            DamagedError: if there is none.
        """
        if self.pending:
            raise TrustError(
                f"the root of {self.stream} is not signed by enough officers yet",
                hint="when it is: bundle trust adopt STAGED",
            )
        try:
            return latest_root(self.root_chain())
        except ValueError as error:
            raise DamagedError(f"{self.folder} holds no root") from error

    def root_chain(self) -> dict[str, bytes]:
        """Every root under its name in a head."""
        paths = {version: p for p in self.folder.iterdir() if (version := root_version(p.name))}
        return {entry(paths[n].name): read_whole(paths[n]) for n in sorted(paths)}

    def check_signers(self, signers: Sequence[Signer], now: datetime) -> bool:
        """See early whether the packing host's keys are at hand; whether the officers' are, too.

        Raises:
            TrustError: naming the packing host's keys that are missing; also if the root has
                expired, since no site would take a bundle under it.
        """
        root = self.root
        if root.is_expired(now):
            raise TrustError(
                f"the root of {self.stream} expired on {root.expires:%Y-%m-%d}",
                hint=f"run: bundle trust rotate {self.stream}",
            )
        enough(signers, root, Timestamp.type)
        return len(officers_at_hand(root, signers)) >= root.roles[Targets.type].threshold

    def head_bounds(self, volumes: int = 1) -> dict[str, int]:
        """Bounds of the sizes, in bytes, of the metadata that `authorise` will put into a head.

        There is room for the next root as well, which a head with new dates may need.
        """
        chain = {name: len(data) for name, data in self.root_chain().items()}
        return chain | metadata_bounds(self.root, volumes)

    def draft(
        self, manifest: bytes, sequence: int, signers: Sequence[Signer], now: datetime
    ) -> bytes:
        """The officers' word on the next manifest, signed by those at hand, perhaps by none.

        Raises:
            TrustError: if it is not the next one.
        """
        check_manifest(manifest, self.stream, sequence)
        if sequence != self.next_sequence:
            raise TrustError(
                f"{self.stream}: sequence {sequence} cannot follow {self.next_sequence - 1}"
            )
        root = self.root
        body = make_targets(manifest, sequence, root, now + self.lifetimes.targets)
        return sign(body, officers_at_hand(root, signers))

    def authorise(
        self,
        manifest: bytes,
        sequence: int,
        indexes: Mapping[str, bytes],
        signers: Sequence[Signer],
        now: datetime,
        *,
        targets: bytes | None = None,
    ) -> dict[str, bytes]:
        """Sign a manifest and the volumes that it was packed into; nothing is written.

        Packing the last sequence again, with the manifest that it had, needs no officer.

        Args:
            manifest: `manifest.json`.
            sequence: The next one, or the last one.
            indexes: The index of every volume under its target path.
            signers: Those at hand.
            now: The time, in UTC.
            targets: What `draft` gave for the next one, signed by enough officers since.

        Returns:
            The metadata entries of the head.

        Raises:
            TrustError: if a key is missing, or the manifest is not the sequence's.
        """
        check_manifest(manifest, self.stream, sequence)
        root = self.root
        if sequence != self.next_sequence:
            targets = self._recorded_targets(manifest, sequence, root, now)
        elif targets is not None:
            check_word(targets, manifest, sequence, root, now)
        if targets is None:
            body = make_targets(manifest, sequence, root, now + self.lifetimes.targets)
            targets = sign(body, enough(signers, root, Targets.type))
        packers = enough(signers, root, Timestamp.type)
        versions = {
            PACKING: self._version(PACKING, Targets) + 1,
            Snapshot.type: self._version("snapshot", Snapshot) + 1,
            Timestamp.type: self._version("timestamp", Timestamp) + 1,
        }
        rest = sign_transport(targets, indexes, packers, versions, self.lifetimes, now)
        return {**self.root_chain(), entry("targets.json"): targets, **rest}

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
        path = self.folder / "targets.json"
        if sequence != following - 1 or not path.exists():
            raise TrustError(f"{self.stream}: sequence {sequence} cannot follow {following - 1}")
        data = read_whole(path)
        return data if still_vouches(data, manifest, self.stream, root, now) else None


def remembered(holders: Iterable[KeyHolder]) -> dict[str, str]:
    """What was written for each key whose private half may be on this host, by its id."""
    return {
        key.keyid: holder.reference
        for holder in holders
        for key in holder.keys
        if not holder.reference.endswith(PUBLIC_SUFFIX)
    }
