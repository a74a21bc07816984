from __future__ import annotations

import base64
import hashlib
import io
import stat
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bundler.wheel.directory import MAX_DIRECTORY, MAX_ENTRIES
from bundler.wheel.examine import BOMB_SIZE, MAX_FAULTS, Examined, Member, examine
from bundler.wheel.fault import RULES, Fault
from tests.fakes.natives import elf, fat, mach_o, pe
from tests.fakes.wheels import build_wheel, zip_of

NAME, GOOD = build_wheel(
    "a", "1.0", files={"a/big.txt": b"0123456789" * 900, "a/empty.py": b"", "a/é.py": b"x = 1\n"}
)
INFO = "a-1.0.dist-info"
RECORD = f"{INFO}/RECORD"
CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"


def look(data: bytes, name: str = NAME) -> Examined:
    return examine(io.BytesIO(data), name)


def broken(data: bytes, name: str = NAME) -> dict[str, str | None]:
    """The rules that a wheel breaks, each with the first member that breaks it."""
    rules: dict[str, str | None] = {}
    for fault in look(data, name).faults:
        assert fault.rule in RULES
        rules.setdefault(fault.rule, fault.member)
    return rules


def of(files: Mapping[str, bytes]) -> bytes:
    return build_wheel("a", "1.0", files=files)[1]


def patched(data: bytes, *patches: tuple[int, bytes]) -> bytes:
    changed = bytearray(data)
    for at, new in patches:
        changed[at : at + len(new)] = new
    return bytes(changed)


def at_local(data: bytes, member: str) -> int:
    return data.index(member.encode()) - 30


def at_central(data: bytes, member: str) -> int:
    return data.rindex(member.encode()) - 46


def test_a_good_wheel_has_no_faults() -> None:
    found = look(GOOD)
    assert found.faults == ()
    assert found.metadata == b"Metadata-Version: 2.1\nName: a\nVersion: 1.0\n"
    assert found.members == ()


# --- zip -------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"PK", b"<html>" * 9, GOOD[:-1], GOOD[:-40], GOOD + b"\0"])
def test_what_does_not_end_as_a_zip_file(data: bytes) -> None:
    assert list(broken(data)) == ["zip-end"]


def test_attack_trailing_data() -> None:
    assert list(broken(GOOD + b"#!/bin/sh\n")) == ["zip-end"]
    commented = GOOD[:-2] + struct.pack("<H", 5) + b"hello"
    assert list(broken(commented)) == ["zip-end"]


def test_attack_leading_data() -> None:
    assert list(broken(b"#!/bin/sh\n" + GOOD)) == ["zip-gap"]
    # The same, with every offset moved: zipfile and unzip find nothing odd in it.
    assert list(broken(moved(GOOD, 10))) == ["zip-gap"]


def moved(data: bytes, by: int) -> bytes:
    size, offset = struct.unpack_from("<2L", data, len(data) - 10)
    changed = bytearray(data)
    struct.pack_into("<L", changed, len(data) - 6, offset + by)
    at = offset
    while at < offset + size:
        named, extended, commented = struct.unpack_from("<3H", data, at + 28)
        struct.pack_into("<L", changed, at + 42, struct.unpack_from("<L", data, at + 42)[0] + by)
        at += 46 + named + extended + commented
    return b"\0" * by + bytes(changed)


def test_attack_two_directories() -> None:
    # One directory for who believes the end, a second one for who walks through the file.
    _, other = build_wheel("a", "1.0", files={"a/evil.py": b"import os\n"})
    joined = other + moved(GOOD, len(other))[len(other) :]
    with zipfile.ZipFile(io.BytesIO(joined)) as archive:
        assert "a/evil.py" not in archive.namelist()
    assert list(broken(joined)) == ["zip-gap"]


def test_attack_bytes_between_members_and_the_directory() -> None:
    size, offset = struct.unpack_from("<2L", GOOD, len(GOOD) - 10)
    gap = GOOD[:offset] + b"hidden" + GOOD[offset:-6] + struct.pack("<LH", offset + 6, 0)
    assert broken(gap) == {"zip-gap": RECORD}
    unclaimed = GOOD[:offset] + GOOD[offset : offset + size] + b"hidden" + GOOD[offset + size :]
    assert list(broken(unclaimed)) == ["zip-gap"]


