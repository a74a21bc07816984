"""Receipts: what a mirror says is live, signed by a key of its own.

The envelope is DSSE 1.0 over the receipt's own bytes, as for approvals: its type is signed with it.
A receipt lets nothing in. Whoever forges one can make the connected host pack a delta that does not
fit, which the far side says when it comes. So the key comes along, and counts from first use.
"""

from __future__ import annotations

import binascii
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, VerificationError
from securesystemslib.signer import Key, Signer, SSlibKey

from bundler.disk import atomic_write
from bundler.errors import BundlerError, DamagedError, TrustError
from bundler.model.canonical import canonical, parse_canonical
from bundler.model.receipt import MAX_RECEIPT, Receipt
from bundler.trust.keyfiles import PUBLIC_SUFFIX, public_pem, read_public
from bundler.trust.keys import fingerprint

PAYLOAD_TYPE: Final = "application/vnd.bundler.receipt+json"

_KNOWN = "mirrors"


def sign_receipt(receipt: Receipt, signer: Signer) -> bytes:
    """The envelope, as canonical JSON.

    Raises:
        BundlerError: if it would be too large.
    """
    envelope = Envelope(receipt.to_bytes(), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    data = canonical(envelope.to_dict())
    if len(data) > MAX_RECEIPT:
        raise BundlerError(
            f"a receipt of {len(receipt.streams)} streams has {len(data)} bytes;"
            f" {MAX_RECEIPT} at most",
            hint="name the streams that it is for, in several receipts: --stream NAME",
        )
    return data


def open_receipt(path: Path) -> tuple[Receipt, SSlibKey]:
    """A receipt that is what was signed with the key that it names, and that key.

    Raises:
        DamagedError: if it is no receipt, or none of this format.
        TrustError: if it was changed since it was signed.
        BundlerError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            # Mail and scanners of QR codes like to put a line's end behind it.
            data = file.read(MAX_RECEIPT + 2).strip()
    except OSError as error:
        raise BundlerError(f"{path}: {error.strerror or error}".lower()) from error
    try:
        envelope = _envelope(data)
        receipt = Receipt.from_bytes(envelope.payload)
        key = _key(receipt.key)
        envelope.verify([key], 1)
    except VerificationError as error:
        raise TrustError(
            f"{path} was changed since the mirror signed it",
            hint="have it sent again: `bundle receipt MIRROR`",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, FormatError, binascii.Error) as error:
        raise DamagedError(
            f"{path} is not a receipt that this version reads: {error}",
            hint="give the file that `bundle receipt MIRROR` wrote over there",
        ) from error
    return receipt, key


def known_mirrors(folder: Path) -> tuple[Key, ...]:
    """The keys of the mirrors whose receipts a stream's folder has taken before.

    Raises:
        BundlerError: if one cannot be read.
    """
    home = folder / _KNOWN
    paths = sorted(home.glob(f"*{PUBLIC_SUFFIX}")) if home.is_dir() else []
    return tuple(key for path in paths for key in read_public(path))


def check_mirror(folder: Path, key: Key, place: Path, confirmed: str | None) -> bool:
    """See that a receipt's key is one that is known, the first, or confirmed; whether it is new.

    Args:
        folder: The stream's.
        key: That of the receipt.
        place: The receipt's file, for the message.
        confirmed: The fingerprint that somebody has compared.

    Raises:
        TrustError: if it is another.
    """
    known = known_mirrors(folder)
    if any(each.keyid == key.keyid for each in known):
        return False
    if confirmed is None and not known:
        return True
    if confirmed is not None and _digits(confirmed) == _digits(fingerprint(key)):
        return True
    others = ", ".join(map(fingerprint, known)) or "nobody's"
    raise TrustError(
        f"{place} is signed by the mirror key {fingerprint(key)}, not by one that is known here:"
        f" {others if confirmed is None else confirmed}",
        hint="ask the mirror's operator for the digits that `bundle receipt` prints there; if they"
        f" are these, a mirror that is new: --mirror-key '{fingerprint(key)}'",
    )


def remember_mirror(folder: Path, key: SSlibKey) -> None:
    """Know a mirror's key from now on.

    Raises:
        BundlerError: if it cannot be written.
    """
    atomic_write(folder / _KNOWN / f"{key.keyid[:16]}{PUBLIC_SUFFIX}", public_pem(key))


def _envelope(data: bytes) -> Envelope:
    """What is in the file, if there is one way only to write it."""
    if len(data) > MAX_RECEIPT:
        raise ValueError(f"it has more than {MAX_RECEIPT} bytes")
    envelope = Envelope.from_dict(parse_canonical(data, "the envelope"))
    if envelope.payload_type != PAYLOAD_TYPE:
        raise ValueError(f"its type is {envelope.payload_type!r:.80}")
    if canonical(envelope.to_dict()) != data:
        raise ValueError("the envelope has more than it should")
    return envelope


def _key(digits: str) -> SSlibKey:
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(digits)))


def _digits(text: str) -> str:
    return text.replace(" ", "").lower()
