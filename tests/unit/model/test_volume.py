from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import canonical
from bundler.model.volume import Frame, Segment, VolumeIndex, is_index_name, volume_stem

DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: Sha256(data.hex()))
BLOBS = st.builds(Blob, DIGESTS, st.integers(0, 2**40))
SIZES = st.integers(1, 2**30)


@st.composite
def indexes(draw: st.DrawFn) -> VolumeIndex:
    """Volumes whose frames follow each other."""
    position = draw(st.integers(0, 2**20))

    def frame() -> Frame:
        nonlocal position
        size = draw(SIZES)
        made = Frame(offset=position, size=size, sha256=draw(DIGESTS), length=draw(SIZES))
        position += size
        return made

    segments = tuple(
        Segment(
            label=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
            blobs=tuple(draw(st.lists(BLOBS, min_size=1, max_size=3))),
            frames=tuple(frame() for _ in range(draw(st.integers(1, 3)))),
        )
        for _ in range(draw(st.integers(0, 3)))
    )
    tail = frame()
    volume = draw(st.integers(1, 5))
    return VolumeIndex(
        stream=draw(st.from_regex(r"[a-z]{1,5}", fullmatch=True)),
        sequence=draw(st.integers(1, 10**7)),
        volume=volume,
        volumes=volume + draw(st.integers(0, 5)),
        manifest=draw(DIGESTS),
        size=position,
        segments=segments,
        tail=tail,
        head=draw(st.dictionaries(st.from_regex(r"[a-z.]{1,9}", fullmatch=True), DIGESTS)),
    )


@given(indexes())
def test_indexes_are_read_as_they_were_written(index: VolumeIndex) -> None:
    data = index.to_bytes()
    assert VolumeIndex.from_bytes(data) == index
    assert VolumeIndex.from_bytes(data).to_bytes() == data
    assert is_index_name(index.name)


def frame(offset: int, size: int) -> Frame:
    return Frame(offset=offset, size=size, sha256=Sha256("ab" * 32), length=9)


INDEX = VolumeIndex(
    stream="web",
    sequence=7,
    volume=1,
    volumes=2,
    manifest=Sha256("cd" * 32),
    size=60,
    segments=(
        Segment(
            label="numpy 2.5.5",
            blobs=(Blob(Sha256("ef" * 32), 5),),
            frames=(frame(10, 20), frame(30, 20)),
        ),
    ),
    tail=frame(50, 10),
    head={"metadata/1.root.json": Sha256("01" * 32)},
)


def test_names_and_places() -> None:
    assert INDEX.name == "transport/web-000007.v01.json"
    assert INDEX.stem == volume_stem("web", 7, 1) == "web-000007.v01"
    assert [part.offset for part in INDEX.frames()] == [10, 30, 50]
    assert (INDEX.segments[0].offset, INDEX.segments[0].size) == (10, 40)


@pytest.mark.parametrize(
    "name",
    [
        "transport/a.json",
        "transport/a-7.v01.json",
        "transport/a-000007.v1.json",
        "a-000007.v01.json",
        "transport/../a-000007.v01.json",
        "transport/a-000007.v01.json\n",
        "transport/A-000007.v01.json",
    ],
)
def test_what_is_no_index_name(name: str) -> None:
    assert not is_index_name(name)


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (replace(INDEX, volume=3), "volume index: volume 3 of 2"),
        (replace(INDEX, size=61), "the frames do not end where the volume does"),
        (replace(INDEX, tail=frame(51, 9)), "frame 2 does not follow the one before it"),
        (replace(INDEX, tail=frame(49, 11)), "frame 2 does not follow the one before it"),
        (replace(INDEX, tail=frame(50, 0), size=50), "frame 2 does not follow"),
        (replace(INDEX, sequence=0), r"volume index\.sequence: not an integer of 1 or more"),
        (replace(INDEX, stream="W"), "'W' is not a stream name"),
        (
            replace(INDEX, segments=(replace(INDEX.segments[0], blobs=()),)),
            r"volume index\.segments\[0\]: no blobs or no frames",
        ),
        (
            replace(INDEX, segments=(replace(INDEX.segments[0], frames=()),)),
            r"volume index\.segments\[0\]: no blobs or no frames",
        ),
    ],
)
def test_a_wrong_index_is_refused(index: VolumeIndex, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        VolumeIndex.from_bytes(index.to_bytes())


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("more",), 1, "volume index: unknown key 'more'"),
        (("tail", "more"), 1, r"volume index\.tail: unknown key 'more'"),
        (("tail", "sha256"), "x", r"volume index\.tail\.sha256: not a sha256 digest"),
        (("segments",), {}, r"volume index\.segments: not an array"),
        (("segments", 0, "more"), 1, r"volume index\.segments\[0\]: unknown key 'more'"),
        (
            ("segments", 0, "frames", 1, "offset"),
            -1,
            r"volume index\.segments\[0\]\.frames\[1\]\.offset: not an integer",
        ),
        (
            ("segments", 0, "blobs", 0, "size"),
            "5",
            r"volume index\.segments\[0\]\.blobs\[0\]\.size: not an integer",
        ),
        (("head", "metadata/1.root.json"), 1, r"volume index\.head\.metadata/1\.root\.json: not a"),
    ],
)
def test_a_wrong_value_is_refused_with_the_place(
    path: tuple[Any, ...], value: Any, reason: str
) -> None:
    document = json.loads(INDEX.to_bytes())
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with pytest.raises(ValueError, match=reason):
        VolumeIndex.from_bytes(canonical(document))
