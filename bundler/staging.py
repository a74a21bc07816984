"""A bundle that waits for officers: staged outside, signed anywhere, packed outside.

`stage` is called when all has been fetched and proven, so nothing that officers sign can turn out
to be unusable. `show` and `sign` need the staged file alone, and no network. What is packed in the
end follows from the staged documents, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import Signer

from bundler.archive.proposal import (
    PREVIOUS_MANIFEST,
    PREVIOUS_TARGETS,
    TARGETS,
    Proposal,
    ProposedManifest,
    ProposedRoot,
    open_proposal,
    sign_proposal,
)
from bundler.archive.staged import STAGED_SUFFIX, encode_staged, read_staged, staged_blob
from bundler.archive.store import BlobStore
from bundler.disk import atomic_write, read_whole
from bundler.errors import BundlerError, IncompleteError, RefusedError, TrustError
from bundler.model.manifest import Manifest
from bundler.packable import Described
from bundler.packing import Packer
from bundler.records import MAX_DOCUMENT, read_document, read_manifest
from bundler.trust.authority import Authority
from bundler.trust.drafts import is_draft, remember_draft
from bundler.trust.pending import Quorum
from bundler.trust.word import check_word


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What waits for signatures, and whose."""

    path: Path
    proposal: Proposal

    @property
    def quorums(self) -> tuple[Quorum, ...]:
        """What each root demands, and what is there."""
        return self.proposal.quorums

    @property
    def complete(self) -> bool:
        """Whether enough officers have signed."""
        return not any(quorum.lacking for quorum in self.quorums)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A staged bundle that may be packed.

    Attributes:
        documents: Every document that the manifest itself names.
        profile: That one of them which is the profile.
        word: The officers' metadata, signed by enough of them.
    """

    described: Described
    documents: tuple[bytes, ...]
    profile: bytes
    word: bytes
    packer: Packer


def stage(described: Described, cache: BlobStore, out: Path, packer: Packer) -> Staged:
    """Write the staged file of the stream's next sequence into `out`, which is made when absent.

    Raises:
        BundlerError: if it cannot be written, or is there with other content.
    """
    manifest, authority = described.manifest, packer.authority
    data = manifest.to_bytes()
    word = authority.draft(data, manifest.sequence, packer.signers, packer.now)
    entries = {
        **authority.root_chain(),
        TARGETS: word,
        "manifest.json": data,
        **{staged_blob(blob.sha256): cache.read(blob, MAX_DOCUMENT) for blob in manifest.blobs()},
        **_previous(authority, manifest),
    }
    path = out / f"{manifest.stream}-{manifest.sequence:06}{STAGED_SUFFIX}"
    staged = write_staged(path, entries)
    remember_draft(authority.folder, word)
    return staged


def write_staged(path: Path, entries: Mapping[str, bytes]) -> Staged:
    """Write a new staged file, as one that can be opened again.

    Raises:
        BundlerError: if it cannot be written, or such a file is there already.
    """
    proposal = open_proposal(entries)
    if path.exists():
        raise BundlerError(
            f"{path} exists already, perhaps with signatures",
            hint="move it away, or choose another folder with -o",
        )
    atomic_write(path, encode_staged(entries))
    return Staged(path=path, proposal=proposal)


def open_staged(path: Path, trusted: bytes | None = None) -> Staged:
    """Read a staged file and check everything in it.

    Args:
        path: The file.
        trusted: A root that must be among those in it.

    Raises:
        DamagedError: if it is not what was staged.
        TrustError: if it is not of the stream of `trusted`.
        BundlerError: if it cannot be read.
    """
    entries = read_staged(path)
    if trusted is not None and trusted not in entries.values():
        raise TrustError(
            f"{path} is not of the stream whose root was given",
            hint="somebody else made it; ask who did",
        )
    return Staged(path=path, proposal=open_proposal(entries))


def sign_staged(staged: Staged, signers: Sequence[Signer]) -> Staged:
    """Add signatures to a staged file, in one step.

    Raises:
        TrustError: if a key counts for nothing here, or has signed already.
        BundlerError: if it cannot be written.
    """
    entries = sign_proposal(staged.proposal, tuple(signers))
    atomic_write(staged.path, encode_staged(entries))
    return Staged(path=staged.path, proposal=open_proposal(entries))


def staged_stream(staged: Staged) -> str:
    """The stream of what waits for signatures."""
    match staged.proposal:
        case ProposedManifest(manifest=manifest):
            return manifest.stream
        case ProposedRoot(stream=stream):
            return stream


def approve(staged: Staged, packer: Packer) -> Approved:
    """See that a staged file may be packed: it is what was staged last, and officers signed it.

    Raises:
        TrustError: if it is not, or too few have.
        BundlerError: if it is a root.
    """
    proposal, authority = staged.proposal, packer.authority
    if not isinstance(proposal, ProposedManifest):
        raise BundlerError(
            f"{staged.path} is a root, not a bundle", hint="run: bundle trust adopt STAGED"
        )
    manifest, entries = proposal.manifest, proposal.entries
    following = authority.next_sequence
    if (manifest.stream, manifest.sequence) != (authority.stream, following):
        raise TrustError(
            f"{staged.path} is sequence {manifest.sequence} of {manifest.stream}; the next one of"
            f" {authority.stream} is {following}",
            hint="another bundle was made meanwhile; run `bundle create` again",
        )
    if not is_draft(authority.folder, entries[TARGETS]):
        raise TrustError(
            f"{staged.path} is not what this host staged last for sequence {following}",
            hint="take the newest staged file; if it is, somebody has changed it on the way",
        )
    data = manifest.to_bytes()
    check_word(entries[TARGETS], data, following, authority.root, packer.now)
    authority.check_signers(packer.signers, packer.now)
    described = Described(
        manifest=manifest,
        documents=tuple(proposal.documents.values()),
        locks={name: entries[staged_blob(blob.sha256)] for name, blob in manifest.locks.items()},
    )
    return Approved(
        described=described,
        documents=tuple(entries[staged_blob(blob.sha256)] for blob in manifest.blobs()),
        profile=entries[staged_blob(manifest.profile.sha256)],
        word=entries[TARGETS],
        packer=packer,
    )


def _previous(authority: Authority, manifest: Manifest) -> dict[str, bytes]:
    """The sequence before, for comparison; nothing where there is none, or its record is lost."""
    number = manifest.sequence - 1
    try:
        data = read_manifest(authority, number)
        changed = [
            blob
            for name, blob in Manifest.from_bytes(data).projects.items()
            if manifest.projects.get(name) != blob
        ]
        documents = {staged_blob(b.sha256): read_document(authority, b, number) for b in changed}
    except (RefusedError, IncompleteError):
        return {}
    word = read_whole(authority.folder / "targets.json")
    return {PREVIOUS_TARGETS: word, PREVIOUS_MANIFEST: data, **documents}
