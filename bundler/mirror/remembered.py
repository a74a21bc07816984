"""What the gate remembers of a stream, and what is live: neither may go back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from bundler.errors import BundlerError
from bundler.mirror.generations import live
from bundler.mirror.layout import Mirror
from bundler.trust.gate import Anchor, load_anchor


def remembered(mirror: Mirror, stream: str) -> Anchor:
    """The newer of both: they differ after a crash between going live and remembering it.

    Raises:
        TrustError, DamagedError: as `load_anchor`.
    """
    anchor = load_anchor(mirror.trust, stream)
    with suppress(BundlerError):  # a damaged record of what is live is written anew on publishing
        generation = live(mirror)
        shown = generation.streams.get(stream) if generation else None
        if shown and shown.sequence > anchor.sequence:
            return replace(anchor, sequence=shown.sequence, manifest=shown.manifest.sha256)
    return anchor
