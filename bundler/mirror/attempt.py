"""What the journal says of one volume that was brought to a mirror, while it is unpacked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from bundler.errors import BundlerError, IncompleteError, RefusedError
from bundler.events import Noticed, Observer
from bundler.mirror.entry import Phase, Result
from bundler.mirror.journal import About, Journal, Operator
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import Published
from bundler.model.artifact import Sha256
from bundler.model.volume import VerifiedIndex


class Attempt:
    """Notes each phase once it is over.

    What is live already is not news: its phases are held back until something has changed, or was
    refused, and are never written otherwise.
    """

    def __init__(self, journal: Journal, volume: Path) -> None:
        self._journal = journal
        self._about = About(medium=str(volume), volume=volume.name)
        self._is_known = False
        self._held: list[partial[None]] = []
        self._doing: Phase = "received"

    def received(self, index: VerifiedIndex, data: bytes) -> None:
        """The head is vouched for by the stream's keys; `data` is the index as it was signed."""
        self._about = replace(
            self._about,
            stream=index.stream,
            sequence=index.sequence,
            manifest=index.manifest,
            index=Sha256(hashlib.sha256(data).hexdigest()),
        )
        line = self._journal.live(index.stream)
        self._is_known = line is not None and (line.sequence, line.manifest) == (
            index.sequence,
            index.manifest,
        )
        self._note("received", then="verified")

    def verified(self) -> None:
        """Every byte is what was signed, and attestations prove what the bundle says."""
        self._note("verified", then="live")

    def live(self, published: Published) -> None:
        """The sequence is what installers see."""
        if published.changed or not self._is_known:
            self._flush()
            what = "repaired, " if self._is_known else ""
            self._journal.write(
                "live", note=f"{what}generation {published.generation}", about=self._about
            )

    def failed(self, result: Result, message: str) -> None:
        """What was being done has come to nothing."""
        self._flush()
        self._journal.write(self._doing, result, note=message, about=self._about)

    def _note(self, phase: Phase, *, then: Phase) -> None:
        self._doing = then
        line = partial(self._journal.write, phase, about=self._about)
        if self._is_known:
            self._held.append(line)
        else:
            line()

    def _flush(self) -> None:
        while self._held:
            self._held.pop(0)()


@contextmanager
def attempt(
    mirror: Mirror, volume: Path, operator: Operator, observe: Observer
) -> Iterator[Attempt]:
    """Note what becomes of a volume, and why it is refused if it is.

    Raises:
        DamagedError: if the journal is not as it was written.
        BundlerError: if it cannot be written.
    """
    one = Attempt(Journal.open(mirror, operator), volume)
    try:
        yield one
    except (RefusedError, IncompleteError) as error:
        result: Result = "refused" if isinstance(error, RefusedError) else "incomplete"
        try:
            one.failed(result, error.message)
        except BundlerError as failure:  # the refusal is what must be told
            observe(Noticed(f"not in the journal: {failure.message}"))
        raise
