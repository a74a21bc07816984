"""Volumes of a size: nothing is lost, no volume is too large, and none ends too early."""

from __future__ import annotations

import io
import itertools
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bundler.archive.frame import size_bound
from bundler.archive.room import Limits, listed, most_volumes
from bundler.archive.wanted import Wanted
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import Form, VolumeIndex
from tests.fakes.trust import digest
from tests.fakes.volumes import Contents, Spread, noise, spread

TAIL = 1200
Recipe: TypeAlias = tuple[int, int | None]
"""So many bytes: noise of this seed, or zeros."""

SMALL = st.tuples(st.integers(1, 40), st.integers(0, 3))
RECIPES = st.one_of(
    SMALL,
    st.tuples(st.integers(1, 250_000), st.integers(0, 9)),
    st.tuples(st.integers(1, 900_000), st.none()),
)
SEGMENTS = st.lists(
    st.tuples(st.text(max_size=40), st.lists(RECIPES, min_size=1, max_size=5)), max_size=7
)
FIRST = st.lists(SMALL, max_size=5)


def made_of(recipe: Recipe) -> bytes:
    size, seed = recipe
    return bytes(size) if seed is None else noise(size, seed)


@dataclass(frozen=True)
class Case:
    contents: Contents
    segments: Sequence[Wanted]
    everywhere: Wanted | None

    @property
    def plain(self) -> list[tuple[str, Sequence[Blob]]]:
        return [each.plain for each in self.segments]


def make_case(segments: Sequence[tuple[str, Sequence[Recipe]]], first: Sequence[Recipe]) -> Case:
    contents = Contents()

    def add(recipes: Sequence[Recipe]) -> list[Blob]:
        return [contents.add(made_of(recipe)) for recipe in recipes]

    return Case(
        contents,
        [Wanted(label=label, blobs=add(recipes)) for label, recipes in segments],
        Wanted(label="documents", blobs=add(first)) if first else None,
    )


def without_doubles(case: Case) -> Case:
    seen = set(case.everywhere.blobs if case.everywhere else ())
    segments = []
    for each in case.segments:
        blobs = [blob for blob in dict.fromkeys(each.blobs) if blob not in seen]
        seen.update(blobs)
        if blobs:
            segments.append(replace(each, blobs=blobs))
    first = case.everywhere
    if first is not None:
        first = replace(first, blobs=[*dict.fromkeys(first.blobs)])
    return Case(case.contents, segments, first)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def entries(path: Path, index: VolumeIndex) -> list[tuple[str, bytes]]:
    """What is in a volume, as others read it: name and content in the order of the file."""
    if index.form == "files":
        return [
            (str(blob.sha256), (path / index.paths[blob.sha256]).read_bytes())
            for segment in index.segments
            for blob in segment.blobs
        ]
    data = path.read_bytes()
    if index.form == "zst":
        data = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        found = []
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            found.append((member.name.removeprefix("blobs/sha256/"), file.read()))
    return found[1:] if index.form == "tar" else found


def join(made: Spread, everywhere: Wanted | None) -> list[bytes]:
    """All content behind what stands in every volume, in order, parts joined."""
    found: list[bytes] = []
    open_blob: tuple[Blob, bytes] | None = None
    for path, index in zip(made.paths, made.indexes, strict=True):
        content = entries(path, index)
        blobs = [blob for segment in index.segments for blob in segment.blobs]
        assert [name for name, _ in content] == [blob.sha256 for blob in blobs]
        assert all(digest(data) == name for name, data in content)
        assert [len(data) for _, data in content] == [blob.size for blob in blobs]
        same = len(everywhere.blobs) if everywhere else 0
        assert blobs[:same] == [*(everywhere.blobs if everywhere else ())]
        for name, data in content[same:]:
            part = index.slices.get(Sha256(name))
            if part is None or (open_blob is None and part.offset):
                assert open_blob is None
                found.append(data)
                continue
            whole, before = open_blob or (part.whole, b"")
            assert (part.whole, part.offset) == (whole, len(before))
            open_blob = whole, before + data
            if len(open_blob[1]) == whole.size:
                assert digest(open_blob[1]) == whole.sha256
                found.append(open_blob[1])
                open_blob = None
    assert open_blob is None
    return found


