"""What the journal says of a volume that was brought to a mirror, and of what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from bundler.errors import BundlerError, IncompleteError, RefusedError
from bundler.events import Noticed, Observer
from bundler.mirror.entry import About, Phase, Result
from bundler.mirror.journal import Journal, Operator
from bundler.mirror.layout import Mirror
from bundler.mirror.policy import read_policy
from bundler.mirror.publish import Published
from bundler.mirror.waiting import waiting_of
from bundler.model.artifact import Sha256
from bundler.model.volume import VerifiedIndex


class Attempt:
    """Notes each phase once it is over.

    What is live already, or waits, is not news: its phases are held back until something has
    changed or was refused, and are never written otherwise.
    """

    def __init__(self, mirror: Mirror, journal: Journal, about: About) -> None:
        self.policy = read_policy(mirror, journal)
        self.doing: Phase = "received"
        self._mirror = mirror
        self._journal = journal
        self._about = about
        self._is_live = self._is_known = False
        self._held: list[partial[None]] = []

    def received(self, index: VerifiedIndex, data: bytes) -> None:
        """The head is vouched for by the stream's keys; `data` is the index as it was signed."""
        self._about = replace(self._about, index=Sha256(hashlib.sha256(data).hexdigest()))
        self.recognised(index)
        self._note("received", then="verified")

    def recognised(self, index: VerifiedIndex) -> None:
        """It is known which sequence this is about."""
        one = (index.sequence, index.manifest)
        self._about = replace(
            self._about, stream=index.stream, sequence=index.sequence, manifest=index.manifest
        )
        line = self._journal.live(index.stream)
        waiting = waiting_of(self._mirror, index.stream)
        self._is_live = line is not None and (line.about.sequence, line.about.manifest) == one
        waits = waiting is not None and (waiting.sequence, waiting.manifest.sha256) == one
        self._is_known = self._is_live or waits

    def verified(self) -> None:
        """Every byte is what was signed; see the format on attestations."""
        self._note("verified", then="live")

    def scanned(self, note: str, *, is_news: bool) -> None:
        """A scanner let it pass; that is no news if there was nothing to scan."""
        if is_news:
            self._flush()
            self._is_known = False
        self._note("scanned", then="live", note=note)

    def approved(self) -> None:
        """An approver has signed."""
        self._note("approved", then="live")

    def live(self, published: Published) -> None:
        """The sequence is what installers see."""
        if published.changed or not self._is_live:
            self._flush()
            what = "repaired, " if self._is_live else ""
            self._journal.write(
                "live", note=f"{what}generation {published.generation}", about=self._about
            )

    def failed(self, result: Result, message: str) -> None:
        """What was being done has come to nothing."""
        self._flush()
        self._journal.write(self.doing, result, note=message, about=self._about)

    def _note(self, phase: Phase, *, then: Phase, note: str | None = None) -> None:
        self.doing = then
        line = partial(self._journal.write, phase, note=note, about=self._about)
        if self._is_known:
            self._held.append(line)
        else:
            line()

    def _flush(self) -> None:
        while self._held:
            self._held.pop(0)()


def of_volume(volume: Path) -> About:
    """What is known of a file before it was looked at."""
    return About(medium=str(volume), volume=volume.name)


def of_pipe(name: str) -> About:
    """What is known of a volume that comes through a pipe."""
    return About(medium=name)


@contextmanager
def attempt(
    mirror: Mirror, about: About, operator: Operator, observe: Observer
) -> Iterator[Attempt]:
    """Note what becomes of something, and why it is refused if it is.

    Raises:
        DamagedError: if the journal is not as it was written.
        BundlerError: if it cannot be written.
    """
    one = Attempt(mirror, Journal.open(mirror, operator), about)
    with noting(one, observe):
        yield one


@contextmanager
def noting(one: Attempt, observe: Observer) -> Iterator[None]:
    """Note why an attempt comes to nothing, if it does.

    Raises:
        BundlerError: whatever it was.
    """
    try:
        yield
    except (RefusedError, IncompleteError) as error:
        result: Result = "refused" if isinstance(error, RefusedError) else "incomplete"
        try:
            one.failed(result, error.message)
        except BundlerError as failure:  # the refusal is what must be told
            observe(Noticed(f"not in the journal: {failure.message}"))
        raise
