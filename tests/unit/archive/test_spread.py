"""See tests/property/test_spread.py for what holds of all volumes."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from packaging.utils import NormalizedName

from bundler.archive import spread as module
from bundler.archive import ustar
from bundler.archive.pack import VolumeWriter
from bundler.archive.reserve import head_reserve
from bundler.archive.room import Limits, most_volumes
from bundler.archive.spread import MOST_VOLUMES, Begin, Spreader
from bundler.archive.store import BlobStore
from bundler.archive.wanted import Wanted
from bundler.errors import BundlerError, DamagedError
from bundler.events import Event, Finished, Started
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import Slice
from tests.fakes.volumes import MANIFEST, Contents, Spread, noise, spread

SIZE = 146_000
"""Of it, about 12,000 bytes are for the head."""

LIMITS = Limits(size=SIZE)


def wanted(contents: Contents, *parts: bytes, label: str = "a 1") -> Wanted:
    return Wanted(label=label, blobs=[contents.add(data) for data in parts])


def blobs_of(made: Spread) -> list[list[Blob]]:
    return [
        [blob for segment in index.segments for blob in segment.blobs] for index in made.indexes
    ]


def test_what_fits_is_one_volume(tmp_path: Path) -> None:
    contents = Contents()
    segments = [wanted(contents, noise(40_000)), wanted(contents, noise(9, 1), label="b 1")]
    made = spread(tmp_path, segments, contents, LIMITS)
    assert blobs_of(made) == [[blob for each in segments for blob in each.blobs]]
    assert [segment.label for segment in made.indexes[0].segments] == ["a 1", "b 1"]
    assert not made.indexes[0].slices


def test_a_blob_is_carried_over_where_little_is_left_empty(tmp_path: Path) -> None:
    contents = Contents()
    segments = [wanted(contents, noise(125_000), noise(30_000, 1))]
    made = spread(tmp_path, segments, contents, LIMITS)
    assert blobs_of(made) == [[blob] for blob in segments[0].blobs]
    assert [index.slices for index in made.indexes] == [{}, {}]
    assert [segment.label for each in made.indexes for segment in each.segments] == ["a 1", "a 1"]


def test_a_blob_is_cut_where_much_would_be_left_empty(tmp_path: Path) -> None:
    contents = Contents()
    segments = [wanted(contents, noise(110_000), noise(30_000, 1), b"last")]
    made = spread(tmp_path, segments, contents, LIMITS)
    one, two = made.indexes
    first, second, last = segments[0].blobs
    assert [len(blobs) for blobs in blobs_of(made)] == [2, 2]
    assert (blobs_of(made)[0][0], blobs_of(made)[1][1]) == (first, last)
    part, rest = blobs_of(made)[0][1], blobs_of(made)[1][0]
    assert one.slices == {part.sha256: Slice(second, 0)}
    assert two.slices == {rest.sha256: Slice(second, part.size)}
    assert part.size + rest.size == second.size
    assert SIZE - one.size < 5000
    run = subprocess.run(
        ["sh", "-c", "for n in 1 2; do mkdir d$n; zstd -dc < $n | tar -xC d$n; done"],
        cwd=tmp_path,
        check=True,
    )
    assert run.returncode == 0
    found = [
        (tmp_path / f"d{n}/blobs/sha256" / blob.sha256).read_bytes()
        for n, blob in ((1, part), (2, rest))
    ]
    assert b"".join(found) == noise(30_000, 1)


def test_a_part_that_crosses_a_frame_is_read_from_its_middle(tmp_path: Path) -> None:
    contents = Contents()
    segments = [wanted(contents, noise(200_000))]
    made = spread(tmp_path, segments, contents, Limits(size=SIZE, frame=50_000, form="tar"))
    assert len(made.indexes) == 2
    data = b"".join(
        path.read_bytes()[segment.offset + 512 :][: segment.blobs[0].size]
        for path, index in zip(made.paths, made.indexes, strict=True)
        for segment in index.segments
    )
    assert data == noise(200_000)


def test_a_volume_whose_list_is_full_is_closed(tmp_path: Path) -> None:
    contents = Contents()
    segments = [wanted(contents, noise(9, n), label=f"p {n}") for n in range(400)]
    made = spread(tmp_path, segments, contents, LIMITS)
    assert [blob for blobs in blobs_of(made) for blob in blobs] == [
        blob for each in segments for blob in each.blobs
    ]
    assert 1 < len(made.indexes) <= most_volumes([each.plain for each in segments], LIMITS)
    assert [index.slices for index in made.indexes] == [{}] * len(made.indexes)


def test_parts_of_the_same_bytes_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since a list of parts has one place for each: they have different lengths."""
    monkeypatch.setattr(ustar, "LARGEST", 70_000)
    contents = Contents()
    made = spread(tmp_path, [wanted(contents, bytes(220_000))], contents, LIMITS)
    parts = [part for index in made.indexes for part in index.slices.items()]
    assert [part.offset for _, part in parts] == [0, 70_000, 139_998, 209_995]
    assert len({sha256 for sha256, _ in parts}) == 4


def test_a_part_is_not_taken_for_a_blob_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ustar, "LARGEST", 70_000)
    contents = Contents()
    made = spread(tmp_path, [wanted(contents, bytes(70_000), bytes(100_000))], contents, Limits())
    assert [blob.size for blob in blobs_of(made)[0]] == [70_000, 69_999, 30_001]
    assert len(made.indexes[0].slices) == 2


def test_what_a_tar_cannot_hold_is_cut_without_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ustar, "LARGEST", 70_000)
    contents = Contents()
    made = spread(tmp_path, [wanted(contents, b"x", noise(150_000), b"y")], contents, Limits())
    assert [blob.size for blob in blobs_of(made)[0]] == [1, 70_000, 70_000, 10_000, 1]


