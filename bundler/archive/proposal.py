"""What a staged file proposes: a manifest or a root, with everything that one needs to judge it.

Opening one checks everything against everything: the chain of roots, the officers' metadata against
the manifest, each document against its digest, the earlier sequence against the signatures that it
got. What is left for a person is whether to want it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.utils import NormalizedName
from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, Root, Targets

from bundler.archive.staged import staged_blob
from bundler.errors import DamagedError
from bundler.model.artifact import Blob
from bundler.model.manifest import Manifest, ProjectDocument
from bundler.trust.metadata import (
    MANIFEST,
    entry,
    read_metadata,
    read_root,
    read_stream,
    root_version,
)
from bundler.trust.pending import Quorum, add, quorums
from bundler.trust.signing import check_plain
from bundler.trust.word import check_manifest, check_word

TARGETS = entry("targets.json")
PREVIOUS_TARGETS, PREVIOUS_MANIFEST = "previous/targets.json", "previous/manifest.json"

Documents = Mapping[NormalizedName, ProjectDocument]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedManifest:
    """A sequence that officers are asked to let in.

    Attributes:
        root: The root whose officers are asked.
        quorums: What that root demands, and what is there.
        word: The metadata that they sign.
        previous: The sequence that they let in before; None when the file has none.
    """

    entries: Mapping[str, bytes]
    root: Root
    quorums: tuple[Quorum, ...]
    word: Targets
    manifest: Manifest
    documents: Documents
    previous: Manifest | None
    previous_documents: Documents


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedRoot:
    """A root that officers are asked to sign.

    Attributes:
        old: The one before it; None when it is a stream's first.
        quorums: What each of the two demands, and what is there.
        name: Of its entry.
    """

    entries: Mapping[str, bytes]
    stream: str
    old: Root | None
    new: Root
    quorums: tuple[Quorum, ...]
    name: str


Proposal = ProposedManifest | ProposedRoot


def open_proposal(entries: Mapping[str, bytes]) -> Proposal:
    """Check the documents of a staged file.

    Raises:
        TrustError, DamagedError: if they do not belong together, or a signature is not good.
    """
    roots = {version: name for name in entries if (version := root_version(name))}
    if sorted(roots) != list(range(1, len(roots) + 1)) or not roots:
        raise DamagedError("the staged file has no whole chain of roots")
    chain = [entries[roots[version]] for version in sorted(roots)]
    if TARGETS in entries:
        return _open_manifest(entries, _check_chain(chain))
    if set(entries) != set(roots.values()):
        raise DamagedError("the staged file has a root to be signed, and more")
    known = _check_chain(chain[:-1])
    new = read_metadata(f"root {len(chain)}", chain[-1], Root).signed
    if new.version != len(chain) or {read_stream("a root", each) for each in known} - {
        read_stream("the new root", new)
    }:
        raise DamagedError("the new root is of another stream, or has the wrong version")
    check_plain(new, read_stream("the new root", new))
    judges = [*known[-1:], new]
    return ProposedRoot(
        entries=entries,
        stream=read_stream("the new root", new),
        old=known[-1] if known else None,
        new=new,
        quorums=quorums(chain[-1], Root, judges),
        name=roots[len(chain)],
    )


def sign_proposal(proposal: Proposal, signers: tuple[Signer, ...]) -> dict[str, bytes]:
    """The entries with these signatures added.

    Raises:
        TrustError: if a key counts for nothing here, or has signed already.
    """
    match proposal:
        case ProposedManifest():
            signed = add(proposal.entries[TARGETS], Targets, [proposal.root], signers)
            return {**proposal.entries, TARGETS: signed}
        case ProposedRoot():
            judges = [*([proposal.old] if proposal.old else []), proposal.new]
            signed = add(proposal.entries[proposal.name], Root, judges, signers)
            return {**proposal.entries, proposal.name: signed}


def _check_chain(chain: list[bytes]) -> list[Root]:
    """Each root signed by its own officers and by those of the one before (TUF §5.3.4)."""
    found: list[Root] = []
    for number, data in enumerate(chain, 1):
        stream = read_root(f"root {number}", data).stream
        metadata = read_metadata(f"root {number}", data, Root)
        if metadata.signed.version != number or (
            found and stream != read_stream("a root", found[-1])
        ):
            raise DamagedError(f"root {number} is of another stream, or has the wrong version")
        if found and not _vouched(found[-1:], Root.type, metadata):
            raise DamagedError(f"root {number} is not signed by the officers of the one before it")
        found.append(metadata.signed)
    return found


def _vouched(roots: list[Root], role: str, metadata: Metadata[Root] | Metadata[Targets]) -> bool:
    return any(
        root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
        for root in roots
    )


def _open_manifest(entries: Mapping[str, bytes], roots: list[Root]) -> ProposedManifest:
    root, data, word = roots[-1], entries.get(MANIFEST), entries[TARGETS]
    if data is None:
        raise DamagedError(f"the staged file has no {MANIFEST}")
    manifest = _manifest(data, MANIFEST)
    check_plain(root, read_stream("the root", root))
    check_manifest(data, read_stream("the root", root), manifest.sequence)
    check_word(word, data, manifest.sequence, root)
    previous = _previous(entries, roots, manifest)
    documents = dict(_documents(entries, manifest))
    changed = (
        {
            name: blob
            for name, blob in previous.projects.items()
            if manifest.projects.get(name) != blob
        }
        if previous
        else {}
    )
    wanted = {blob.sha256: blob for blob in (*manifest.blobs(), *changed.values())}
    for sha256, blob in wanted.items():
        if len(entries.get(staged_blob(sha256), b"")) != blob.size:
            raise DamagedError(f"the staged file does not have the document {sha256}")
    expected = {staged_blob(sha256) for sha256 in wanted} | {MANIFEST, TARGETS}
    expected |= {name for name in entries if root_version(name)}
    expected |= {PREVIOUS_MANIFEST, PREVIOUS_TARGETS} if previous else set()
    if strange := set(entries) - expected:
        raise DamagedError(f"{min(strange)} has no place in this staged file")
    return ProposedManifest(
        entries=entries,
        root=root,
        quorums=quorums(word, Targets, [root]),
        word=read_metadata("targets", word, Targets).signed,
        manifest=manifest,
        documents=documents,
        previous=previous,
        previous_documents={
            name: _document(entries, name, blob) if name in changed else documents[name]
            for name, blob in (previous.projects.items() if previous else ())
        },
    )


def _previous(
    entries: Mapping[str, bytes], roots: list[Root], manifest: Manifest
) -> Manifest | None:
    """The sequence before, if the officers of then signed it."""
    data, word = entries.get(PREVIOUS_MANIFEST), entries.get(PREVIOUS_TARGETS)
    if data is None and word is None:
        return None
    if data is None or word is None:
        raise DamagedError("the staged file has only a part of the sequence before")
    metadata = read_metadata(PREVIOUS_TARGETS, word, Targets)
    file = metadata.signed.targets.get(MANIFEST)
    if (
        file is None
        or file.hashes.get("sha256") != hashlib.sha256(data).hexdigest()
        or not _vouched(roots, Targets.type, metadata)
    ):
        raise DamagedError("what it calls the sequence before was not signed by the officers")
    found = _manifest(data, PREVIOUS_MANIFEST)
    if found.stream != manifest.stream or found.sequence >= manifest.sequence:
        raise DamagedError(
            f"what it calls the sequence before is sequence {found.sequence} of {found.stream}"
        )
    return found


def _documents(
    entries: Mapping[str, bytes], manifest: Manifest
) -> Iterator[tuple[NormalizedName, ProjectDocument]]:
    for name, blob in manifest.projects.items():
        yield name, _document(entries, name, blob)


def _document(entries: Mapping[str, bytes], name: NormalizedName, blob: Blob) -> ProjectDocument:
    data = entries.get(staged_blob(blob.sha256))
    if data is None:
        raise DamagedError(f"the staged file does not have the document of {name}")
    try:
        found = ProjectDocument.from_bytes(data)
    except ValueError as error:
        raise DamagedError(f"the document of {name} is not understood: {error}") from error
    if found.name != name:
        raise DamagedError(f"the document of {name} is that of {found.name}")
    return found


def _manifest(data: bytes, name: str) -> Manifest:
    try:
        return Manifest.from_bytes(data)
    except ValueError as error:
        raise DamagedError(f"{name} is not understood: {error}") from error
