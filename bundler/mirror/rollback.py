"""To go back, or forth again: a sequence that was live here is shown once more, by one rename.

What comes from outside is still the gate's decision alone, and the gate forgets nothing: after a
rollback it lets in what it would have let in before. What may be shown again is what the journal
says was live, and what is still here, every file of it.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, replace

from securesystemslib.signer import Signer

from bundler.disk import atomic_write, no_room_explained
from bundler.errors import BundlerError, IncompleteError, RefusedError, TrustError
from bundler.events import Observer
from bundler.mirror.approve import check_signer
from bundler.mirror.earlier import Earlier, Wish, find_earlier
from bundler.mirror.entry import About, Result
from bundler.mirror.filing import file_provenance, file_wheels
from bundler.mirror.generations import Generation, Shown, folder_of, live, sweep
from bundler.mirror.journal import Journal, Operator
from bundler.mirror.layout import ONE_FILESYSTEM, Mirror
from bundler.mirror.policy import Policy, read_policy, rollback_path, withdraw_approvals
from bundler.mirror.publish import same_pages, show
from bundler.mirror.survey import survey
from bundler.mirror.union import union_of
from bundler.mirror.web.record import Record, read_record
from bundler.trust.approval import RollbackStatement, Statement, sign_approval
from bundler.trust.gate import load_anchor
from bundler.trust.keys import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What became of it.

    Attributes:
        changed: False when it was live already.
        generation: The number of the live generation.
        source: Of the one that showed this before.
        before: What was live.
        after: What is.
        key: The fingerprint of the approver's key, if one was asked for.
    """

    changed: bool
    generation: int
    source: int
    before: Mapping[str, Shown]
    after: Mapping[str, Shown]
    key: str | None


def roll_back(
    mirror: Mirror, wish: Wish, *, signer: Signer | None, operator: Operator, observe: Observer
) -> RolledBack:
    """Show again what was live here before.

    Args:
        mirror: Whose.
        wish: What.
        signer: Of an approver, where the mirror's policy names any.
        operator: Who does it, for the journal.
        observe: Hears about the progress.

    Raises:
        RefusedError: if nothing like that is kept, or streams would disagree on a file.
        TrustError: if the policy asks for an approver's signature and there is none, or the journal
            does not say that it was live.
        IncompleteError: if files of it are gone.
        DamagedError: if the journal, the policy or a document is not as it was written.
    """
    with mirror.locked():
        journal = Journal.open(mirror, operator)
        policy = read_policy(mirror, journal)
        former = live(mirror)
        if former is None:
            raise RefusedError(f"nothing was ever live in {mirror.root}")
        found = find_earlier(mirror, former, wish)
        return _Rollback(mirror, journal, policy, former, found, observe).run(signer)


