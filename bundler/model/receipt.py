"""What a mirror says of itself to the other side: which sequence of each stream is live."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bundler.model.artifact import Sha256
from bundler.model.canonical import canonical
from bundler.model.document import FORMAT, Reader
from bundler.model.manifest import parse_stream

MAX_RECEIPT: Final = 4_000
"""Bytes of a signed receipt; some twenty streams fit."""

_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Live:
    """A sequence, and the digest of its manifest."""

    sequence: int
    manifest: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What is live in a mirror.

    Attributes:
        created: When, UTC, as in manifests, by the clock over there.
        key: The mirror's public key, Ed25519 (RFC 8032 §5.1.5), in 64 hexadecimal digits.
        streams: What is live of each.
    """

    created: str
    key: str
    streams: Mapping[str, Live]

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "created": self.created,
                "key": self.key,
                "streams": {
                    stream: {"sequence": live.sequence, "manifest": live.manifest}
                    for stream, live in self.streams.items()
                },
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Receipt:
        """Read one.

        Raises:
            ValueError: naming the place in the document.
        """
        document = Reader.over(data, "receipt")
        found = cls(
            created=document.time("created"),
            key=document.text("key"),
            streams={
                parse_stream(stream): _live(item) for stream, item in document.members("streams")
            },
        )
        document.finish()
        if not _KEY.fullmatch(found.key):
            raise ValueError(f"receipt.key: {found.key!r:.80} is not 64 hexadecimal digits")
        return found


def _live(document: Reader) -> Live:
    live = Live(document.positive("sequence"), document.digest("manifest"))
    document.finish()
    return live
