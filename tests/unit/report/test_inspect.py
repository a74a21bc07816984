from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import NormalizedName

from bundler.errors import DamagedError
from bundler.model.artifact import Blob, Sha256
from bundler.model.contents import Accepted, Contents
from bundler.model.manifest import Manifest
from bundler.model.volume import Frame, Segment, VolumeIndex
from bundler.report.inspect import InspectedProject, InspectedRole, InspectedVolume, inspect_head

_SHA = Sha256("ab" * 32)
MANIFEST = Manifest(
    stream="web",
    sequence=7,
    created="2026-01-31T12:00:00Z",
    tool="bundler 0.1",
    targets=("cp312-linux", "cp313-linux"),
    profile=Blob(_SHA, 1),
    projects={NormalizedName("numpy"): Blob(_SHA, 2), NormalizedName("six"): Blob(_SHA, 3)},
    locks={},
)


def _frame(offset: int, size: int, length: int) -> Frame:
    return Frame(offset=offset, size=size, sha256=_SHA, length=length)


def _index(volume: int = 1) -> VolumeIndex:
    labels = ["documents", "numpy 2.5.5", "numpy 2.4.1"] if volume == 1 else ["unheard-of 1.0"]
    segments = tuple(
        Segment(
            label=label,
            blobs=(Blob(_SHA, 1), Blob(_SHA, 2)),
            frames=(_frame(1000 + 100 * place, 100, 5_000_000),),
        )
        for place, label in enumerate(labels)
    )
    end = 1000 + 100 * len(labels)
    return VolumeIndex(
        stream="web",
        sequence=7,
        volume=volume,
        volumes=2,
        manifest=_SHA,
        size=end + 50,
        segments=segments,
        tail=_frame(end, 50, 0),
        head={},
    )


def _tuf(kind: str, version: int, keyids: list[str], **more: Any) -> bytes:
    signed = {"_type": kind, "version": version, "expires": "2027-01-01T00:00:00Z", **more}
    signatures = [{"keyid": keyid, "sig": "00"} for keyid in keyids]
    return json.dumps({"signed": signed, "signatures": signatures}).encode()


def _entries() -> dict[str, bytes]:
    roles = {
        name: {"keyids": [], "threshold": threshold}
        for name, threshold in [("root", 2), ("targets", 2), ("snapshot", 1), ("timestamp", 1)]
    }
    packing = {"roles": [{"name": "packing", "threshold": 1}], "keys": {}}
    return {
        "manifest.json": MANIFEST.to_bytes(),
        "transport/web-000007.v02.json": _index(2).to_bytes(),
        "transport/web-000007.v01.json": _index(1).to_bytes(),
        "metadata/2.root.json": _tuf("root", 2, ["b" * 64, "a" * 64], roles=roles),
        "metadata/1.root.json": _tuf("root", 1, ["c" * 64], roles={}),
        "metadata/3.targets.json": _tuf("targets", 3, ["a" * 64], delegations=packing),
        "metadata/packing.json": _tuf("targets", 4, ["d" * 64]),
        "metadata/timestamp.json": _tuf("timestamp", 5, []),
        "metadata/9.stray.json": _tuf("snapshot", 9, ["e" * 64]),
    }


def short(volume: int) -> str:
    """What is printed on the label of this volume."""
    digits = hashlib.sha256(_index(volume).to_bytes()).hexdigest()
    return f"{digits[:4]} {digits[4:8]} {digits[8:12]} {digits[12:16]}"


def test_everything_that_a_head_says() -> None:
    found = inspect_head(_entries(), verified=True)
    assert (found.verified, found.stream, found.sequence) == (True, "web", 7)
    assert (found.created, found.tool) == ("2026-01-31T12:00:00Z", "bundler 0.1")
    assert found.targets == ("cp312-linux", "cp313-linux")
    assert found.projects == (
        InspectedProject(name="numpy", versions=("2.4.1", "2.5.5")),
        InspectedProject(name="six", versions=()),
    )
    assert found.volumes == (
        InspectedVolume(
            number=1, volumes=2, blobs=6, size=1350, unpacked=15_000_000, digest=short(1)
        ),
        InspectedVolume(
            number=2, volumes=2, blobs=2, size=1150, unpacked=5_000_000, digest=short(2)
        ),
    )
    expires = "2027-01-01T00:00:00Z"
    assert found.roles == tuple(
        InspectedRole(
            name=name, version=version, threshold=threshold, signers=signers, expires=expires
        )
        for name, version, threshold, signers in [
            ("root", 2, 2, ("a" * 16, "b" * 16)),
            ("targets", 3, 2, ("a" * 16,)),
            ("packing", 4, 1, ("d" * 16,)),
            ("stray", 9, None, ("e" * 16,)),
            ("timestamp", 5, 1, ()),
        ]
    )


def test_as_text() -> None:
    assert inspect_head(_entries(), verified=True).to_text() == "\n".join(
        [
            "stream    web",
            "sequence  7",
            "trust     verified",
            "created   2026-01-31T12:00:00Z",
            "tool      bundler 0.1",
            "targets   cp312-linux",
            "          cp313-linux",
            "",
            "role       version  expires               signatures  keys",
            f"root       2        2027-01-01T00:00:00Z  2, needs 2  {'a' * 16}, {'b' * 16}",
            f"targets    3        2027-01-01T00:00:00Z  1, needs 2  {'a' * 16}",
            f"packing    4        2027-01-01T00:00:00Z  1, needs 1  {'d' * 16}",
            f"stray      9        2027-01-01T00:00:00Z  1, needs ?  {'e' * 16}",
            "timestamp  5        2027-01-01T00:00:00Z  0, needs 1",
            "",
            "volume  blobs  packed  unpacked  digest",
            f"1 of 2  6      1.4 kB  15.0 MB   {short(1)}",
            f"2 of 2  2      1.1 kB  5.0 MB    {short(2)}",
            "",
            "project  versions",
            "numpy    2.4.1, 2.5.5",
            "six      (not in these volumes)",
        ]
    )


