from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bundler.forks import Forks
from bundler.wheel import seen as module
from bundler.wheel.directory import DEFLATED, STORED, Entry, read_directory
from bundler.wheel.examine import examine
from bundler.wheel.seen import Key, Seen, key
from tests.fakes.wheels import build_wheel


def entry(content: bytes, packed: bytes, method: int = DEFLATED) -> Entry:
    crc, size = zlib.crc32(content), len(content)
    return Entry("a.py", b"a.py", 0, method, crc, len(packed), size, 0, 0)


def deflated(content: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(content) + engine.flush()


def of(content: bytes) -> Key:
    packed = deflated(content)
    found = key(entry(content, packed), packed)
    assert found is not None
    return found


@given(st.lists(st.tuples(st.binary(), st.binary(min_size=32, max_size=32)), max_size=20))
def test_what_was_noted_last_is_known_and_nothing_else(noted: list[tuple[bytes, bytes]]) -> None:
    seen = Seen()
    for content, digest in noted:
        assert seen.digest(of(content)) in {None, *(old for _, old in noted)}
        seen.add(of(content), digest)
        assert seen.digest(of(content)) == digest
    assert seen.digest(of(b"not there, as it is longer than that" * 9)) is None


def test_all_that_decides_is_in_the_key() -> None:
    packed = deflated(b"content")
    good = entry(b"content", packed)
    keys = {
        key(good, packed),
        key(good, deflated(b"other")),
        key(replace(good, size=8), packed),
        key(replace(good, crc=good.crc ^ 1), packed),
    }
    assert len(keys) == 4
    assert key(replace(good, name="b.py", offset=7), packed) == key(good, packed)


def test_a_stored_member_is_hashed_as_fast_as_looked_up() -> None:
    assert key(entry(b"content", b"content", STORED), b"content") is None


def test_two_for_one_place() -> None:
    seen = Seen()
    one = of(b"one")
    other = Key(one[:4] + bytes(len(one) - 4))
    seen.add(one, b"1" * 32)
    seen.add(other, b"2" * 32)
    assert seen.digest(one) is None
    assert seen.digest(other) == b"2" * 32


def test_what_was_noted_by_half_is_not_known() -> None:
    seen = Seen()
    one = of(b"one")
    seen.add(one, b"1" * 32)
    at = seen._table.find(b"1" * 32)
    seen._table[at : at + 16] = b"2" * 16
    assert seen.digest(one) is None


def test_forks_share_what_they_have_seen() -> None:
    seen = Seen()
    one = of(b"one")
    forks = Forks[int, None](lambda number: seen.add(one, bytes([number]) * 32), "test", 1)
    try:
        forks.ask(7)
    finally:
        forks.close()
    assert seen.digest(one) == b"\7" * 32


def test_a_member_of_another_wheel_is_not_inflated_again() -> None:
    seen = Seen()
    filename, wheel = build_wheel("a", "1.0", files={"a/big.py": b"x = 1\n" * 1000})
    first = examine(io.BytesIO(wheel), filename, seen=seen)
    assert not first.faults
    directory = read_directory(io.BytesIO(wheel))
    (big,) = (each for each in directory.entries if each.name == "a/big.py")
    start = big.offset + 30 + len(big.raw)
    known = key(big, wheel[start : start + big.packed])
    assert known is not None
    assert seen.digest(known) == hashlib.sha256(b"x = 1\n" * 1000).digest()
    assert examine(io.BytesIO(wheel), filename, seen=seen) == first
    # It is believed, so this is what says that the member was not read again.
    seen.add(known, b"?" * 32)
    (fault,) = examine(io.BytesIO(wheel), filename, seen=seen).faults
    assert str(fault).startswith("'a/big.py'")
    assert fault.rule == "record-digest"


def test_attack_a_member_that_is_only_like_one_that_was_seen() -> None:
    seen = Seen()
    filename, good = build_wheel("a", "1.0", files={"a/x.py": b"good = 1\n" * 50})
    assert not examine(io.BytesIO(good), filename, seen=seen).faults
    evil = build_wheel("a", "1.0", files={"a/x.py": b"evil = 1\n" * 50})[1]
    lying = _with_record_of(good, evil)
    rules = {fault.rule for fault in examine(io.BytesIO(lying), filename, seen=seen).faults}
    assert "record-digest" in rules


def _with_record_of(good: bytes, evil: bytes) -> bytes:
    """The wheel `evil` with the RECORD of `good`."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source:
        record = next(name for name in source.namelist() if name.endswith("/RECORD"))
        stated = source.read(record)
    with zipfile.ZipFile(io.BytesIO(evil)) as source, zipfile.ZipFile(out, "w") as made:
        for info in source.infolist():
            data = stated if info.filename == record else source.read(info)
            made.writestr(info, data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def test_what_it_holds_is_bounded() -> None:
    assert len(Seen()._table) == module._SLOTS * 64 == 4 << 20