@pytest.mark.parametrize(
    ("offset", "value"),
    [(6, b"\x06"), (8, b"\0"), (14, b"abcd"), (18, b"\1\0\0\0"), (22, b"\1\0\0\0"), (30, b"b")],
    ids=["flags", "method", "checksum", "packed size", "size", "name"],
)
def test_attack_local_header_that_says_otherwise(offset: int, value: bytes) -> None:
    data = patched(GOOD, (at_local(GOOD, "a/big.txt") + offset, value))
    assert broken(data)["zip-local"] == "a/big.txt"


@pytest.mark.parametrize("length", [0, 8, 10, 0xFFFF])
def test_attack_local_name_of_another_length(length: int) -> None:
    value = struct.pack("<H", length)
    data = patched(GOOD, (at_local(GOOD, "a/big.txt") + 26, value))
    assert broken(data)["zip-local"] == "a/big.txt"


def test_a_format_of_the_future() -> None:
    version = at_central(GOOD, "a/big.txt") + 6
    assert broken(patched(GOOD, (version, b"\x3f"))) == {}
    assert broken(patched(GOOD, (version, b"\x40"))) == {"zip-method": "a/big.txt"}


def test_attack_overlapping_members() -> None:
    # Two entries of the directory share one member, as bombs without nesting do.
    data = zip_of({"a/1": b"x" * 100, "a/2": b"x" * 100, f"{INFO}/METADATA": b""})
    first, second = at_central(data, "a/1"), at_central(data, "a/2")
    shared = patched(data, (second + 42, data[first + 42 : first + 46]))
    assert list(broken(shared)) == ["record", "zip-overlap"]


@pytest.mark.parametrize("flag", [1 << 0, 1 << 5, 1 << 6, 1 << 13])
def test_encrypted_or_odd_members(flag: int) -> None:
    value = struct.pack("<H", flag)
    at = (at_central(GOOD, "a/big.txt") + 8, at_local(GOOD, "a/big.txt") + 6)
    assert broken(patched(GOOD, *((each, value) for each in at))) == {"zip-flags": "a/big.txt"}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(method: int) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("a/x", b"x")
    assert broken(target.getvalue()) == {"zip-method": "a/x"}


def test_a_member_for_newer_readers_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a/x", b"x")
    data = target.getvalue()
    assert broken(patched(data, (data.index(b"PK\x01\x02") + 6, b"\x40"))) == {"zip-method": "a/x"}


