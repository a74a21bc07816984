"""Attestations, verified again inside: each file's verdict must be the one that was signed.

What verifies is an argument, so that a mirror without attestations loads nothing for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from bundler.errors import DamagedError, TrustError
from bundler.events import Advanced, Finished, Observer, Started
from bundler.mirror.filing import in_threads
from bundler.mirror.layout import Mirror
from bundler.mirror.union import read_document
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import BundledFile, VerifiedManifest
from bundler.model.verdict import Outcome, Verdict

MAX_PROFILE: Final = 16 * 1024 * 1024
MAX_ROOT: Final = 1024 * 1024
MAX_PROVENANCE: Final = 2 * 1024 * 1024

_CHECK: Final = "check attestations"


class Judge(Protocol):
    """Makes verdicts; `bundler.trust.attest.Attestor` is one."""

    def verdict(self, filename: str, sha256: Sha256, document: bytes | None) -> Verdict:
        """What a provenance document proves of a file."""


MakeJudge = Callable[[bytes, bytes], Judge]
"""From a trust root and a profile, which pins keys."""


def check_verdicts(
    mirror: Mirror, manifest: VerifiedManifest, make_judge: MakeJudge, observe: Observer
) -> None:
    """Verify the attestations of every file, and compare; what is missing is for others to name.

    Raises:
        TrustError: naming each file whose attestations do not prove what its document says.
        DamagedError: if a blob is not what was signed.
    """
    files = [
        file
        for name, blob in manifest.projects.items()
        if mirror.store.has(blob)
        for file in read_document(mirror, manifest, name).files
        if file.provenance is not None or file.verdict.outcome is not Outcome.ABSENT
    ]
    if not files:
        return
    if manifest.trusted_root is None:
        raise TrustError(f"{files[0].filename} is attested, but the manifest names no trust root")
    if not all(map(mirror.store.has, (manifest.trusted_root, manifest.profile))):
        return
    judge = make_judge(
        _read(mirror, manifest.trusted_root, MAX_ROOT),
        _read(mirror, manifest.profile, MAX_PROFILE),
    )
    faults: list[str] = []

    def check(file: BundledFile) -> None:
        document = None
        if file.provenance is not None:
            if not mirror.store.has(file.provenance):
                return
            document = _read(mirror, file.provenance, MAX_PROVENANCE)
        found = judge.verdict(file.filename, file.blob.sha256, document)
        if found != file.verdict:
            faults.append(f"{file.filename}: {_difference(found, file.verdict)}")

    observe(Started(_CHECK, len(files), "files"))
    in_threads(check, files, lambda: observe(Advanced(_CHECK, 1)))
    if faults:
        raise TrustError(
            "\n".join(sorted(faults)),
            hint="do not use this bundle: its makers claim what the attestations do not prove",
        )
    observe(Finished(_CHECK, f"{len(files)} attested files"))


def _read(mirror: Mirror, blob: Blob, limit: int) -> bytes:
    """A blob; one that has changed on disk is removed, so that unpacking again brings it."""
    try:
        return mirror.store.read(blob, limit)
    except DamagedError as error:
        path = mirror.store.path(blob.sha256)
        path.unlink(missing_ok=True)
        hint = "nothing was published; run the command again, it brings it anew"
        raise DamagedError(f"{path} was damaged on this disk, and removed", hint=hint) from error


def _difference(found: Verdict, said: Verdict) -> str:
    claim = f"the bundle says {_words(said)}"
    if found.outcome is Outcome.FAILED:
        return f"{claim}, but its attestation is not valid: {found.reason}"
    return f"{claim}, but its attestation proves {_words(found)}"


def _words(verdict: Verdict) -> str:
    if verdict.identity is None:
        return "that it is not attested"
    return (
        f"that it is attested by {verdict.identity.publisher} ({verdict.signed},"
        f" log index {verdict.log_index}, {', '.join(verdict.predicates)})"
    )
