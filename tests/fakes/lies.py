"""A builder that can lie at every layer of a head: metadata, signatures, digests, documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Signed, Snapshot, Timestamp

from bundler.archive.head import encode_head, head_size, read_head
from bundler.model.canonical import canonical

Head = dict[str, bytes]


def edit(head: Head, role: str, change: Callable[[Any], object], signers: Sequence[Signer]) -> None:
    """Change one file and sign it again with real keys: what a thief of the keys can do."""
    metadata: Metadata[Any] = Metadata.from_bytes(head[f"metadata/{role}.json"])
    change(metadata.signed)
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
    head[f"metadata/{role}.json"] = canonical(metadata.to_dict())


def seal(head: Head, signers: Sequence[Signer], *, hashes: bool = True) -> None:
    """Let snapshot and timestamp name the files as they are now."""
    algorithms = ["sha256"]

    def meta(role: str) -> MetaFile:
        data = head[f"metadata/{role}.json"]
        version = Metadata.from_bytes(data).signed.version
        return MetaFile.from_data(version, data, algorithms) if hashes else MetaFile(version)

    def snapshot(signed: Signed) -> None:
        assert isinstance(signed, Snapshot)
        signed.meta = {f"{role}.json": meta(role) for role in ("targets", "packing")}

    def timestamp(signed: Signed) -> None:
        assert isinstance(signed, Timestamp)
        signed.snapshot_meta = meta("snapshot")

    edit(head, "snapshot", snapshot, signers)
    edit(head, "timestamp", timestamp, signers)


def head_of(volume: Path) -> Head:
    """What the head of a volume says."""
    with volume.open("rb") as file:
        return dict(read_head(file).entries)


def with_head(volume: Path, head: Head, out: Path) -> Path:
    """A copy of a volume with another head, in the same room if it fits there."""
    with volume.open("rb") as file:
        size = read_head(file).size
        rest = file.read()
    needed = head_size({name: len(data) for name, data in head.items()})
    out.write_bytes(encode_head(head, max(size, needed)) + rest)
    return out