def streamed(files: Mapping[str, bytes], *, force_zip64: bool = False) -> bytes:
    """As written into a pipe: what is known too late stands behind each member."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    target = Pipe()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            with archive.open(zipfile.ZipInfo(path), "w", force_zip64=force_zip64) as member:
                member.write(data)
    return target.getvalue()


def entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("force_zip64", [False, True])
def test_descriptors_are_lawful_and_compared(*, force_zip64: bool) -> None:
    data = streamed(entries(GOOD), force_zip64=force_zip64)
    assert broken(data) == {}
    at = data.index(b"PK\x07\x08")
    assert list(broken(patched(data, (at + 4, b"abcd")))) == ["zip-local"]
    assert list(broken(patched(data, (at, b"abcd")))) == ["zip-local"]


def test_a_zip64_wheel_is_read() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in entries(GOOD).items():
            with archive.open(zipfile.ZipInfo(path), "w", force_zip64=True) as member:
                member.write(data)
    assert broken(target.getvalue()) == {}


def with_zip64_end(data: bytes, *, count: int | None = None, place: int = 0) -> bytes:
    here, size, offset = struct.unpack_from("<H2L", data, len(data) - 12)
    end = len(data) - 22
    number = here if count is None else count
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, number, number, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end + place, 1)
    return data[:end] + record + locator + data[end:]


def test_attack_zip64_that_lies() -> None:
    assert broken(with_zip64_end(GOOD)) == {}
    for lie in (with_zip64_end(GOOD, count=1), with_zip64_end(GOOD, place=1)):
        assert list(broken(lie)) == ["zip-end"]
    at = at_central(GOOD, "a/big.txt") + 24
    assert broken(patched(GOOD, (at, b"\xff" * 4))) == {"zip-zip64": "a/big.txt"}


def test_large_sizes_of_the_directory_are_read() -> None:
    size, offset = struct.unpack_from("<2L", GOOD, len(GOOD) - 10)
    facts = struct.unpack_from("<2L", GOOD, offset + 20)
    extra = struct.pack("<2H3Q", 1, 24, facts[1], facts[0], 0)
    data = with_central_extra(extra)
    full = patched(data, (offset + 20, b"\xff" * 8), (offset + 42, b"\xff" * 4))
    assert size
    assert broken(full) == {}
    lie = struct.pack("<2H3Q", 1, 24, 1 << 40, facts[0], 0)
    assert list(broken(full.replace(extra, lie))) == ["bomb"]


def test_a_directory_without_members_in_front_of_it() -> None:
    assert [
        str(fault) for fault in look(b"x" * 9 + struct.pack("<4s4H2LH", b"PK\5\6", *[0] * 7)).faults
    ] == ["its directory is said to end at byte 0, not at 9 [zip-gap]"]


def with_central_extra(extra: bytes) -> bytes:
    size, offset = struct.unpack_from("<2L", GOOD, len(GOOD) - 10)
    at = offset + 46 + struct.unpack_from("<H", GOOD, offset + 28)[0]
    data = GOOD[:at] + extra + GOOD[at:]
    data = patched(data, (offset + 30, struct.pack("<H", len(extra))))
    return patched(data, (len(data) - 10, struct.pack("<L", size + len(extra))))


def test_extra_fields() -> None:
    assert broken(with_central_extra(struct.pack("<2H4s", 0x5455, 4, b"time"))) == {}
    renamed = struct.pack("<2HBL", 0x7075, 6, 1, 0) + b"b"
    assert list(broken(with_central_extra(renamed))) == ["zip-name"]
    assert list(broken(with_central_extra(struct.pack("<2H", 0x5455, 9)))) == ["zip-extra"]
    twice = struct.pack("<2HQ", 1, 8, 0) * 2
    assert list(broken(with_central_extra(twice))) == ["zip-zip64"]


def test_directory_that_does_not_add_up() -> None:
    end = len(GOOD) - 22
    count = struct.unpack_from("<H", GOOD, end + 8)[0]
    for wrong in (count - 1, count + 1):
        number = struct.pack("<2H", wrong, wrong)
        assert list(broken(patched(GOOD, (end + 8, number)))) == ["zip-directory"]
    at = at_central(GOOD, "a/big.txt")
    assert list(broken(patched(GOOD, (at, b"XX")))) == ["zip-directory"]
    assert broken(patched(GOOD, (at + 10, b"\0"))) == {"zip-size": "a/big.txt"}
    assert broken(patched(GOOD, (at + 34, b"\1"))) == {"zip-directory": "a/big.txt"}
    assert broken(patched(GOOD, (at + 32, b"\1"))) == {"zip-comment": "a/big.txt"}
    assert broken(patched(GOOD, (at + 46, b"\xff"))) == {"zip-name": None}
    assert "zip-local" in broken(patched(GOOD, (at_local(GOOD, "a/big.txt"), b"XX")))
    assert list(broken(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, 0, 0, 0))) == [
        "metadata-folder"
    ]


@pytest.mark.parametrize(("count", "size"), [(MAX_ENTRIES + 1, 0), (1, 1 << 30)])
def test_attack_huge_directory(count: int, size: int) -> None:
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, 0)
    data = record + struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    data += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0, 0)
    rules = broken(data)
    assert list(rules) == (["zip-directory"] if not size else ["zip-gap"])


def test_attack_long_directory() -> None:
    size = MAX_DIRECTORY + 1
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0)
    (fault,) = look(bytes(size) + end).faults
    assert str(fault) == f"its directory has {size} bytes [zip-directory]"


def test_times_beside_each_header_are_lawful() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.infolist():
            item.extra = struct.pack("<2HBL", 0x5455, 5, 1, 1_700_000_000)
            new.writestr(item, old.read(item))
    assert broken(target.getvalue()) == {}


# --- bombs -----------------------------------------------------------------------------------


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_attack_bomb_is_not_inflated() -> None:
    bomb = of({"a/zeros": bytes(BOMB_SIZE)})
    assert peak(lambda: broken(bomb)) < 4 << 20
    assert broken(bomb) == {"bomb": None}


def test_attack_bomb_that_claims_to_be_small() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(32 << 20)) + packer.flush()
    data = entry_of("a/x", packed, size=10, crc=zlib.crc32(bytes(10)))
    assert peak(lambda: broken(data)) < 4 << 20
    assert list(broken(data)) == ["record", "zip-size"]


def entry_of(path: str, packed: bytes, *, size: int, crc: int) -> bytes:
    """A wheel with a member that is said to have `size` bytes."""
    other = zip_of({f"{INFO}/METADATA": b""})
    name = path.encode()
    facts = (20, 0, 8, 0, 33, crc, len(packed), size, len(name))
    local = struct.pack("<4s5H3L2H", LOCAL, *facts, 0) + name + packed
    central = struct.pack("<4s6H3L5H2L", CENTRAL, 20, *facts, 0, 0, 0, 0, 0, 0) + name
    shifted = moved(other, len(local))[len(local) :]
    _, offset = struct.unpack_from("<2L", shifted, len(shifted) - 10)
    body, rest = local + shifted[: offset - len(local)], shifted[offset - len(local) : -22]
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(central + rest), len(body), 0)
    return body + central + rest + end


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def test_streams_that_are_no_such_streams() -> None:
    text = b"x" * 100
    crc = zlib.crc32(text)
    good = deflated(text)
    assert "zip-data" not in broken(entry_of("a/x", good, size=100, crc=crc))
    assert "zip-data" in broken(entry_of("a/x", good + b"more", size=100, crc=crc))
    assert "zip-data" in broken(entry_of("a/x", good[:-1], size=100, crc=crc))
    assert "zip-data" in broken(entry_of("a/x", b"\xff" * 9, size=100, crc=crc))
    assert "zip-size" in broken(entry_of("a/x", good, size=99, crc=crc))
    assert "zip-size" in broken(entry_of("a/x", good, size=101, crc=crc))
    assert "zip-crc" in broken(entry_of("a/x", good, size=100, crc=0))


def test_attack_metadata_bomb() -> None:
    wheel = build_wheel("a", "1.0", files={f"{INFO}/METADATA": bytes(5 << 20)})[1]
    assert broken(wheel) == {"bomb": f"{INFO}/METADATA"}


def test_memory_does_not_grow_with_a_member() -> None:
    noise = hashlib.shake_128(b"").digest(24 << 20)
    wheel = io.BytesIO(of({"a/noise": noise}))
    assert peak(lambda: examine(wheel, NAME)) < 4 << 20


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["../evil.py", "a/../../evil.py", "/etc/evil", "a\\evil.py", "C:/evil", "a//b", "./a", "a\nb"],
)
def test_attack_traversal(path: str) -> None:
    assert broken(of({path: b""}))["name"] == path


def test_attack_nul_in_a_name() -> None:
    data = of({"a/nul_.py": b""}).replace(b"a/nul_.py", b"a/nul\0.py")
    assert broken(data)["name"] == "a/nul\0.py"


@pytest.mark.parametrize(
    ("one", "other"),
    [("a/x", "a/x"), ("a/File", "a/fiLe"), ("a/ß", "a/SS"), ("a/é", "a/e\u0301"), ("a/x", "a/x/y")],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_attack_duplicate_member(one: str, other: str) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, data in {**entries(GOOD), one: b"good"}.items():
            archive.writestr(path, data)
        archive.writestr(other, b"evil")
    assert broken(target.getvalue())["name-twice"] in {one, other}


def of_mode(path: str, mode: int) -> bytes:
    data = of({path: b"" if path.endswith("/") else b"/etc/passwd"})
    return patched(data, (at_central(data, path) + 38, struct.pack("<L", mode << 16)))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_attack_symlink_and_other_kinds(kind: int) -> None:
    assert broken(of_mode("a/link", kind | 0o777)) == {"kind": "a/link"}


def test_folders() -> None:
    assert "kind" not in broken(of_mode("a/folder/", stat.S_IFDIR | 0o755))
    assert broken(of_mode("a/file", stat.S_IFDIR | 0o755)) == {"kind": "a/file"}
    assert broken(of({"a/folder/": b"content"}))["kind"] == "a/folder/"


# --- RECORD, WHEEL, the metadata folder ------------------------------------------------------


def line(path: str, data: bytes, algorithm: str = "sha256", *, size: int | None = None) -> str:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()
    return f"{path},{algorithm}={digest},{len(data) if size is None else size}\n"


def with_record(change: Callable[[str], str]) -> bytes:
    files = entries(GOOD)
    files[RECORD] = change(files[RECORD].decode()).encode()
    return zip_of(files)


EMPTY = line("a/empty.py", b"")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: text, {}),
        (lambda text: text.replace(EMPTY, ""), {"record-missing": "a/empty.py"}),
        (lambda text: text.replace(EMPTY, "a/empty.py,,\n"), {"record-digest": "a/empty.py"}),
        (
            lambda text: text.replace(EMPTY, line("a/empty.py", b"other", size=0)),
            {"record-digest": "a/empty.py"},
        ),
        (
            lambda text: text.replace(EMPTY, line("a/empty.py", b"", "md5")),
            {"record-digest": "a/empty.py"},
        ),
        (lambda text: text.replace(EMPTY, line("a/empty.py", b"", "sha512")), {}),
        (
            lambda text: text.replace(EMPTY, line("a/empty.py", b"x", "sha512", size=0)),
            {"record-digest": "a/empty.py"},
        ),
        (
            lambda text: text.replace(EMPTY, line("a/empty.py", b"", size=1)),
            {"record-size": "a/empty.py"},
        ),
        (lambda text: text + line("a/ghost.py", b""), {"record-extra": "a/ghost.py"}),
        (lambda text: text + EMPTY, {"record": RECORD}),
        (lambda text: text + "a/b\n", {"record": RECORD}),
        (lambda text: text + '"a/b', {"record": RECORD}),
        (lambda text: text.replace(f"{RECORD},,\n", "\n"), {}),
    ],
)
def test_attack_record_that_lies(
    change: Callable[[str], str], expected: dict[str, str | None]
) -> None:
    assert broken(with_record(change)) == expected


def test_attack_more_faults_than_anybody_reads() -> None:
    listed = "".join(f"a/{number}.py,,\n" for number in range(MAX_FAULTS + 9))
    assert len(look(of({RECORD: listed.encode()})).faults) == MAX_FAULTS


def test_no_record() -> None:
    files = entries(GOOD)
    del files[RECORD]
    assert broken(zip_of(files)) == {"record": RECORD}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (("Wheel-Version: 1.0", "Wheel-Version: 2.0"), "wheel-version"),
        (("Wheel-Version: 1.0\n", ""), "wheel-version"),
        (("Root-Is-Purelib: true", "Root-Is-Purelib: perhaps"), "wheel-purelib"),
        (("Tag: py3-none-any", "Tag: py2-none-any"), "wheel-tags"),
        (("Tag: py3-none-any", "Tag: py3-none-any\nTag: py2-none-any"), "wheel-tags"),
        (("Tag: py3-none-any\n", ""), "wheel-tags"),
        (("Tag: py3-none-any", "Tag: any"), "wheel-tags"),
        (("Wheel-Version: 1.0", "A: b\n" * 20_000), "wheel-file"),
    ],
)
def test_wheel_file(change: tuple[str, str], rule: str) -> None:
    path = f"{INFO}/WHEEL"
    text = entries(GOOD)[path].decode().replace(*change)
    assert broken(of({path: text.encode()})) == {rule: path}


@pytest.mark.parametrize(
    "files",
    [
        {"b-1.dist-info/METADATA": b""},
        {"A-1.0.dist-info/x": b""},
    ],
)
def test_attack_two_metadata_folders(files: dict[str, bytes]) -> None:
    assert look(of(files)).faults == (Fault("metadata-folder", "has 2 metadata folders, not one"),)


def test_metadata_folder_of_another() -> None:
    wheel = build_wheel("b", "1.0")[1]
    assert look(wheel).faults == (
        Fault("metadata-folder", "carries the metadata folder 'b-1.0.dist-info'"),
    )
    without = {path: data for path, data in entries(GOOD).items() if "WHEEL" not in path}
    assert broken(zip_of(without))["metadata-folder"] == f"{INFO}/WHEEL"


# --- what is of note -------------------------------------------------------------------------


def test_natives_and_sboms_are_found_by_content() -> None:
    files = {
        "a/data.txt": elf("x86_64"),
        "a/x.bin": pe("x86_64"),
        "a/y": mach_o("aarch64"),
        "a/z": fat(mach_o("aarch64"), mach_o("x86_64")),
        "a/Java.class": b"\xca\xfe\xba\xbe\0\0\0\x41" + bytes(50),
        "a/dos.exe": b"MZ" + bytes(200),
        f"{INFO}/sboms/x.cdx.json": b"{}",
        f"{INFO}/sboms-not/x": b"{}",
    }
    found = look(of(files))
    assert found.faults == ()
    assert {member.path: member.kind for member in found.members} == {
        "a/data.txt": "elf",
        "a/x.bin": "pe",
        "a/y": "mach-o",
        "a/z": "mach-o",
        f"{INFO}/sboms/x.cdx.json": "sbom",
    }
    assert [member.path for member in found.sboms()] == [f"{INFO}/sboms/x.cdx.json"]
    assert len(found.natives()) == 4
    for member in found.members:
        assert member.blob.sha256 == hashlib.sha256(files[member.path]).hexdigest()


def test_takers_get_the_content() -> None:
    taken: dict[str, tuple[Member, bytes]] = {}

    def take(member: Member, path: Path) -> None:
        taken[member.path] = member, path.read_bytes()

    library = elf("x86_64") * 2000
    wheel = io.BytesIO(of({"a/x.so": library, "a/y": pe("x86_64")}))
    found = examine(wheel, NAME, {"elf": take})
    assert taken == {"a/x.so": (found.natives()[0], library)}


def test_attack_native_code_that_comes_byte_by_byte() -> None:
    # Deflate may flush after every byte; what is first seen must be enough to know the format.
    data = elf("x86_64")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    filler = b"\0\0\0\xff\xff" * 60_000  # blocks that hold nothing
    packed = packer.compress(data[:1]) + packer.flush(zlib.Z_FULL_FLUSH) + filler
    packed += packer.compress(data[1:]) + packer.flush()
    wheel = entry_of("a/x", packed, size=len(data), crc=zlib.crc32(data))
    assert [member.path for member in look(wheel).natives()] == ["a/x"]


# --- properties ------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
@example(at_central(GOOD, "a/big.txt") + 6, 64)
def test_any_changed_byte_of_content_is_found(at: int, mask: int) -> None:
    changed = patched(GOOD, (at, bytes([GOOD[at] ^ mask])))
    if not look(changed).faults:  # then no reader of what the wheel holds can see a difference
        assert entries(changed) == entries(GOOD)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(GOOD)), st.integers(0, 300))
def test_whatever_the_bytes_there_is_an_answer(junk: bytes, at: int, drop: int) -> None:
    data = GOOD[:at] + junk + GOOD[at + drop :]
    found = look(data)
    if data != GOOD and len(junk) != drop:
        assert found.faults
    assert all(fault.rule in RULES and str(fault) for fault in found.faults)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 21), st.integers(0, 255)), min_size=1, max_size=6))
def test_whatever_the_end_there_is_an_answer(changes: list[tuple[int, int]]) -> None:
    end = len(GOOD) - 22
    look(patched(GOOD, *((end + at, bytes([value])) for at, value in changes)))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=8))
def test_whatever_the_directory_there_is_an_answer(at: int, junk: bytes) -> None:
    size, offset = struct.unpack_from("<2L", GOOD, len(GOOD) - 10)
    look(patched(GOOD, (offset + at % (size - 8), junk)))
