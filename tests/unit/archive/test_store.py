from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bundler.archive.store import BlobStore
from bundler.errors import DamagedError, IncompleteError, RefusedError
from bundler.model.artifact import Blob, Sha256

HELLO = Blob(Sha256("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"), 5)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


def test_a_blob_that_was_put_is_there(store: BlobStore) -> None:
    assert not store.has(HELLO)
    assert store.put(b"hello") == HELLO
    assert store.has(HELLO)
    assert store.path(HELLO.sha256) == store.root / "sha256" / "2c" / HELLO.sha256
    with store.open(HELLO) as file:
        assert file.read() == b"hello"
    assert store.read(HELLO, limit=5) == b"hello"
    assert list(store.scratch.iterdir()) == []


def test_putting_again_writes_nothing(store: BlobStore) -> None:
    store.put(b"hello")
    before = store.path(HELLO.sha256).stat()
    store.put(b"hello")
    assert store.path(HELLO.sha256).stat().st_ino == before.st_ino


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_blobs_are_for_their_owner_under_any_umask(store: BlobStore, umask: int) -> None:
    old = os.umask(umask)
    try:
        store.put(b"hello")
    finally:
        os.umask(old)
    for path in [store.root, *store.root.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_sync_reaches_every_folder_of_the_blobs(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, synced = store.put(b"other"), []
    store.put(b"hello")
    store.put(b"a third")

    def note(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", note)
    store.sync([HELLO, other, HELLO])
    below = store.root / "sha256"
    wanted = [below / HELLO.sha256[:2], below / other.sha256[:2], below, store.root]
    assert sorted(synced) == sorted(folder.stat().st_ino for folder in wanted)


def test_a_file_of_another_size_is_not_the_blob(store: BlobStore) -> None:
    store.put(b"hello")
    store.path(HELLO.sha256).write_bytes(b"hell")
    assert not store.has(HELLO)
    with pytest.raises(IncompleteError, match=f"does not have the blob {HELLO.sha256} of 5 bytes"):
        store.open(HELLO)
    store.put(b"hello")
    assert store.read(HELLO, limit=5) == b"hello"


def test_a_link_or_folder_in_its_place_is_not_the_blob(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"hello")
    path = store.path(HELLO.sha256)
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere")
    assert not store.has(HELLO)
    path.unlink()
    path.mkdir()
    assert not store.has(HELLO)


def test_a_file_where_a_folder_should_be_hides_the_blob(store: BlobStore) -> None:
    store.root.mkdir()
    (store.root / "sha256").write_bytes(b"")
    assert not store.has(HELLO)


def test_read_refuses_what_is_too_large(store: BlobStore) -> None:
    store.put(b"hello")
    with pytest.raises(RefusedError, match="has 5 bytes; at most 4 are accepted"):
        store.read(HELLO, limit=4)


def test_read_finds_rot(store: BlobStore) -> None:
    store.put(b"hello")
    store.path(HELLO.sha256).write_bytes(b"hellO")
    with pytest.raises(DamagedError, match="is damaged: its digest is not the one in its name"):
        store.read(HELLO, limit=5)


def test_adopt_renames(store: BlobStore) -> None:
    temp = store.scratch / "download"
    temp.write_bytes(b"hello")
    store.adopt(HELLO, temp)
    assert not temp.exists()
    assert store.read(HELLO, limit=5) == b"hello"


def test_a_cache_does_not_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    BlobStore(tmp_path, durable=False).put(b"hello")
    assert synced == []
    BlobStore(tmp_path).put(b"other")
    assert len(synced) == 1


def test_a_scratch_file_that_nobody_adopted_goes_away(store: BlobStore) -> None:
    with pytest.raises(TypeError), store.new_file() as file:
        file.write("not bytes")  # type: ignore[call-overload] # a failure in the middle
    assert list(store.scratch.iterdir()) == []
