"""The officers' word: that one manifest, and nothing else, is the next sequence of a stream."""

from __future__ import annotations

import hashlib
from datetime import datetime

from tuf.api.metadata import Root, Targets

from bundler.errors import TrustError
from bundler.model.manifest import Manifest
from bundler.trust.metadata import MANIFEST, read_metadata
from bundler.trust.pending import quorums
from bundler.trust.signing import delegations, make_targets


def check_word(
    data: bytes, manifest: bytes, sequence: int, root: Root, now: datetime | None = None
) -> None:
    """See that the officers' metadata says of this manifest what `draft` says, and nothing else.

    With `now`, also that enough of them have signed it and that it is still good.

    Raises:
        TrustError: if it does not, or too few have signed.
        DamagedError: if it cannot be read, or a signature is not good.
    """
    metadata = read_metadata("targets", data, Targets)
    expected = make_targets(manifest, sequence, root, metadata.signed.expires)
    if metadata.signed != expected:
        raise TrustError(
            f"what waits for signatures is not a word on this manifest of sequence {sequence}"
            f" under root version {root.version}",
            hint="the root or the file has changed since; run `bundle create` again",
        )
    quorum = quorums(data, Targets, [root])[0]
    if now is None:
        return
    if quorum.lacking:
        raise TrustError(
            f"{quorum.threshold} of the officers' keys must sign; {len(quorum.signed)} have,"
            f" missing: {', '.join(quorum.missing)}",
            hint="each of them runs: bundle sign STAGED --key KEY",
        )
    if metadata.signed.is_expired(now):
        raise TrustError(
            f"what the officers signed expired on {metadata.signed.expires:%Y-%m-%d at %H:%M} UTC",
            hint="run `bundle create` again, and have it signed again",
        )


def check_manifest(manifest: bytes, stream: str, sequence: int) -> None:
    """See that this is a manifest of the stream, of that number.

    Raises:
        TrustError: if it is not.
    """
    try:
        found = Manifest.from_bytes(manifest)
    except ValueError as error:
        raise TrustError(f"what is to be authorised is no manifest: {error}") from error
    if (found.stream, found.sequence) != (stream, sequence):
        raise TrustError(
            f"the manifest is sequence {found.sequence} of {found.stream},"
            f" not sequence {sequence} of {stream}"
        )


def still_vouches(data: bytes, manifest: bytes, stream: str, root: Root, now: datetime) -> bool:
    """Whether recorded metadata of the officers, which is of this manifest, is good at `now`.

    Raises:
        TrustError: if it is of another manifest, or of another packing key than the root's.
        DamagedError: if it cannot be read.
    """
    recorded = read_metadata("the recorded targets.json", data, Targets)
    sequence = recorded.signed.version
    file = recorded.signed.targets[MANIFEST]
    if file.hashes["sha256"] != hashlib.sha256(manifest).hexdigest():
        raise TrustError(
            f"{stream}: sequence {sequence} was authorised with another manifest",
            hint=f"give this one the number {sequence + 1}",
        )
    if recorded.signed.delegations != delegations(root):
        raise TrustError(
            f"{stream}: since sequence {sequence} was authorised, the packing host got another key,"
            " which may not pack it",
            hint=f"make sequence {sequence + 1}: bundle create",
        )
    counted = root.get_verification_result(Targets.type, recorded.signed_bytes, recorded.signatures)
    return bool(counted) and not recorded.signed.is_expired(now)
