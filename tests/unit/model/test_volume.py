from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import canonical
from bundler.model.volume import Frame, Segment, Slice, VolumeIndex, is_index_name, volume_stem

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


BLOB = INDEX.segments[0].blobs[0]
PLAIN = replace(
    INDEX,
    form="tar",
    segments=(
        replace(
            INDEX.segments[0],
            frames=tuple(replace(each, length=each.size) for each in INDEX.segments[0].frames),
        ),
    ),
    tail=replace(INDEX.tail, length=INDEX.tail.size),
)
WHOLE = Blob(Sha256("ab" * 32), 8)


@pytest.mark.parametrize(
    "index",
    [
        PLAIN,
        replace(PLAIN, form="files", paths={BLOB.sha256: "files/numpy-2.5.5.tar.gz"}),
        replace(PLAIN, form="files", paths={BLOB.sha256: "documents/" + "a" * 255}),
        replace(INDEX, slices={BLOB.sha256: Slice(WHOLE, 0)}),
        replace(PLAIN, slices={BLOB.sha256: Slice(WHOLE, 3)}),
    ],
)
def test_every_form_is_read_as_it_was_written(index: VolumeIndex) -> None:
    assert VolumeIndex.from_bytes(index.to_bytes()) == index


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (replace(INDEX, form="tar"), "a frame of a plain volume is as long as what is in it"),
        (replace(INDEX, form="files"), "a frame of a plain volume is as long as what is in it"),
        (replace(PLAIN, form="files"), "in a folder every blob has a path, else none has"),
        (
            replace(PLAIN, paths={BLOB.sha256: "files/a"}),
            "in a folder every blob has a path, else none has",
        ),
        (
            replace(PLAIN, form="files", paths={WHOLE.sha256: "files/a"}),
            "in a folder every blob has a path, else none has",
        ),
        (
            replace(
                PLAIN,
                form="files",
                segments=(replace(PLAIN.segments[0], blobs=(BLOB, WHOLE)),),
                paths={BLOB.sha256: "files/a", WHOLE.sha256: "files/a"},
            ),
            "two blobs have one path",
        ),
        (replace(INDEX, slices={BLOB.sha256: Slice(WHOLE, 4)}), "is no part of abab"),
        (replace(INDEX, slices={BLOB.sha256: Slice(WHOLE, 9)}), "is no part of abab"),
        (
            replace(INDEX, slices={BLOB.sha256: Slice(replace(WHOLE, size=5), 0)}),
            "is no part of abab",
        ),
        (replace(INDEX, slices={WHOLE.sha256: Slice(WHOLE, 0)}), "is no part of abab"),
        (
            replace(
                INDEX,
                segments=(replace(INDEX.segments[0], blobs=(replace(BLOB, size=0),)),),
                slices={BLOB.sha256: Slice(WHOLE, 0)},
            ),
            "is no part of abab",
        ),
    ],
)
def test_a_form_that_contradicts_itself_is_refused(index: VolumeIndex, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        VolumeIndex.from_bytes(index.to_bytes())


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "files/",
        "files/..",
        "files/../a",
        "files/.a",
        "files/a/b",
        "/files/a",
        "files/a\n",
        "files/a\\b",
        "files/a:b",
        "files/ä",
        "Files/a",
        "end",
        "head.tar",
        "files/" + "a" * 256,
    ],
)
def test_a_path_that_a_folder_may_not_have_is_refused(path: str) -> None:
    index = replace(PLAIN, form="files", paths={BLOB.sha256: path})
    with pytest.raises(ValueError, match="is not a path that a folder may have"):
        VolumeIndex.from_bytes(index.to_bytes())


def test_an_unknown_form_is_refused() -> None:
    document = json.loads(INDEX.to_bytes()) | {"form": "zip"}
    with pytest.raises(ValueError, match=r"index\.form: 'zip' is not one of zst, tar, files"):
        VolumeIndex.from_bytes(canonical(document))


@pytest.mark.parametrize(
    ("slices", "reason"),
    [
        ({"ab": {}}, "ab"),
        ({BLOB.sha256: {"whole": {"sha256": "ab" * 32, "size": 8}, "offset": -1}}, "offset"),
        ({BLOB.sha256: {"whole": {"sha256": "ab" * 32, "size": 8}}}, "offset"),
        ({BLOB.sha256: {"whole": {"sha256": "ab" * 32, "size": 8}, "offset": 0, "x": 1}}, "x"),
    ],
)
def test_slices_that_are_none_are_refused(slices: Any, reason: str) -> None:
    document = json.loads(INDEX.to_bytes()) | {"slices": slices}
    with pytest.raises(ValueError, match=reason):
        VolumeIndex.from_bytes(canonical(document))
