"""A mirror's receipt: what is live, signed by a key that the mirror makes for itself at first use.

It leaves the disconnected network, so the journal gets a line for it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from securesystemslib.signer import CryptoSigner, Key

from bundler.disk import atomic_write
from bundler.errors import BundlerError
from bundler.mirror.entry import About
from bundler.mirror.generations import live
from bundler.mirror.journal import Journal, Operator
from bundler.mirror.layout import Mirror
from bundler.model.receipt import Live, Receipt
from bundler.trust.keyfiles import read_private
from bundler.trust.keys import fingerprint
from bundler.trust.receipt import sign_receipt

_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Issued:
    """A receipt, signed: `data` is what the file holds."""

    receipt: Receipt
    data: bytes
    key: Key


def issue_receipt(mirror: Mirror, operator: Operator, only: Collection[str] = ()) -> Issued:
    """State what is live.

    Args:
        mirror: The mirror.
        operator: Who asks for it, and the clock.
        only: The streams to state; all of them when empty.

    Raises:
        BundlerError: if nothing is live, or of a stream that is named; if the key cannot be used.
        DamagedError: if the journal or the record of what is live is not as it was written.
    """
    with mirror.locked():
        journal = Journal.open(mirror, operator)
        shown = _shown(mirror)
        if missing := sorted(set(only) - set(shown)):
            raise BundlerError(
                f"nothing of the stream {missing[0]} is live in {mirror.root}",
                hint=f"live are: {', '.join(shown)}",
            )
        signer = _signer(mirror)
        receipt = Receipt(
            created=operator.clock().strftime(_TIME),
            key=signer.public_key.keyval["public"],
            streams={name: each for name, each in shown.items() if name in only or not only},
        )
        data = sign_receipt(receipt, signer)
        stated = ", ".join(f"{name} {each.sequence}" for name, each in receipt.streams.items())
        about = About(key=fingerprint(signer.public_key))
        journal.write("receipt", note=f"stated as live: {stated}", about=about)
    return Issued(receipt, data, signer.public_key)


def _shown(mirror: Mirror) -> dict[str, Live]:
    generation = live(mirror)
    if generation is None or not generation.streams:
        raise BundlerError(
            f"nothing is live in {mirror.root}", hint="the first bundle of a stream is a full one"
        )
    return {
        stream: Live(shown.sequence, shown.manifest.sha256)
        for stream, shown in sorted(generation.streams.items())
    }


def _signer(mirror: Mirror) -> CryptoSigner:
    """The mirror's own key; made when there is none."""
    path = mirror.receipt_key
    try:
        found = read_private(path, _no_secrets)
    except FileNotFoundError:
        made = CryptoSigner.generate_ed25519()
        atomic_write(path, made.private_bytes, mode=0o600)
        return made
    if len(found) == 1 and found[0].public_key.keytype == "ed25519":
        return found[0]
    raise BundlerError(
        f"{path} is not the key that this program made", hint="move it away: a new one is made"
    )


def _no_secrets(asked: str) -> str:
    raise BundlerError(f"nobody gave a {asked}", hint="move it away: a new one is made")
