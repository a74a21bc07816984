"""Receipts as files: one way to write them, and every change is found."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from bundler.errors import BundlerError, DamagedError, RefusedError, TrustError
from bundler.model.artifact import Sha256
from bundler.model.canonical import canonical
from bundler.model.receipt import Live, Receipt
from bundler.trust.keys import fingerprint
from bundler.trust.receipt import (
    PAYLOAD_TYPE,
    check_mirror,
    known_mirrors,
    open_receipt,
    remember_mirror,
    sign_receipt,
)

SIGNER = CryptoSigner.generate_ed25519()
LIVE = Live(7, Sha256("ab" * 32))
KEY = SIGNER.public_key.keyval["public"]
RECEIPT = Receipt(created="2026-01-31T12:00:00Z", key=KEY, streams={"web": LIVE})
SIGNED = sign_receipt(RECEIPT, SIGNER)


def opened(path: Path, data: bytes) -> Receipt:
    path.write_bytes(data)
    return open_receipt(path)[0]


def enveloped(signed: bytes, kind: str = PAYLOAD_TYPE, **more: Any) -> bytes:
    envelope = Envelope(signed, kind, {})
    envelope.sign(SIGNER)
    return canonical({**envelope.to_dict(), **more})


def changed(**values: Any) -> bytes:
    """Signed as it should be, with other values in it."""
    return enveloped(canonical({**json.loads(RECEIPT.to_bytes()), **values}))


@given(
    streams=st.dictionaries(
        st.from_regex(r"\A[a-z0-9]{1,8}\Z"),
        st.builds(
            Live,
            st.integers(1, 2**40),
            st.binary(min_size=32, max_size=32).map(bytes.hex).map(Sha256),
        ),
    )
)
def test_receipts_are_read_as_they_were_written(streams: dict[str, Live]) -> None:
    receipt = Receipt(created=RECEIPT.created, key=KEY, streams=streams)
    assert Receipt.from_bytes(receipt.to_bytes()) == receipt


@given(place=st.integers(0, len(SIGNED) - 1), bit=st.integers(0, 7))
def test_attack_any_flipped_bit(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    data = bytearray(SIGNED)
    data[place] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped.json"
    with pytest.raises(RefusedError):
        opened(path, bytes(data))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the envelope: not JSON"),
        (b"{}", "is not a receipt that this version reads: 'payload'"),
        (b" " * 5000, "the envelope: not JSON"),
        (b"x" * 5000, "it has more than 4000 bytes"),
        (json.dumps(json.loads(SIGNED)).encode(), "not in canonical form"),
        (enveloped(RECEIPT.to_bytes(), "application/x"), "its type is 'application/x'"),
        (enveloped(RECEIPT.to_bytes(), more=1), "the envelope has more than it should"),
        (enveloped(RECEIPT.to_bytes(), payload="%"), "Only base64 data is allowed"),
        (enveloped(RECEIPT.to_bytes(), signatures=3), "not iterable"),
        (enveloped(b"{}"), "receipt: no key 'format'"),
        (changed(format=2), "reads format 1 only"),
        (changed(key="AB" * 32), "receipt.key: 'ABAB"),
        (changed(more=1), "receipt: unknown key 'more'"),
        (changed(created="today"), "receipt.created: not a time"),
        (changed(streams={"Web": {}}), "'Web' is not a stream name"),
        (
            changed(streams={"web": {"sequence": 0, "manifest": LIVE.manifest}}),
            "not an integer of 1 or more",
        ),
        (
            changed(streams={"web": {"sequence": 1, "manifest": LIVE.manifest, "more": 1}}),
            "receipt.streams.web: unknown key 'more'",
        ),
    ],
)
def test_what_is_no_receipt(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DamagedError) as caught:
        opened(tmp_path / "receipt.json", data)
    assert message in caught.value.message
    assert caught.value.hint == "give the file that `bundle receipt MIRROR` wrote over there"


def test_attack_a_receipt_with_the_signature_of_another_key(tmp_path: Path) -> None:
    other = CryptoSigner.generate_ed25519()
    forged = Receipt(
        created=RECEIPT.created, key=other.public_key.keyval["public"], streams=RECEIPT.streams
    )
    with pytest.raises(TrustError, match="was changed since the mirror signed it"):
        opened(tmp_path / "receipt.json", enveloped(forged.to_bytes()))


def test_attack_another_payload_under_a_good_signature(tmp_path: Path) -> None:
    document = json.loads(SIGNED)
    payload = RECEIPT.to_bytes().replace(b'"sequence":7', b'"sequence":8')
    document["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(TrustError, match="was changed since the mirror signed it"):
        opened(tmp_path / "receipt.json", canonical(document))


def test_a_receipt_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="is a directory"):
        open_receipt(tmp_path)


def test_the_first_key_counts_and_others_must_be_confirmed(tmp_path: Path) -> None:
    folder, place = tmp_path / "web", Path("receipt.json")
    first, other = SIGNER.public_key, CryptoSigner.generate_ed25519().public_key
    assert known_mirrors(folder) == ()
    # Somebody has compared the digits of another one.
    with pytest.raises(TrustError, match=f"known here: {fingerprint(other)}"):
        check_mirror(folder, first, place, fingerprint(other))
    assert check_mirror(folder, first, place, None)
    remember_mirror(folder, first)
    assert known_mirrors(folder) == (first,)
    assert not check_mirror(folder, first, place, None)
    with pytest.raises(TrustError) as caught:
        check_mirror(folder, other, place, None)
    assert caught.value.message == (
        f"receipt.json is signed by the mirror key {fingerprint(other)}, not by one that is known"
        f" here: {fingerprint(first)}"
    )
    assert f"--mirror-key '{fingerprint(other)}'" in str(caught.value.hint)
    assert check_mirror(folder, other, place, fingerprint(other).replace(" ", "").upper())
    remember_mirror(folder, other)
    assert not check_mirror(folder, other, place, None)
    assert not check_mirror(folder, first, place, None)
