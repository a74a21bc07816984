from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bundler.archive.store import BlobStore, atomic_write, locked, no_room_explained, sync_folder
from bundler.errors import BundlerError, DamagedError, IncompleteError, RefusedError
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


def test_files_are_readable_as_the_umask_says(store: BlobStore) -> None:
    old = os.umask(0o022)
    try:
        store.put(b"hello")
    finally:
        os.umask(old)
    assert stat.S_IMODE(store.path(HELLO.sha256).stat().st_mode) == 0o644


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


def test_a_scratch_file_that_nobody_adopted_goes_away(store: BlobStore) -> None:
    with pytest.raises(TypeError), store.new_file() as file:
        file.write("not bytes")  # type: ignore[call-overload] # a failure in the middle
    assert list(store.scratch.iterdir()) == []


def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    with (
        pytest.raises(BundlerError, match=r"no room left in .*: 7 bytes are needed, \d+ are free"),
        no_room_explained(tmp_path, 7),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_other_errors_of_the_system_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), no_room_explained(tmp_path, 7):
        (tmp_path / "missing").read_bytes()


def test_a_lock_is_held_by_one_process(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    script = (
        "import sys; from pathlib import Path; from bundler.archive.store import locked\n"
        "with locked(Path(sys.argv[1]), 'the mirror'): print('got it')"
    )
    command = [sys.executable, "-c", script, str(path)]
    with locked(path, "the mirror"):
        with (
            pytest.raises(BundlerError, match="another bundle command is using the mirror") as info,
            locked(path, "the mirror"),
        ):
            pass
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "another bundle command is using the mirror" in second.stderr
    assert info.value.hint == "wait until it has ended, then run this command again"
    with locked(path, "the mirror"):
        pass


def test_atomic_write_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    atomic_write(path, b"one, and longer")
    atomic_write(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_leaves_the_old_file_when_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    atomic_write(path, b"one")

    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_sync_folder_wants_a_folder(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "missing")
