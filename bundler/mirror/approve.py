"""A second person's word: what was received goes live once an approver has signed for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from securesystemslib.signer import Signer

from bundler.disk import atomic_write
from bundler.errors import RefusedError, TrustError
from bundler.events import Observer
from bundler.mirror.attempt import attempt
from bundler.mirror.early import EarlyChecks
from bundler.mirror.entry import About
from bundler.mirror.filing import look_into
from bundler.mirror.generations import live
from bundler.mirror.journal import Operator
from bundler.mirror.layout import Mirror
from bundler.mirror.named import Named
from bundler.mirror.policy import Policy, approval_path
from bundler.mirror.publish import Published, prepare, publish
from bundler.mirror.scan import scan_all
from bundler.mirror.union import MAX_DOCUMENT
from bundler.mirror.waiting import Waiting, release, waiting_in
from bundler.model.manifest import VerifiedManifest
from bundler.trust.approval import Decision, check_approval, sign_approval
from bundler.trust.gate import load_anchor, recall
from bundler.trust.keys import fingerprint
from bundler.wheel.seen import Seen


@dataclass(frozen=True, slots=True)
class Approved:
    """A sequence that is live now, by the approval of the key with this fingerprint."""

    waiting: Waiting
    key: str
    published: Published


def find_waiting(mirror: Mirror, sequence: int, stream: str | None) -> Waiting:
    """The sequence that waits under this number; `stream` where several streams have one.

    Raises:
        RefusedError: if it does not wait, saying what does; or if it is not clear which is meant.
    """
    everything = waiting_in(mirror)
    found = [
        each
        for each in everything
        if each.sequence == sequence and (stream is None or each.stream == stream)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(each.stream for each in found)
        raise RefusedError(
            f"sequence {sequence} waits for approval in {names}",
            hint=f"say which one is meant: --stream {found[0].stream}",
        )
    generation = live(mirror)
    shown = generation.streams if generation else {}
    if any(
        each.sequence == sequence and (stream is None or name == stream)
        for name, each in shown.items()
    ):
        raise RefusedError(f"{_named(sequence, stream)} is live already")
    waits = ", ".join(str(each.statement) for each in everything) or "nothing"
    raise RefusedError(
        f"{_named(sequence, stream)} does not wait for approval in {mirror.root}; {waits} does",
        hint="`bundle unpack` brings a sequence; a newer one takes the place of one that waits",
    )


def approve(
    mirror: Mirror,
    sequence: int,
    signer: Signer,
    *,
    stream: str | None = None,
    operator: Operator,
    observe: Observer,
) -> Approved:
    """Sign for what was received, and make it live.

    Raises:
        RefusedError: if it does not wait, or the mirror asks for nobody's approval.
        TrustError: if the signer's key is none that the mirror asks for.
        QuarantinedError: if the scanner that the mirror asks for does not let it pass.
        DamagedError, IncompleteError: as `publish`.
    """
    with mirror.locked():
        waiting = find_waiting(mirror, sequence, stream)
        about = About(
            stream=waiting.stream,
            sequence=waiting.sequence,
            manifest=waiting.manifest.sha256,
            key=fingerprint(signer.public_key),
        )
        with attempt(mirror, about, operator, observe) as noted:
            noted.doing = "approved"
            data = sign_approval(waiting.statement, signer)
            check_signer(mirror, noted.policy, data, waiting.statement, about.key)
            manifest = _recall(mirror, waiting)
            # Once more: the scanner may know more by now, or was not asked for at that time.
            files = prepare(mirror, manifest, observe) if noted.policy.scan else ()
            scan_all(mirror, files, noted.policy.scanners(), noted, observe)
            noted.doing = "approved"
            atomic_write(approval_path(mirror, waiting.statement), data, mode=0o600)
            noted.approved()
            with EarlyChecks(partial(look_into, mirror, Seen())) as early:
                Named(mirror, manifest, early.expect).read_documents()
                published = publish(mirror, manifest, observe, early)
            release(mirror, waiting.stream)
            noted.live(published)
    return Approved(waiting, fingerprint(signer.public_key), published)


def check_signer(
    mirror: Mirror, policy: Policy, data: bytes, statement: Decision, key: str | None
) -> None:
    """Whether `data` is `statement`, signed by a key that `policy` asks for.

    Args:
        mirror: Whose policy it is.
        policy: As it holds.
        data: The envelope.
        statement: What must be in it.
        key: The signer's fingerprint.

    Raises:
        RefusedError: if the policy asks for nobody.
        TrustError: if the key is none that it asks for.
    """
    if not policy.approvers:
        raise RefusedError(
            f"{mirror.root} asks for nobody's approval",
            hint="`bundle policy MIRROR --approver KEY.pub` names who must approve; what waits from"
            " before goes live when its bundle is unpacked again",
        )
    try:
        check_approval(data, statement, policy.approvers)
    except TrustError as error:
        names = " or ".join(map(fingerprint, policy.approvers))
        raise TrustError(
            f"the key {key} may not approve for {mirror.root}; it asks for {names}",
            hint="the holder of that key must run this command",
        ) from error


def _recall(mirror: Mirror, waiting: Waiting) -> VerifiedManifest:
    data = mirror.store.read(waiting.manifest, MAX_DOCUMENT)
    return recall(data, load_anchor(mirror.trust, waiting.stream))


def _named(sequence: int, stream: str | None) -> str:
    return f"sequence {sequence}" if stream is None else f"{stream} sequence {sequence}"
