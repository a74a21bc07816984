"""INSIDE, one line per step: open → verify → unpack → check → publish.

The gate speaks first: nothing of a volume is decompressed, and no document in it is parsed, before
its signatures were checked against a root that was here before. A volume is opened for reading
only, and what is wrong with it changes neither what is served nor what the gate remembers: it makes
the journal longer, which says why.

All volumes of a call are tried; then every sequence that they may have completed is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from bundler.archive.failures import Failures
from bundler.archive.frames import DamagedVolumeError
from bundler.archive.head import Head
from bundler.archive.keep import Keeper
from bundler.archive.medium import check_form, head_of, sources
from bundler.archive.sliced import Sliced
from bundler.archive.source import Source
from bundler.archive.unpack import unpack_volume
from bundler.archive.verify import verify_volume
from bundler.errors import BundlerError, DamagedError, IncompleteError
from bundler.events import Noticed, Observer
from bundler.mirror.ahead import claimed_stream, looking, require_room_for
from bundler.mirror.arrivals import Arrival, forget, keep
from bundler.mirror.attempt import Attempt, noting, of_pipe, of_volume
from bundler.mirror.attested import MakeJudge, check_verdicts
from bundler.mirror.early import EarlyChecks
from bundler.mirror.entry import About
from bundler.mirror.incomplete import (
    DamagedFilesError,
    PassedOverError,
    check_base,
    explained,
    passed_over,
    require_all,
)
from bundler.mirror.journal import Journal, Operator
from bundler.mirror.layout import Mirror
from bundler.mirror.named import Named, Welcome
from bundler.mirror.publish import Published, may_go_live, prepare, publish
from bundler.mirror.recover import forget_parity, is_parity, parity_store, recover
from bundler.mirror.remembered import remembered
from bundler.mirror.scan import scan_all
from bundler.mirror.scanner import Scanner
from bundler.mirror.settle import Landed, settle, tell_mended
from bundler.mirror.waiting import hold, release
from bundler.mirror.web.write import renew_pages
from bundler.trust.gate import Admission, Anchor, admit, commit, remember_roots
from bundler.trust.keys import fingerprint


@dataclass(frozen=True, slots=True)
class Received:
    """A sequence that is live now, or waits for approval.

    Attributes:
        published: Says whether anything changed; None while it waits.
        approvers: Fingerprints of the keys of which one must approve, while it waits.
    """

    admission: Admission
    published: Published | None
    approvers: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What became of it."""
        state = "is live" if self.published else "waits for approval"
        return f"{self.admission.stream} sequence {self.admission.sequence} {state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What unpacking works with.

    Attributes:
        make_judge: Called when there are attestations, with a trust root and a profile.
        operator: Who does it, for the journal.
        scan: Scanners that must let files pass, beside those that the mirror's policy asks for.
        pipe: What `-` stands for among the volumes.
        observe: Hears about the progress.
    """

    make_judge: MakeJudge
    operator: Operator
    scan: Sequence[Scanner] = ()
    pipe: BinaryIO = field(default_factory=BytesIO)
    observe: Observer


def verify(
    volumes: Iterable[Path],
    judge: Anchor | Mirror,
    *,
    pipe: BinaryIO,
    observe: Observer,
) -> list[tuple[str, Admission]]:
    """Check signatures and every byte of volumes; nothing is decompressed or written.

    Args:
        volumes: The files; all are tried.
        judge: A root that the caller trusts, or the mirror that it is pinned in.
        pipe: What `-` stands for.
        observe: Hears about the progress.

    Returns:
        The name of each volume, and what the gate found.

    Raises:
        TrustError: if the signatures do not lead to a trusted root.
        DamagedError: if a volume is not what was signed.
    """
    found: list[tuple[str, Admission]] = []
    failures = Failures()
    for source in sources(volumes, pipe, failures):
        with failures.collected():
            head = head_of(source)
            admission = admit(head.entries, _anchor(judge, head))
            check_form(source, head, admission.index)
            verify_volume(admission.index, source, observe=observe)
            found.append((source.name, admission))
    failures.raise_all()
    return found


def unpack(volumes: Sequence[Path], mirror: Mirror, inside: Inside) -> list[Received]:
    """Verify volumes, bring their blobs into the mirror and make live what is complete.

    Where the mirror's policy asks for an approval, it waits for that instead, whole and checked.

    Raises:
        TrustError: if signatures do not lead to the pinned root, or attestations prove too little.
        DamagedError: if a volume is not what was signed, or the journal not as it was written.
        QuarantinedError: if a scanner does not let it pass.
        IncompleteError: if a sequence still lacks blobs; what has arrived is kept.
        BundlerError: if a file cannot be read, or the disk is full.
    """
    failures, landed = Failures(), dict[tuple[str, int], Landed]()
    with looking(volumes, mirror) as look, mirror.locked():
        mirror.sweep()
        journal = Journal.open(mirror, inside.operator)
        Sliced(mirror.store).sweep()
        require_room_for(volumes, mirror)
        with EarlyChecks(look) as early:
            work = _Work(mirror, inside, journal, early)
            too_early: list[Path] = []
            # Those that came too early are tried again, when the others have brought documents.
            tries = chain(*(sources(some, inside.pipe, failures) for some in (volumes, too_early)))
            for source in tries:
                with failures.collected():
                    try:
                        _take_in(source, work, landed)
                    except PassedOverError:
                        if source.piped or Path(source.name) in too_early:
                            raise
                        too_early.append(Path(source.name))
            finish = partial(_finish, work=work)
            received = settle(mirror, landed, finish, failures, inside.observe)
        live = [(each.admission.stream, each.admission.sequence) for each in received]
        tell_mended(landed, live, failures, inside.observe)
    for each in received if failures.errors else ():
        inside.observe(Noticed(each.words))
    failures.raise_all()
    return received


@dataclass(frozen=True, slots=True)
class _Work:
    """What every step of unpacking works with."""

    mirror: Mirror
    inside: Inside
    journal: Journal
    early: EarlyChecks


def _take_in(source: Source, work: _Work, landed: dict[tuple[str, int], Landed]) -> None:
    """Bring in the blobs of one volume, as far as they are what was signed."""
    mirror, inside = work.mirror, work.inside
    about = of_pipe(source.name) if source.piped else of_volume(Path(source.name))
    noted = Attempt(mirror, work.journal, about)
    with noting(noted, inside.observe):
        head = head_of(source)
        anchor = remembered(mirror, claimed_stream(head))
        admission = admit(head.entries, anchor)
        check_form(source, head, admission.index)
        noted.received(admission.index, head.entries[admission.index.name])
        remember_roots(admission, mirror.trust)
        check_base(admission, anchor)
        arrival = Arrival(head.entries, admission)
        named = Named(mirror, admission.manifest, work.early.expect)
        one = landed.setdefault((admission.stream, admission.sequence), Landed())
        try:
            _unpack(source, admission, named, work)
        except (DamagedError, IncompleteError) as error:
            one.damage[arrival.place] = error
            # By its head, one can say what is missing of it, if it is a volume to be wanted.
            wanted = isinstance(error, IncompleteError | DamagedFilesError)
            if wanted and (admission.index.manifest != anchor.manifest or named.missing()):
                keep(mirror, arrival)
            raise
        if not _stands_alone(admission):
            keep(mirror, arrival)
            noted.verified()
        one.add(arrival)
        one.now, one.attempt = one.now + 1, noted


def _unpack(source: Source, admission: Admission, named: Named, work: _Work) -> None:
    index, mirror, observe = admission.index, work.mirror, work.inside.observe
    keeper = Keeper(mirror.store, mirror.has, index.slices, work.early.begin)
    check = Welcome(named, index).check
    if is_parity(admission):
        store = parity_store(mirror, admission.stream, admission.sequence)
        keeper, check = Keeper(store), lambda segment: True  # noqa: ARG005 - as `Welcome.check`
    try:
        passed = unpack_volume(index, source, keeper, check=check, observe=observe)
    except DamagedVolumeError as error:
        raise explained(error, named, mirror) from error
    if passed:
        raise passed_over(source.name, admission, named, passed)


def _finish(one: Landed, *, work: _Work) -> Received:
    """Make a sequence live, or let it wait for approval, if everything of it is here."""
    mirror, inside = work.mirror, work.inside
    newest, observe = one.newest, inside.observe
    anchor = remembered(mirror, newest.admission.stream)
    admission = newest.admission
    if admission.previous != anchor.sequence:  # another one of the stream has just been accepted
        admission = admit(newest.entries, anchor)
    noted = one.attempt or Attempt(mirror, work.journal, About())
    noted.recognised(admission.index)
    with noting(noted, observe):
        try:
            if not _stands_alone(admission):
                noted.doing = "live"
                recover(mirror, one.volumes, work.early, observe)
                require_all(mirror, one.volumes, anchor)
                noted.doing = "verified"
            check_verdicts(mirror, admission.manifest, inside.make_judge, observe)
            if _stands_alone(admission):
                noted.verified()
            noted.doing = "live"
            return _go_live(admission, work, noted)
        except IncompleteError:
            keep(mirror, newest)
            require_all(mirror, one.volumes, anchor)
            raise


def _go_live(admission: Admission, work: _Work, noted: Attempt) -> Received:
    mirror, inside, early = work.mirror, work.inside, work.early
    manifest, observe = admission.manifest, inside.observe
    waits = not may_go_live(mirror, manifest, observe)
    scanners = [*noted.policy.scanners(), *inside.scan]
    if waits or scanners:
        files = prepare(mirror, manifest, observe, early)
        early.fresh = not scanners
        scan_all(mirror, files, scanners, noted, observe)
    if waits:
        commit(admission, mirror.trust)
        hold(mirror, manifest, observe)
        received = Received(admission, None, tuple(map(fingerprint, noted.policy.approvers)))
    else:
        published = publish(mirror, manifest, observe, early)
        commit(admission, mirror.trust)
        release(mirror, admission.stream)
        noted.live(published)
        _renew_pages(mirror, observe)
        received = Received(admission, published)
    forget(mirror, admission.stream, admission.sequence)
    forget_parity(mirror, admission.stream, admission.sequence)
    return received


def _renew_pages(mirror: Mirror, observe: Observer) -> None:
    """Show until when signatures are good, which the gate knows now."""
    try:
        renew_pages(mirror)
    except BundlerError as error:  # the sequence is live, and that is what counts
        observe(Noticed(f"the page of the mirror's status is not as it should be: {error.message}"))


def _stands_alone(admission: Admission) -> bool:
    """Whether the volume brings all that its manifest names."""
    return admission.set.kind == "full" and len(admission.set.volumes) == 1


def _anchor(judge: Anchor | Mirror, head: Head) -> Anchor:
    return judge if isinstance(judge, Anchor) else remembered(judge, claimed_stream(head))
