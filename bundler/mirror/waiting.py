"""What was received and waits for approval: whole and checked, and seen by no installer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bundler.disk import atomic_write, read_whole, sync_folder
from bundler.errors import DamagedError
from bundler.events import Noticed, Observer
from bundler.mirror.layout import Mirror
from bundler.model.artifact import Blob
from bundler.model.canonical import canonical
from bundler.model.document import FORMAT, Reader
from bundler.model.manifest import VerifiedManifest, blob_to_json, parse_stream
from bundler.trust.approval import Statement

_AGAIN = "delete it, then unpack that stream's newest bundle again"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sequence that waits for approval, and its manifest, which is in the store."""

    stream: str
    sequence: int
    manifest: Blob

    @property
    def statement(self) -> Statement:
        """What an approver signs."""
        return Statement(self.stream, self.sequence, self.manifest.sha256)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "stream": self.stream,
                "sequence": self.sequence,
                "manifest": blob_to_json(self.manifest),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Waiting:
        """Read one.

        Raises:
            ValueError: naming the place in the document.
        """
        document = Reader.over(data, "received")
        waiting = cls(
            parse_stream(document.text("stream")),
            document.positive("sequence"),
            document.blob("manifest"),
        )
        document.finish()
        return waiting


def hold(mirror: Mirror, manifest: VerifiedManifest, observe: Observer) -> Waiting:
    """Let a sequence wait, in place of an older one of its stream.

    Raises:
        DamagedError: if the record of what has waited so far is not as it was written.
        BundlerError: if it cannot be written.
    """
    blob = mirror.store.put(manifest.to_bytes())
    mirror.store.sync([blob])
    waiting = Waiting(manifest.stream, manifest.sequence, blob)
    former = waiting_of(mirror, manifest.stream)
    if former != waiting:
        if former:
            observe(Noticed(f"{former.statement} does not wait for approval any more"))
        atomic_write(_path(mirror, manifest.stream), waiting.to_bytes(), mode=0o600)
    return waiting


def release(mirror: Mirror, stream: str) -> None:
    """Nothing of `stream` waits any more."""
    path = _path(mirror, stream)
    if path.exists():
        path.unlink()
        sync_folder(path.parent)


def waiting_of(mirror: Mirror, stream: str) -> Waiting | None:
    """What of `stream` waits.

    Raises:
        DamagedError: if the record is not as it was written.
    """
    path = _path(mirror, stream)
    return _read(path) if path.is_file() else None


def waiting_in(mirror: Mirror) -> list[Waiting]:
    """Everything that waits, sorted by stream.

    Raises:
        DamagedError: if a record is not as it was written.
    """
    return [_read(path) for path in sorted(mirror.received.glob("*.json"))]


def _path(mirror: Mirror, stream: str) -> Path:
    return mirror.received / f"{stream}.json"


def _read(path: Path) -> Waiting:
    try:
        waiting = Waiting.from_bytes(read_whole(path))
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}", hint=_AGAIN) from error
    if waiting.stream != path.stem:
        raise DamagedError(f"{path} is damaged: it is of {waiting.stream}", hint=_AGAIN)
    return waiting
