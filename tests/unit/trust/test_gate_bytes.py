"""Whatever stands in a head, the gate refuses it or it is what was signed; it never fails oddly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner

from bundler.errors import DamagedError, TrustError
from bundler.trust.gate import Anchor, admit, anchor_from_root
from tests.fakes.mutations import JSON, mutated, signed, written
from tests.fakes.trust import FakeStream, make_stream, the_time

Head = dict[str, bytes]


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> FakeStream:
    return make_stream(tmp_path_factory.mktemp("outside"))


@pytest.fixture(scope="module")
def anchor(stream: FakeStream) -> Anchor:
    return anchor_from_root(stream.root)


@pytest.fixture(scope="module")
def head(stream: FakeStream) -> Head:
    return stream.head()


def admitted(head: Head, anchor: Anchor) -> bool:
    try:
        admit(head, anchor)
    except (TrustError, DamagedError):
        return False
    return True


def survivors(head: Head, anchor: Anchor, names: Iterable[str], *bits: int) -> list[object]:
    """The flips that are admitted: of one bit of every byte, and of `bits` besides."""
    found: list[object] = []
    for name in names:
        for position in range(len(head[name])):
            for bit in {position % 8, *bits}:
                flipped = bytearray(head[name])
                flipped[position] ^= 1 << bit
                if admitted({**head, name: bytes(flipped)}, anchor):
                    found.append((name, position, bit))
    return found


def test_no_flipped_byte_is_admitted(head: Head, anchor: Anchor) -> None:
    assert admitted(head, anchor)
    assert survivors(head, anchor, head) == []


def test_no_flipped_byte_of_the_timestamp_is_admitted(head: Head, anchor: Anchor) -> None:
    """No digest covers it. Bit 5 makes upper case of lower case, and white space of zeros."""
    assert survivors(head, anchor, ["metadata/timestamp.json"], 0, 4, 5) == []


def test_no_flipped_byte_of_an_ecdsa_signature_is_admitted(tmp_path: Path) -> None:
    stream = make_stream(tmp_path, signers=[CryptoSigner.generate_ecdsa()])
    head, anchor = stream.head(), anchor_from_root(stream.root)
    assert admitted(head, anchor)
    assert survivors(head, anchor, ["metadata/timestamp.json"]) == []


def test_no_cut_or_grown_entry_is_admitted(head: Head, anchor: Anchor) -> None:
    for name, data in head.items():
        for other in (b"", data[:-1], data + b" ", data + b"\n", b" " + data, data + data):
            assert not admitted({**head, name: other}, anchor), (name, other)


def test_other_spellings_of_a_good_timestamp_are_refused(
    stream: FakeStream, head: Head, anchor: Anchor
) -> None:
    """No digest covers the timestamp, and each of these means the same to python-tuf."""
    name = "metadata/timestamp.json"
    document = json.loads(head[name])
    year = the_time().year + 2
    document["signed"]["expires"] = f"{year}-01-05T00:00:00Z"
    payload = str(encode_canonical(document["signed"])).encode()
    digits = stream.signers[0].sign(payload).signature
    document["signatures"][0]["sig"] = digits
    good = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert admitted({**head, name: good.encode()}, anchor)
    others = [
        good.replace(f"{year}-01-05", f"{year}-01- 5"),
        good.replace(f"{year}-01-05", f"{year}-1-5"),
        good.replace(f"{year}-01-05", f"{year}-01-0\u0665"),
        good.replace(digits, digits.upper()),
        good.replace(digits, f"{digits} "),
        good.replace('"sig":', '"note":1,"sig":'),
        good.replace('{"signatures":', '{"note":1,"signatures":'),
        good.replace('{"signatures":', '{"signatures":[],"signatures":'),
        good.replace("timestamp", "\\u0074imestamp"),
        json.dumps(document, sort_keys=True),
        json.dumps(document, indent=1, sort_keys=True),
        json.dumps(dict(reversed(document.items())), separators=(",", ":")),
    ]
    for other in others:
        assert other != good
        assert not admitted({**head, name: other.encode()}, anchor), other


def resealed(head: Head, signer: CryptoSigner, spared: str) -> Head:
    """Let snapshot and timestamp name what is below them, but for the one that is under test."""
    for role, below in (("snapshot", ("targets", "packing")), ("timestamp", ("snapshot",))):
        if role == spared:
            continue
        document = json.loads(head[f"metadata/{role}.json"])
        for name in below:
            data = head[f"metadata/{name}.json"]
            meta = document["signed"]["meta"][f"{name}.json"]
            meta |= {"length": len(data), "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}
        head[f"metadata/{role}.json"] = signed(document, signer)
    return head


ENTRIES = ["1.root", "timestamp", "snapshot", "targets", "packing"]
FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(data=st.data())
def test_mutated_metadata_is_refused(
    data: st.DataObject, stream: FakeStream, head: Head, anchor: Anchor
) -> None:
    """Not signed again: nothing of it may pass."""
    name = f"metadata/{data.draw(st.sampled_from(ENTRIES))}.json"
    other = written(mutated(data, json.loads(head[name])))
    assert admitted({**head, name: other}, anchor) == (other == head[name])
    assert stream.root


@FUZZ
@given(data=st.data())
def test_mutated_and_signed_metadata_never_fails_oddly(
    data: st.DataObject, stream: FakeStream, head: Head, anchor: Anchor
) -> None:
    """Signed by the real key: what passes still says the same stream and sequence."""
    signer = stream.signers[0]
    role = data.draw(st.sampled_from(ENTRIES[1:]))
    document = mutated(data, json.loads(head[f"metadata/{role}.json"]))
    changed = {**head, f"metadata/{role}.json": signed(document, signer)}
    try:
        admission = admit(resealed(changed, signer, role), anchor)
    except (TrustError, DamagedError):
        return
    assert (admission.stream, admission.sequence) == ("web", 1)


@FUZZ
@given(data=st.data())
def test_mutated_roots_never_fail_oddly(data: st.DataObject, stream: FakeStream) -> None:
    root = signed(mutated(data, json.loads(stream.root)), stream.signers[0])
    try:
        found = anchor_from_root(root)
    except (TrustError, DamagedError):
        return
    assert found.sequence == 0
    admitted(stream_head(stream), found)


def stream_head(stream: FakeStream) -> Head:
    """The last head that was recorded, as far as it matters to a doctored root."""
    folder = stream.authority.folder
    names = ("timestamp", "snapshot", "targets", "packing")
    head = {f"metadata/{name}.json": (folder / f"{name}.json").read_bytes() for name in names}
    head["manifest.json"] = next((folder / "manifests").iterdir()).read_bytes()
    return head | {"transport/web-000001.v01.json": b"{}"}


@FUZZ
@given(
    name=st.sampled_from([f"metadata/{entry}.json" for entry in ENTRIES] + ["manifest.json"]),
    garbage=st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_garbage_is_refused(name: str, garbage: bytes, head: Head, anchor: Anchor) -> None:
    assert not admitted({**head, name: garbage}, anchor)


@pytest.mark.parametrize(
    "garbage",
    [b"[" * 100_000, b'{"signed":' * 50_000, b"9" * 10_000, b'{"a":NaN}', b"\xff\xfe", b"null"],
)
def test_hostile_json_is_refused(head: Head, anchor: Anchor, garbage: bytes) -> None:
    for entry in ENTRIES:
        assert not admitted({**head, f"metadata/{entry}.json": garbage}, anchor)