def test_as_json() -> None:
    found = json.loads(json.dumps(inspect_head(_entries(), verified=False).to_json()))
    assert found["format"] == 1
    assert found["verified"] is False
    assert found["projects"][0] == {
        "name": "numpy",
        "versions": ["2.4.1", "2.5.5"],
        "sdists": [],
    }
    assert found["roles"][0]["signers"] == ["a" * 16, "b" * 16]
    assert found["volumes"][0]["unpacked"] == 15_000_000


def test_a_bare_manifest_is_enough() -> None:
    empty = replace(MANIFEST, targets=(), projects={})
    text = inspect_head({"manifest.json": empty.to_bytes()}, verified=False).to_text()
    assert "trust     NOT VERIFIED: anyone may have written this" in text
    assert text.endswith("targets   none")


def test_a_terminal_is_not_commanded() -> None:
    evil = "a\x1b[2J\nstream    good\r\u202e\x9b"
    entries = _entries()
    entries["manifest.json"] = replace(MANIFEST, tool=evil).to_bytes()
    entries["metadata/packing.json"] = _tuf("targets", 4, ["\x1b]0;x\x07", "\ud800"])
    text = inspect_head(entries, verified=False).to_text()
    assert not set(text) & {"\x1b", "\r", "\u202e", "\x9b", "\x07", "\ud800"}
    assert [line for line in text.splitlines() if line.startswith("stream ")] == ["stream    web"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("manifest.json", None, "the head of the bundle has no manifest.json"),
        ("manifest.json", b"\xff", "manifest.json in the head is not readable: manifest: not JSON"),
        ("manifest.json", b"[" * 100_000, "manifest.json in the head is not readable"),
        (
            "transport/web-000007.v01.json",
            b"{}",
            r"transport/web-000007\.v01\.json in the head is not readable: volume index: no key",
        ),
        (
            "transport/web-000007.v01.json",
            replace(_index(), sequence=8).to_bytes(),
            r"v01\.json in the head belongs to another bundle",
        ),
        (
            "transport/web-000007.v01.json",
            replace(_index(), tail=_frame(1300, 50, 10**400)).to_bytes(),
            r"tail\.length: not an integer of 0 or more",
        ),
        ("metadata/1.root.json", b"null", r"1\.root\.json in the head is not TUF metadata"),
        ("metadata/1.root.json", b"[" * 100_000, r"1\.root\.json in the head is not TUF metadata"),
        ("metadata/1.root.json", b"\xff", r"1\.root\.json in the head is not TUF metadata"),
        (
            "metadata/1.root.json",
            _tuf("root", 1, [], roles={"root": {"threshold": "1"}}),
            r"roles\.root\.threshold: not an integer",
        ),
        (
            "metadata/timestamp.json",
            _tuf("timestamp", 1, [], expires="never"),
            r"signed\.expires: not a time",
        ),
    ],
)
def test_bad_input_names_the_document(name: str, data: bytes | None, message: str) -> None:
    entries = _entries()
    if data is None:
        del entries[name]
    else:
        entries[name] = data
    with pytest.raises(DamagedError, match=message):
        inspect_head(entries, verified=False)


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(data=st.data())
def test_whatever_the_bytes_are_the_outcome_is_known(data: st.DataObject) -> None:
    entries = _entries()
    name = data.draw(st.sampled_from(sorted(entries)))
    value = json.loads(entries[name])
    # One value somewhere inside becomes another one.
    inside: Any = value
    while True:
        keys = sorted(inside) if isinstance(inside, dict) else range(len(inside))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if isinstance(inside[key], dict | list) and data.draw(st.booleans()):
            inside = inside[key]
            continue
        inside[key] = data.draw(_JSON)
        break
    changed = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    entries[name] = changed.encode(errors="surrogatepass")
    try:
        found = inspect_head(entries, verified=False)
    except DamagedError:
        return
    assert found.to_text()
    assert json.dumps(found.to_json())


@given(st.binary())
def test_random_bytes_are_damage(data: bytes) -> None:
    with pytest.raises(DamagedError):
        inspect_head({"manifest.json": data}, verified=False)


def test_what_is_inside_the_wheels_is_shown() -> None:
    accepted = Accepted(filename="x.whl", wheel=_SHA, reason="looked\x1b[2J into", rules=("bomb",))
    contents = Contents(documents={}, natives=40, covered=3, sboms=2, accepted=(accepted,))
    entries = {**_entries(), "manifest.json": replace(MANIFEST, contents=contents).to_bytes()}
    found = inspect_head(entries, verified=True)
    text = found.to_text()
    assert "40 native libraries, 3 (8%) covered by embedded SBOMs; 2 embedded SBOMs" in text
    assert re.search(r"^x\.whl +bomb +looked.* into$", text, re.MULTILINE)
    assert "\x1b" not in text
    assert json.loads(json.dumps(found.to_json()))["contents"]["accepted"] == [
        {"filename": "x.whl", "wheel": _SHA, "reason": "looked\x1b[2J into", "rules": ["bomb"]}
    ]
    none = replace(contents, natives=0, covered=0)
    entries["manifest.json"] = replace(MANIFEST, contents=none).to_bytes()
    assert "0 native libraries, 0 covered" in inspect_head(entries, verified=True).to_text()
