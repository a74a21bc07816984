from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import NormalizedName

from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import canonical
from bundler.model.volume_set import Base, VolumeSet, VolumeSummary, is_set_name, set_name

DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: Sha256(data.hex()))
NAMES = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)?", fullmatch=True).map(NormalizedName)


@st.composite
def sets(draw: st.DrawFn) -> VolumeSet:
    sequence = draw(st.integers(2, 10**7))
    base = draw(st.none() | st.builds(Base, st.integers(1, sequence - 1), DIGESTS))
    flags = draw(st.lists(st.booleans(), min_size=1, max_size=4))
    return VolumeSet(
        stream=draw(st.from_regex(r"[a-z]{1,5}", fullmatch=True)),
        sequence=sequence,
        manifest=draw(DIGESTS),
        kind="delta" if base else draw(st.sampled_from(["full", "resend"])),
        base=base,
        volumes=tuple(
            VolumeSummary(
                size=draw(st.integers(1, 2**50)),
                parity=flag,
                projects=tuple(sorted(draw(st.sets(NAMES, max_size=3)))),
            )
            for flag in flags
        ),
        parity=Blob(draw(DIGESTS), draw(st.integers(0, 2**40))) if any(flags) else None,
    )


@given(sets())
def test_sets_are_read_as_they_were_written(volumes: VolumeSet) -> None:
    data = volumes.to_bytes()
    assert VolumeSet.from_bytes(data) == volumes
    assert VolumeSet.from_bytes(data).to_bytes() == data
    assert is_set_name(volumes.name)


SET = VolumeSet(
    stream="web",
    sequence=8,
    manifest=Sha256("cd" * 32),
    kind="full",
    base=None,
    volumes=(
        VolumeSummary(size=60, parity=False, projects=(NormalizedName("a"), NormalizedName("b-c"))),
    ),
)
BASE = Base(7, Sha256("ab" * 32))
PARITY = VolumeSummary(size=60, parity=True, projects=())


@pytest.mark.parametrize(
    ("volumes", "label"),
    [
        (SET, "web-000008"),
        (replace(SET, kind="delta", base=BASE), "web-000008.since-000007"),
        (replace(SET, kind="resend"), "web-000008.again"),
        (replace(SET, sequence=12_345_678), "web-12345678"),
    ],
)
def test_files_are_called_by_what_they_are(volumes: VolumeSet, label: str) -> None:
    assert volumes.label == label
    assert volumes.name == set_name("web", volumes.sequence)


@pytest.mark.parametrize("name", ["transport/a-000001.set.json", "transport/a-b-1000000.set.json"])
def test_names_of_sets(name: str) -> None:
    assert is_set_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "transport/a-00001.set.json",
        "transport/a-000001.v01.json",
        "transport/a-000001.set.json\n",
        "transport/A-000001.set.json",
        "a-000001.set.json",
        "transport/../a-000001.set.json",
    ],
)
def test_what_is_no_name_of_a_set(name: str) -> None:
    assert not is_set_name(name)


@pytest.mark.parametrize(
    ("volumes", "reason"),
    [
        (replace(SET, volumes=()), "volume set: no volumes"),
        (replace(SET, kind="delta"), "a delta has a base, and nothing else has one"),
        (replace(SET, base=BASE), "a delta has a base, and nothing else has one"),
        (replace(SET, kind="resend", base=BASE), "a delta has a base, and nothing else"),
        (
            replace(SET, kind="delta", base=replace(BASE, sequence=8)),
            "its base is not an earlier sequence",
        ),
        (replace(SET, volumes=(*SET.volumes, PARITY)), "parity volumes have a document"),
        (replace(SET, parity=Blob(Sha256("ef" * 32), 1)), "parity volumes have a document"),
        (replace(SET, sequence=0), r"volume set\.sequence: not an integer of 1 or more"),
        (replace(SET, stream="W"), "'W' is not a stream name"),
        (replace(SET, volumes=(replace(PARITY, size=0),)), r"volumes\[0\]\.size: not an integer"),
    ],
)
def test_a_wrong_set_is_refused(volumes: VolumeSet, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        VolumeSet.from_bytes(volumes.to_bytes())


def spoiled(place: str, value: Any) -> bytes:
    document = json.loads(SET.to_bytes())
    (document["volumes"][0] if place in document["volumes"][0] else document)[place] = value
    return canonical(document)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("kind", "some", r"volume set\.kind: 'some' is not one of full, delta, resend"),
        ("projects", ["b", "a"], r"volumes\[0\]\.projects: not sorted, or one stands twice"),
        ("projects", ["a", "a"], r"volumes\[0\]\.projects: not sorted, or one stands twice"),
        ("projects", ["A"], r"volumes\[0\]\.projects"),
        ("parity", 1, "parity"),
        ("base", {"sequence": 7}, r"base"),
        ("base", {"sequence": 7, "manifest": "ab" * 32, "more": 1}, "more"),
        ("volumes", [{"size": 1, "parity": False, "projects": [], "more": 1}], "more"),
        ("more", 1, "more"),
        ("format", 2, "format"),
    ],
)
def test_what_is_no_set(place: str, value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        VolumeSet.from_bytes(spoiled(place, value))
