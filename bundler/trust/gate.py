"""The gate: the only maker of a `VerifiedManifest`, a `VerifiedIndex` and a `VerifiedSet`.

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
    Root,
    Signed,
    Snapshot,
    Targets,
    Timestamp,
)

from bundler.errors import DamagedError, TrustError
from bundler.model.manifest import Manifest, VerifiedManifest
from bundler.model.volume import VerifiedIndex
from bundler.model.volume_set import VerifiedSet
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
from bundler.trust.offered import (
    Offered,
    check_digests,
    check_documents,
    check_entries,
    check_roots,
    open_documents,
    read_offered,
)
from bundler.trust.refusal import (
    AGAIN,
    LONGEST,
    clock_behind,
    good_too_long,
    older,
    other_content,
)
from bundler.trust.workflow import run_updater

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
    set: VerifiedSet
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


def admit(head: Mapping[str, bytes], anchor: Anchor) -> Admission:
    """Check the entries of a head against `anchor`; nothing is changed or remembered.

    The updater compares expiry dates with this host's clock.

    Raises:
        TrustError: if the signatures, their freshness, the stream or the sequence are not right.
        DamagedError: if bytes are not those that were signed.
        BundlerError: if no temporary folder can be written.
    """
    names = check_entries(head, anchor)
    offered = read_offered(head)
    state, now = run_updater(head, anchor, (names.index, names.set))
    _check_progress(head, offered, state, anchor)
    root = read_metadata("the newest root", latest_root(state), Root)
    if read_stream("the newest root", root.signed) != anchor.stream:
        raise TrustError(f"the newest root is not for the stream {anchor.stream}", hint=AGAIN)
    check_digests(head, offered)
    documents = open_documents(head, offered, names)
    check_documents(documents, names, offered, anchor)
    check_roots(head, documents.index, state)
    signed: dict[str, Signed] = {
        Root.type: root.signed,
        Timestamp.type: offered.timestamp.signed,
        Snapshot.type: offered.snapshot.signed,
        Targets.type: offered.targets.signed,
        PACKING: offered.packing.signed,
    }
    _check_dates(documents.manifest, signed, now)
    return Admission(
        manifest=VerifiedManifest(documents.manifest),
        index=VerifiedIndex(documents.index),
        set=VerifiedSet(documents.set),
        stream=anchor.stream,
        sequence=documents.manifest.sequence,
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


def _check_progress(
    head: Mapping[str, bytes], offered: Offered, state: Mapping[str, bytes], anchor: Anchor
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


def _signers(root: Metadata[Root], offered: Offered) -> dict[str, tuple[str, ...]]:
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