def test_all_volumes_begin_with_the_same(tmp_path: Path) -> None:
    contents = Contents()
    first = wanted(contents, b"{}", b"[]", label="documents")
    made = spread(tmp_path, [wanted(contents, noise(300_000))], contents, LIMITS, first)
    assert len(made.indexes) == 3
    for index in made.indexes:
        assert (index.segments[0].label, [*index.segments[0].blobs]) == first.plain


def test_without_anything_there_is_one_volume(tmp_path: Path) -> None:
    made = spread(tmp_path, [], Contents(), LIMITS)
    assert [index.segments for index in made.indexes] == [()]


def test_progress_is_told(tmp_path: Path) -> None:
    contents, events = Contents(), list[Event]()
    spread(tmp_path, [wanted(contents, noise(9))], contents, LIMITS, observe=events.append)
    assert events == [Started("pack", 1024), Finished("pack", "0.0 MB")]


def too_small(tmp_path: Path, contents: Contents, limits: Limits, *first: bytes) -> BundlerError:
    everywhere = wanted(contents, *first, label="documents") if first else None
    many = [wanted(contents, noise(99, n)) for n in range(200)]
    with pytest.raises(BundlerError) as info:
        spread(tmp_path, many, contents, limits, everywhere)
    assert info.value.hint == "give a larger --volume-size"
    assert list(tmp_path.iterdir()) == []
    return info.value


@pytest.mark.parametrize(
    ("size", "first"),
    [(60_000, []), (SIZE, [noise(60_000)]), (SIZE, [noise(2, n) for n in range(200)])],
    ids=["the head", "the documents", "their list"],
)
def test_a_volume_that_could_hold_little_else_is_refused(
    tmp_path: Path, size: int, first: list[bytes]
) -> None:
    error = too_small(tmp_path, Contents(), Limits(size=size), *first)
    assert error.message == (
        f"a volume of {size} bytes is too small: its head and the documents would take more than"
        " half of it"
    )


def test_too_many_volumes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VOLUMES", 2)
    contents = Contents()
    with pytest.raises(BundlerError, match=f"2 volumes of {SIZE} bytes are too few") as info:
        spread(tmp_path, [wanted(contents, noise(400_000))], contents, LIMITS)
    assert info.value.hint == "give a larger --volume-size"
    assert list(tmp_path.iterdir()) == []
    assert MOST_VOLUMES == 500


@pytest.mark.parametrize("spoil", [b"", b"?", b"??"], ids=["short", "flipped", "long"])
def test_a_rotten_blob_is_not_cut(tmp_path: Path, spoil: bytes) -> None:
    contents = Contents()
    whole = wanted(contents, noise(300_000))
    contents.by_blob[whole.blobs[0]] = noise(300_000)[:-1] + spoil
    with pytest.raises(DamagedError, match="a blob is damaged: it does not have the digest"):
        spread(tmp_path, [whole], contents, LIMITS)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_meanwhile_is_refused(tmp_path: Path) -> None:
    contents = Contents()
    whole = wanted(contents, noise(300_000))

    class Late(Contents):
        def open(self, blob: Blob) -> BinaryIO:
            (tmp_path / "1").write_bytes(b"precious")
            return contents.open(blob)

    with pytest.raises(BundlerError, match="1 exists already"):
        spread(tmp_path, [whole], Late(), LIMITS)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]


def test_what_is_written_later_goes_behind(tmp_path: Path) -> None:
    contents = Contents()
    one = replace(wanted(contents, noise(300_000)), projects=(NormalizedName("a"),))
    two = replace(wanted(contents, b"{}", label="b"), projects=(NormalizedName("b"),))
    begin = Begin(
        writer=lambda number, reserved: VolumeWriter(tmp_path / str(number), reserved),
        reserve=lambda listed_bytes: head_reserve(listed_bytes, {}, LIMITS),
    )
    with Spreader(begin, LIMITS, None, [one, two]) as spreader:
        spreader.write([one], contents.open)
        spreader.write([two], contents.open, phase="contents")
        indexes = spreader.finish("web", 7, MANIFEST, {})
        assert [each.projects for each in spreader.summaries(indexes)] == [
            ("a",),
            ("a",),
            ("a", "b"),
        ]
        assert [each.size for each in spreader.summaries(indexes)] == [x.size for x in indexes]
        assert not any(each.parity for each in spreader.summaries(indexes))
    assert list(tmp_path.iterdir()) == []


def test_a_row_of_parity_that_fits_nowhere_is_refused(tmp_path: Path) -> None:
    """Volumes that may have any content have more of it than a row, which does not compress."""
    contents = Contents()
    segments = [wanted(contents, bytes(500_000))]
    begin = Begin(
        writer=lambda number, reserved: VolumeWriter(tmp_path / str(number), reserved),
        reserve=lambda listed_bytes: head_reserve(listed_bytes, {}, LIMITS),
    )
    store = BlobStore(tmp_path / "store", durable=False)
    with Spreader(begin, LIMITS, None, segments) as spreader:
        spreader.write(segments, contents.open)
        with pytest.raises(BundlerError, match=f"a volume of {SIZE} bytes is too small"):
            spreader.add_parity(1, contents.open, store)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_the_bound_counts_contents_too() -> None:
    segment = ("a", [Blob(Sha256("a" * 64), 1_000_000)])
    assert most_volumes([segment], Limits()) == 1
    assert most_volumes([segment], Limits(content=10_000)) == 302
    assert most_volumes([], LIMITS) == 2