def check_none_ends_early(made: Spread, case: Case, limits: Limits) -> None:
    """Each but the last is full to a sixteenth, or its list is, which has a sixteenth as well."""
    assert limits.size is not None
    for volume, (index, after) in enumerate(itertools.pairwise(made.indexes)):
        first = len(case.everywhere.blobs) if case.everywhere else 0
        following = [blob for segment in after.segments for blob in segment.blobs][first]
        if part := after.slices.get(following.sha256):
            following = part.whole
        bounds = [each for each in (limits.size, limits.content) if each is not None]
        most = min(bounds) // 16
        count = most // limits.frame + 2
        over = size_bound(most) - most + count * 43 + 3 * 1024 + TAIL
        over += 8 * sum(len(segment.frames) for segment in index.segments)
        content = sum(blob.size for segment in index.segments for blob in segment.blobs)
        said = listed([(each.label, each.blobs) for each in index.segments], limits)
        next_one = listed([("x" * 240, [Blob(following.sha256, most)])], limits)
        assert (
            limits.size - index.size <= most + over
            or (limits.content is not None and limits.content - content <= most)
            or said + next_one > made.shares[volume]
        )


def check(made: Spread, case: Case, limits: Limits) -> None:
    """All that is promised of volumes."""
    wanted = [case.contents.by_blob[blob] for each in case.segments for blob in each.blobs]
    assert join(made, case.everywhere) == wanted
    for path, index in zip(made.paths, made.indexes, strict=True):
        assert VolumeIndex.from_bytes(index.to_bytes()) == index
        assert index.volumes == len(made.indexes)
        if limits.form != "files":
            assert index.size == path.stat().st_size
        blobs = [blob for segment in index.segments for blob in segment.blobs]
        if limits.size is not None:
            assert index.size <= limits.size
        if limits.content is not None:
            assert sum(blob.size for blob in blobs) <= limits.content
    assert len(made.indexes) <= most_volumes(case.plain, limits)
    if limits.size is not None:
        check_none_ends_early(made, case, limits)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    segments=SEGMENTS,
    first=FIRST,
    size=st.integers(150_000, 600_000),
    content=st.one_of(st.none(), st.integers(10_000, 600_000)),
    frame=st.sampled_from([2000, 60_000, 256_000_000]),
    form=st.sampled_from(["zst", "tar"]),
)
def test_every_volume_is_full_and_none_is_too_large(
    segments: list[tuple[str, list[Recipe]]],
    first: list[Recipe],
    size: int,
    content: int | None,
    frame: int,
    form: Form,
) -> None:
    case = make_case(segments, first)
    limits = Limits(size=size, content=content, frame=frame, form=form)
    with folder() as out:
        made = spread(out / "one", case.segments, case.contents, limits, case.everywhere)
        check(made, case, limits)
        again = spread(
            out / "two", case.segments, case.contents, limits, case.everywhere, threads=3
        )
        for one, two in zip(made.paths, again.paths, strict=True):
            assert one.read_bytes() == two.read_bytes()


@settings(max_examples=30, deadline=None)
@given(segments=SEGMENTS, first=FIRST, form=st.sampled_from(["zst", "tar", "files"]))
def test_without_a_size_there_is_one_volume(
    segments: list[tuple[str, list[Recipe]]], first: list[Recipe], form: Form
) -> None:
    case = make_case(segments, first)
    if form == "files":  # where each blob is once
        case = without_doubles(case)
    limits = Limits(form=form)
    with folder() as out:
        made = spread(out, case.segments, case.contents, limits, case.everywhere)
        assert len(made.paths) == 1
        check(made, case, limits)
