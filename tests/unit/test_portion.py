"""What a delta leaves out and what is sent again: which blobs, and what is refused."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundler.errors import RefusedError
from bundler.model.artifact import Blob, Sha256
from bundler.model.resend import LostBlob, LostVolume, encode
from bundler.packable import Described, Shape
from bundler.portion import asked_again, since, stream_of
from bundler.records import Packing, packings, recorded
from bundler.trust.authority import Authority
from tests.fakes.command import Site, site, succeed
from tests.fakes.wheels import build_wheel


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two sequences; the second was packed once more, in volumes smaller than `big`."""
    noise = random.Random(0).randbytes(900_000)  # noqa: S311 - so that nothing is compressed
    with site(tmp_path_factory.mktemp("site")) as made:
        assert made.create().exit_code == 0
        made.index.add(*build_wheel("big", "1.0", files={"big/noise": noise}))
        made.write_profile(["app", "big"])
        assert made.create("--volume-size", "600kB").exit_code == 0
        yield made


@pytest.fixture
def authority(finished: Site, tmp_path: Path) -> Authority:
    shutil.copytree(finished.folder / "home" / "streams" / "test", tmp_path / "test")
    return Authority.open(tmp_path / "test")


@pytest.fixture
def packing(authority: Authority) -> Packing:
    (found,) = packings(authority, 2)
    assert len(found.indexes) == len(found.volumes.volumes) > 1
    return found


def lost(packing: Packing, volume: int, *segments: int) -> LostVolume:
    return LostVolume(
        stream="test", sequence=2, volumes=packing.digest[:8], volume=volume, segments=segments
    )


def blobs_of(described: Described, *projects: str) -> set[Blob]:
    return {
        blob
        for document in described.documents
        if document.name in projects
        for file in document.files
        for blob in file.blobs()
    }


def test_a_delta_leaves_out_what_its_base_has(authority: Authority) -> None:
    found = since(authority, 1)
    described = recorded(authority, 2)
    assert {blob for blob in described.blobs() if found.wanted(blob)} == {
        *blobs_of(described, "big"),
        *(blob for name, blob in described.manifest.projects.items() if name == "big"),
        described.manifest.profile,
        *described.manifest.locks.values(),
    }
    shape = found.shape(Shape(size=1000, parity=2))
    assert (shape.kind, shape.base, shape.size, shape.parity) == ("delta", found.base, 1000, 2)


@pytest.mark.parametrize("before", [1, 2])
def test_a_base_that_is_not_earlier(authority: Authority, before: int) -> None:
    with pytest.raises(RefusedError) as caught:
        since(authority, 2, before)
    assert caught.value.message == f"a delta of sequence {before} of test cannot build on 2"
    assert since(authority, 1, 2).base.sequence == 1


def test_a_volume_brings_again_all_that_was_in_it(authority: Authority, packing: Packing) -> None:
    wanted: set[Blob] = set()
    for number, index in packing.indexes.items():
        found = asked_again(authority, [lost(packing, number)]).blobs
        packed = {blob for segment in index.segments for blob in segment.blobs}
        whole = {part.whole for part in index.slices.values()}
        assert found == {blob for blob in packed if blob.sha256 not in index.slices} | whole
        wanted |= found
    assert wanted == set(recorded(authority, 2).blobs())


def test_of_a_slice_all_of_the_blob(authority: Authority, packing: Packing) -> None:
    """What is missing of it over there is a part, but what was signed is the whole."""
    (number, segment) = next(
        (number, place)
        for number, index in packing.indexes.items()
        for place, segment in enumerate(index.segments, 1)
        if any(blob.sha256 in index.slices for blob in segment.blobs)
    )
    again = asked_again(authority, [lost(packing, number, segment)])
    big = blobs_of(again.described, "big")
    assert big <= again.blobs
    assert again.wanted(*big)
    assert again.shape(Shape()).kind == "resend"


