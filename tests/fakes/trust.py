"""A stream with a real authority and a fresh key, for tests that need signed heads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import Manifest
from bundler.model.volume import Frame, Segment, VolumeIndex
from bundler.model.volume_set import VolumeSet, VolumeSummary
from bundler.trust.authority import Authority
from bundler.trust.holders import KeyHolder


def the_time() -> datetime:
    """The real clock's: python-tuf compares expiry dates with nothing else."""
    return datetime.now(UTC)  # noqa: TID251 - the gate's library reads the real clock, too


def digest(data: bytes) -> Sha256:
    """The sha256 of `data`."""
    return Sha256(hashlib.sha256(data).hexdigest())


def blob(data: bytes) -> Blob:
    """The blob that `data` is."""
    return Blob(digest(data), len(data))


def make_manifest(stream: str = "web", sequence: int = 1, tool: str = "bundler 0") -> Manifest:
    """A manifest of nothing but its profile."""
    return Manifest(
        stream=stream,
        sequence=sequence,
        created="2026-01-31T12:00:00Z",
        tool=tool,
        targets=("cp313-x86_64",),
        profile=blob(b"[profile]\n"),
        projects={},
        locks={},
    )


def make_index(
    manifest: Manifest, roots: Mapping[str, bytes], volume: int = 1, volumes: int = 1
) -> VolumeIndex:
    """An index of a volume with one segment, for heads with the chain `roots`."""
    return VolumeIndex(
        stream=manifest.stream,
        sequence=manifest.sequence,
        volume=volume,
        volumes=volumes,
        manifest=digest(manifest.to_bytes()),
        size=150,
        segments=(
            Segment(
                label="documents",
                blobs=(manifest.profile,),
                frames=(Frame(offset=100, size=40, sha256=digest(b"frame"), length=1024),),
            ),
        ),
        tail=Frame(offset=140, size=10, sha256=digest(b"tail"), length=1024),
        head={name: digest(data) for name, data in roots.items()},
    )


def make_set(manifest: Manifest, indexes: Sequence[VolumeIndex]) -> VolumeSet:
    """The set of a full bundle; volumes whose index is not given are as large as the first."""
    sizes = {index.volume: index.size for index in indexes}
    return VolumeSet(
        stream=manifest.stream,
        sequence=manifest.sequence,
        manifest=digest(manifest.to_bytes()),
        kind="full",
        base=None,
        volumes=tuple(
            VolumeSummary(
                size=sizes.get(number, indexes[0].size),
                parity=False,
                projects=tuple(sorted(manifest.projects)),
            )
            for number in range(1, indexes[0].volumes + 1)
        ),
    )


@dataclass(frozen=True, slots=True)
class FakeStream:
    """An authority, and the signers that it needs."""

    authority: Authority
    signers: tuple[CryptoSigner, ...]

    @property
    def root(self) -> bytes:
        """The newest root."""
        return self.authority.root_bytes()

    def head(
        self, manifest: Manifest | None = None, index: VolumeIndex | None = None
    ) -> dict[str, bytes]:
        """The next sequence's head, authorised and recorded; one volume when none is given."""
        manifest = manifest or make_manifest(self.authority.stream, self.authority.next_sequence)
        index = index or make_index(manifest, self.authority.root_chain())
        return self.heads(manifest, [index])[0]

    def heads(
        self, manifest: Manifest, indexes: Sequence[VolumeIndex], now: datetime | None = None
    ) -> list[dict[str, bytes]]:
        """The heads of the volumes of a sequence, all authorised at once."""
        data = manifest.to_bytes()
        volumes = make_set(manifest, indexes)
        both = {volumes.name: volumes.to_bytes()}
        packed = {index.name: index.to_bytes() for index in indexes}
        metadata = self.authority.authorise(
            data, manifest.sequence, packed | both, self.signers, now or the_time()
        )
        self.authority.record(manifest.sequence, data, metadata)
        return [
            {**metadata, "manifest.json": data, **both, name: content}
            for name, content in packed.items()
        ]

    def repacked(self, manifest: Manifest, volume: int = 1) -> dict[str, bytes]:
        """The head of another packing of the same sequence."""
        index = make_index(manifest, self.authority.root_chain(), volume, volume)
        return self.heads(manifest, [index])[0]

    def with_signers(self, *signers: CryptoSigner) -> FakeStream:
        """The same stream with other keys at hand."""
        return replace(self, signers=signers)


def make_stream(
    folder: Path,
    stream: str = "web",
    *,
    signers: Sequence[CryptoSigner] = (),
    threshold: int = 1,
    packing: CryptoSigner | None = None,
    now: datetime | None = None,
) -> FakeStream:
    """Begin a stream in `folder / stream` with a fresh Ed25519 key, or with `signers`."""
    signers = tuple(signers) or (CryptoSigner.generate_ed25519(),)
    authority = Authority.create(
        folder / stream,
        stream,
        [KeyHolder.of(f"key{number}", signer) for number, signer in enumerate(signers)],
        threshold,
        now or the_time(),
        packing=KeyHolder.of("packing", packing) if packing else None,
    )
    return FakeStream(authority, (*signers, *([packing] if packing else [])))