class _Rollback:
    """One run: what is live, and what shall be."""

    def __init__(
        self,
        mirror: Mirror,
        journal: Journal,
        policy: Policy,
        former: Generation,
        found: Earlier,
        observe: Observer,
    ) -> None:
        self._mirror, self._journal, self._policy = mirror, journal, policy
        self._former, self._found, self._observe = former, found, observe
        both = {**former.streams, **found.streams}
        self._changed = [
            name for name in sorted(both) if former.streams.get(name) != found.streams.get(name)
        ]

    def run(self, signer: Signer | None) -> RolledBack:
        key = fingerprint(signer.public_key) if signer else None
        generation = self._former
        if self._changed:
            try:
                generation = self._decide(signer, key)
            except (RefusedError, IncompleteError) as error:
                result: Result = "refused" if isinstance(error, RefusedError) else "incomplete"
                for name in self._changed:
                    self._note(name, error.message, key, result)
                raise
            noted = self._changed
        else:
            # A crash may have come between the rename and the journal.
            noted = [name for name in self._found.streams if not self._is_noted(name)]
        for name in noted:
            self._note(name, self._story(name, generation), key)
        return RolledBack(
            changed=bool(self._changed),
            generation=generation.number,
            source=self._found.source,
            before=self._former.streams,
            after=self._found.streams,
            key=key if self._policy.approvers else None,
        )

    def _decide(self, signer: Signer | None, key: str | None) -> Generation:
        for name in self._changed:
            self._check(name)
        generation = Generation(self._former.number + 1, self._found.streams, self._policy.base_url)
        envelope = self._sign(generation, signer, key)
        try:
            with no_room_explained(self._mirror.root):
                self._show(generation, envelope)
        except OSError as error:
            hint = ONE_FILESYSTEM if error.errno == errno.EXDEV else None
            raise BundlerError(
                f"cannot roll back in {self._mirror.root}: {error}", hint=hint
            ) from error
        return generation

    def _check(self, name: str) -> None:
        """It was live here, and the gate remembers what is live now."""
        now, then = self._former.streams.get(name), self._found.streams.get(name)
        if then and not self._journal.was_live(name, then.sequence, then.manifest.sha256):
            raise TrustError(
                f"the journal does not say that {name} sequence {then.sequence} with the manifest"
                f" {then.manifest.sha256} was ever live in {self._mirror.root}",
                hint="only what was verified and live here can be shown again; unpack a bundle",
            )
        if now and load_anchor(self._mirror.trust, name).sequence < now.sequence:
            raise RefusedError(
                f"{name} sequence {now.sequence} is live, but its import was interrupted",
                hint="unpack its bundle once more, which ends that; then roll back",
            )

    def _sign(self, generation: Generation, signer: Signer | None, key: str | None) -> bytes | None:
        statement = RollbackStatement(
            self._journal.head,
            self._former.number,
            tuple(
                Statement(name, shown.sequence, shown.manifest.sha256)
                for name, shown in sorted(generation.streams.items())
            ),
        )
        if signer is None:
            if self._policy.approvers:
                names = " or ".join(fingerprint(key) for key in self._policy.approvers)
                raise TrustError(
                    f"{self._mirror.root} is approved by {names}: one of them must sign for a"
                    " rollback",
                    hint="its holder runs the same command, with --key",
                )
            return None
        data = sign_approval(statement, signer)
        check_signer(self._mirror, self._policy, data, statement, key)
        return data

    def _show(self, generation: Generation, envelope: bytes | None) -> None:
        mirror, former = self._mirror, self._former
        union = union_of(mirror, generation)
        known = read_record(folder_of(mirror, former.number))
        record = _with_arrivals(known, read_record(folder_of(mirror, self._found.source)))
        is_same = former.base_url == generation.base_url
        same = set(union.names() if is_same else ())
        for manifest in union.manifests:
            counts = same_pages(union, manifest, former, record) if is_same else {}
            same &= counts.keys()
            if manifest.stream in self._changed:
                found = survey(union, manifest, counts)
                file_wheels(mirror, found.fresh, self._observe)
                file_provenance(mirror, found.provenance)
        sweep(mirror)
        if envelope is not None:
            atomic_write(rollback_path(mirror, generation.number), envelope, mode=0o600)
        for name in self._changed:
            then = generation.streams.get(name)
            # Else who may not approve could bring back what an approver took away.
            withdraw_approvals(mirror, name, then.sequence if then else 0)
        show(mirror, union, generation, record, same, self._observe)

    def _is_noted(self, name: str) -> bool:
        line, shown = self._journal.live(name), self._found.streams[name]
        one = (shown.sequence, shown.manifest.sha256)
        return line is not None and (line.about.sequence, line.about.manifest) == one

    def _story(self, name: str, generation: Generation) -> str:
        now = self._former.streams.get(name)
        words = f"generation {generation.number}, as generation {self._found.source} showed it"
        if generation.number == self._former.number:
            return words
        if name not in self._found.streams:
            words += f"; {name} is not shown any more"
        return words + (f"; sequence {now.sequence} was live" if now else "")

    def _note(self, name: str, note: str, key: str | None, result: Result = "ok") -> None:
        then = self._found.streams.get(name)
        about = About(
            stream=name,
            sequence=then.sequence if then else None,
            manifest=then.manifest.sha256 if then else None,
            key=key,
        )
        self._journal.write("rolled-back", result, note=note, about=about)


def _with_arrivals(record: Record, older: Record) -> Record:
    """`record`, with what the older one knows of when files came that are back now."""
    entries = dict(older.entries)
    for name, entry in record.entries.items():
        before = entries.get(name)
        arrivals = dict(before.arrivals) if before else {}
        for stream, known in entry.arrivals.items():
            arrivals[stream] = {**arrivals.get(stream, {}), **known}
        entries[name] = replace(entry, arrivals=arrivals)
    return replace(record, entries=entries)