def test_segments_bring_nothing_but_themselves(authority: Authority, packing: Packing) -> None:
    again = asked_again(authority, [lost(packing, 1, 1)])
    assert again.blobs == set(packing.indexes[1].segments[0].blobs)


def test_a_blob_by_its_digest(authority: Authority) -> None:
    (blob,) = blobs_of(recorded(authority, 2), "app")
    asked = LostBlob(stream="test", sequence=2, sha256=blob.sha256)
    assert asked_again(authority, [asked]).blobs == {blob}


def test_a_document_brings_its_files_along(authority: Authority) -> None:
    described = recorded(authority, 2)
    documents = {str(name): blob for name, blob in described.manifest.projects.items()}
    asked = LostBlob(stream="test", sequence=2, sha256=documents["lib"].sha256)
    expected = {documents["lib"], *blobs_of(described, "lib")}
    assert asked_again(authority, [asked]).blobs == expected
    assert len(expected) == 3


@pytest.mark.parametrize("sequence", [1, 3])
def test_resend_of_another_sequence_than_the_last(authority: Authority, sequence: int) -> None:
    asked = LostBlob(stream="test", sequence=sequence, sha256=Sha256("0" * 64))
    with pytest.raises(RefusedError) as caught:
        asked_again(authority, [asked])
    assert caught.value.message == (
        f"test sequence {sequence} is asked for again; of test only the last one can be sent again,"
        " 2"
    )
    assert "bundle create PROFILE --since N" in str(caught.value.hint)


def test_what_is_not_known_here(authority: Authority, packing: Packing) -> None:
    count = len(packing.indexes[1].segments)
    for asked, message in (
        (LostBlob(stream="test", sequence=2, sha256=Sha256("0" * 64)), f"the blob {'0' * 64} is"),
        (lost(packing, 99), f"no volume 99 of the set {packing.digest[:8]} was packed here"),
        (
            LostVolume(stream="test", sequence=2, volumes="00000000", volume=1),
            "no volume 1 of the set 00000000 was packed here as sequence 2 of test",
        ),
        (lost(packing, 1, 1, 9999), f"volume 1 of test has {count} segments; 9999 is asked for"),
    ):
        with pytest.raises(RefusedError) as caught:
            asked_again(authority, [asked])
        assert message in caught.value.message


def test_nothing_but_parity(
    authority: Authority, packing: Packing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the documents of volume 1 were none of the manifest's."""
    described = recorded(authority, 2)
    monkeypatch.setattr("bundler.portion.recorded", lambda *_: described)
    monkeypatch.setattr(Described, "blobs", lambda _: iter(()))
    with pytest.raises(RefusedError, match="what is asked for again brings no file") as caught:
        asked_again(authority, [lost(packing, 1, 1)])
    assert caught.value.hint == "bundle revolume"


def test_several_streams_at_once() -> None:
    asked = [LostBlob(stream=name, sequence=2, sha256=Sha256("0" * 64)) for name in ("b", "a", "b")]
    assert stream_of(asked[:1]) == "b"
    with pytest.raises(RefusedError, match="several streams are asked for again: a, b"):
        stream_of(asked)


def test_a_volume_that_was_lost_is_sent_again_and_the_rest_is_not(
    finished: Site, tmp_path: Path
) -> None:
    host = Site(tmp_path / "site", finished.index)
    shutil.copytree(finished.folder, host.folder)
    authority = Authority.open(host.folder / "home" / "streams" / "test")
    (packing,) = packings(authority, 2)
    blob = next(iter(blobs_of(recorded(authority, 2), "big")))
    words = ("create", "-o", tmp_path / "again", "--volume-size", "600kB", *host.home)
    code = encode(LostBlob(stream="test", sequence=2, sha256=blob.sha256))
    succeed(*words, "--resend", code)
    made = sorted(path.name for path in (tmp_path / "again").glob("*.zst"))
    assert made == ["test-000002.again.v01.tar.zst", "test-000002.again.v02.tar.zst"]
    assert len(packings(authority, 2)) == 2
    assert packing in packings(authority, 2)
