"""What a stream's folder keeps of its sequences: enough to describe them again without a cache."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bundler.archive.store import BlobStore
from bundler.errors import BundlerError, DamagedError, IncompleteError, RefusedError
from bundler.model.manifest import Manifest
from bundler.model.volume_set import VolumeSet
from bundler.records import (
    documents_of,
    keep,
    packings,
    read_manifest,
    recorded,
    sha256_of,
)
from bundler.trust.authority import Authority
from tests.fakes.command import Site, site
from tests.fakes.trust import make_index, make_manifest, make_set, make_stream


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three sequences; the second and third have another `app` than the first. No cache."""
    with site(tmp_path_factory.mktemp("site")) as made:
        made.make_sequences(2)
        assert made.create().exit_code == 0
        shutil.rmtree(made.folder / "home" / "cache")
        yield made


@pytest.fixture
def authority(finished: Site, tmp_path: Path) -> Authority:
    """A stream's folder of its own."""
    shutil.copytree(finished.folder / "home" / "streams" / "test", tmp_path / "test")
    return Authority.open(tmp_path / "test")


def test_a_sequence_is_described_again_without_a_cache(authority: Authority) -> None:
    first, second = recorded(authority, 1), recorded(authority, 2)
    assert first.manifest.sequence == 1
    assert sorted(file.filename for file in first.files()) == [
        "app-1.0-py3-none-any.whl",
        "lib-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
        "lib-1.0-cp312-cp312-win_amd64.whl",
    ]
    assert {str(version) for _, version, _ in second.releases()} == {"2.0", "1.0"}
    assert [document.name for document in second.documents] == list(second.manifest.projects)
    assert set(second.locks) == set(second.manifest.locks)
    for name, data in second.locks.items():
        assert sha256_of(data) == second.manifest.locks[name].sha256


def test_sequences_share_their_documents(authority: Authority) -> None:
    store = documents_of(authority)
    kept = {path.name for path in (store.root / "sha256").rglob("*") if path.is_file()}
    described = [recorded(authority, number) for number in (1, 2, 3)]
    wheels = {file.blob for each in described for file in each.files()}
    named = {blob for each in described for blob in each.blobs()} - wheels
    assert kept == {blob.sha256 for blob in named}
    assert described[1].manifest.projects == described[2].manifest.projects


def test_the_packings_of_the_last_two_sequences_are_kept(authority: Authority) -> None:
    assert packings(authority, 1) == ()
    for number in (2, 3):
        (packing,) = packings(authority, number)
        assert packing.volumes.sequence == number
        assert sha256_of(packing.volumes.to_bytes()) == packing.digest
        assert packing.indexes[1].sequence == number
        assert packing.indexes[1].segments[0].label == "documents"


@pytest.mark.parametrize("sequence", [0, -1, 4, 100])
def test_a_sequence_that_was_never_made(authority: Authority, sequence: int) -> None:
    with pytest.raises(RefusedError) as caught:
        recorded(authority, sequence)
    assert caught.value.message == (
        f"this host has made no sequence {sequence} of test; the last one is 3"
    )
    assert str(authority.folder / "manifests") in str(caught.value.hint)


def test_a_manifest_that_a_crash_has_left_is_none_that_was_made(authority: Authority) -> None:
    (authority.folder / "manifests" / "000004.json").write_bytes(read_manifest(authority, 3))
    with pytest.raises(RefusedError, match="no sequence 4 of test"):
        read_manifest(authority, 4)


def test_a_number_that_a_crash_has_cost(authority: Authority) -> None:
    (authority.folder / "manifests" / "000002.json").unlink()
    with pytest.raises(RefusedError, match="no sequence 2 of test; the last one is 3"):
        read_manifest(authority, 2)


def test_a_stream_without_a_sequence(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="it has none yet") as caught:
        recorded(make_stream(tmp_path).authority, 1)
    assert caught.value.hint == "the first bundle is a full one"


def test_a_lost_and_a_damaged_document(authority: Authority) -> None:
    manifest = Manifest.from_bytes(read_manifest(authority, 2))
    path = documents_of(authority).path(next(iter(manifest.projects.values())).sha256)
    good = path.read_bytes()
    path.write_bytes(good.replace(b"app", b"evl"))
    with pytest.raises(DamagedError) as damaged:
        recorded(authority, 2)
    assert damaged.value.message == (
        f"the record of sequence 2 of test is damaged: {path} is not what its name says"
    )
    path.unlink()
    with pytest.raises(IncompleteError) as lost:
        recorded(authority, 2)
    assert lost.value.message == (f"the record of sequence 2 of test is not whole: {path} is lost")
    assert lost.value.hint == (
        f"put back a copy of {documents_of(authority).root}, or go on with a full bundle"
    )


def test_a_damaged_manifest(authority: Authority) -> None:
    (authority.folder / "manifests" / "000002.json").write_bytes(b"{}")
    with pytest.raises(DamagedError, match="record of sequence 2 of test is damaged: manifest: no"):
        recorded(authority, 2)


@pytest.mark.parametrize("name", ["test-000003.set.json", "test-000003.v01.json"])
def test_a_damaged_packing(authority: Authority, name: str) -> None:
    (path,) = (authority.folder / "packed" / "000003").rglob(name)
    path.write_bytes(path.read_bytes().replace(b'"sequence":3', b'"sequence":-'))
    with pytest.raises(DamagedError, match=" is damaged: ") as caught:
        packings(authority, 3)
    assert str(path.parent) in caught.value.message


def test_keeping_what_is_damaged_in_the_cache(tmp_path: Path, authority: Authority) -> None:
    cache = BlobStore(tmp_path / "cache", durable=False)
    described = recorded(authority, 3)
    profile = cache.put(b"[profile]\nother\n")
    cache.path(profile.sha256).write_bytes(b"[profile]\nOTHER\n")
    changed = replace(described, manifest=replace(described.manifest, profile=profile))
    with pytest.raises(DamagedError, match=f"the document {profile.sha256} in the cache is"):
        keep(authority, changed, {}, cache.open)
    assert not documents_of(authority).has(profile)


def test_a_disk_that_takes_nothing(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise BundlerError("no room left")

    monkeypatch.setattr("bundler.records.atomic_write", full)
    described = recorded(authority, 3)
    manifest = make_manifest("test", 3)
    index = make_index(manifest, authority.root_chain())
    volumes: VolumeSet = make_set(manifest, [index])
    packed = {index.name: index.to_bytes(), volumes.name: volumes.to_bytes()}
    with pytest.raises(BundlerError, match="no room left"):
        keep(authority, described, packed, documents_of(authority).open)
    assert len(packings(authority, 2)) == 1


def test_what_a_crash_has_left_of_a_packing_counts_for_nothing(authority: Authority) -> None:
    (packing,) = packings(authority, 3)
    (path,) = (authority.folder / "packed" / "000003").rglob("test-000003.set.json")
    shutil.copytree(path.parent, path.parent.with_name("0" * 64))
    (path.parent.with_name("0" * 64) / path.name).unlink()
    assert packings(authority, 3) == (packing,)
