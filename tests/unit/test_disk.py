from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from bundler.disk import (
    NoRoomError,
    atomic_write,
    locked,
    make_folder,
    no_room_explained,
    read_at_most,
    read_whole,
    require_folder,
    require_room,
    require_rooms,
    sweep_folder,
    sync_filesystem,
    sync_folder,
)
from bundler.errors import BundlerError
from bundler.model.artifact import Blob, Sha256

HELLO = Blob(Sha256("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"), 5)


def test_what_can_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for each in (tmp_path, tmp_path / "a" / "b", Path("a"), Path()):
        require_folder(each)


def test_what_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for each, there in (
        ("file", "file"),
        ("file/a/b", "file"),
        ("link", "link"),
        ("link/a", "link"),
    ):
        with pytest.raises(BundlerError) as info:
            require_folder(tmp_path / each)
        assert str(info.value) == f"{tmp_path / there} is not a folder"
        assert info.value.hint == "give a folder with -o"


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
        "import sys; from pathlib import Path; from bundler.disk import locked\n"
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


@pytest.mark.parametrize("umask", [0o077, 0o000])
@pytest.mark.parametrize(("mode", "above"), [(0o644, 0o755), (0o600, 0o700)])
def test_atomic_write_sets_modes_under_any_umask(
    tmp_path: Path, umask: int, mode: int, above: int
) -> None:
    path = tmp_path / "deep" / "folder" / "file"
    old = os.umask(umask)
    try:
        atomic_write(path, b"x", mode)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == above


def test_atomic_write_where_nobody_owns_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _mode: int) -> None:
        raise PermissionError(errno.EPERM, "mounted for everybody")

    monkeypatch.setattr(os, "fchmod", refuse)
    atomic_write(tmp_path / "file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_atomic_write_takes_the_longest_name(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    atomic_write(path, b"x")
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "big").mkdir()
    leftovers = [tmp_path / ".0123456789abcdef", tmp_path / "a" / "b" / ".00000000000000ff"]
    others = [
        tmp_path / "0123456789abcdef",
        tmp_path / ".0123456789abcdef0",
        tmp_path / ".0123456789abcdeF",
        tmp_path / "a" / ".hidden",
        tmp_path / "big" / ".0123456789abcdef",
    ]
    for path in (*leftovers, *others):
        path.touch()
    (tmp_path / "link").symlink_to("big")
    sweep_folder(tmp_path, but=[tmp_path / "big"])
    assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in others)


def test_make_folder_leaves_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(0o711)
    (tmp_path / "there").chmod(0o711)
    make_folder(tmp_path / "there")
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o711


def test_make_folder_may_be_raced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.mkdir

    def slower(self: Path, mode: int = 0o777) -> None:
        real(self)
        real(self, mode)

    monkeypatch.setattr(Path, "mkdir", slower)
    make_folder(tmp_path / "folder")
    assert (tmp_path / "folder").is_dir()


def test_make_folder_does_not_take_a_file_for_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError, match=r"Not a directory: '.*/file'"):
            make_folder(path)


def test_sync_folder_wants_a_folder(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "missing")


def test_sync_filesystem_wants_a_folder(tmp_path: Path) -> None:
    sync_filesystem(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_filesystem(tmp_path / "missing")


class _Library:
    """A C library whose disk is broken."""

    @staticmethod
    def syncfs(_descriptor: int) -> int:
        ctypes.set_errno(errno.EIO)
        return -1


def test_sync_filesystem_says_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: _Library())
    with pytest.raises(OSError, match="Input/output error"):
        sync_filesystem(tmp_path)


def test_sync_filesystem_where_the_system_syncs_only_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[None] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    monkeypatch.setattr(os, "sync", lambda: synced.append(None))
    sync_filesystem(tmp_path)
    assert synced == [None]


def test_read_whole_explains() -> None:
    with pytest.raises(BundlerError, match=r"/none cannot be read: No such file"):
        read_whole(Path("/none"))


def test_read_at_most_takes_no_more_memory_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    tracemalloc.start()
    try:
        assert read_at_most(path, 1 << 26) == b"abc"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert read_at_most(str(path), 2) == b"ab"
    with pytest.raises(FileNotFoundError):
        read_at_most(tmp_path / "none", 1)


def test_atomic_write_explains(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundlerError, match="file/x cannot be written"):
        atomic_write(tmp_path / "file" / "x", b"")


def test_what_will_not_fit_is_not_begun(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(NoRoomError, match=rf"{tmp_path}: {10**18} bytes are needed, \d+ are free"):
        require_room(tmp_path / "not" / "there", 10**18)
    require_room(tmp_path, free // 2)


def test_two_folders_on_one_disk_share_its_room(tmp_path: Path) -> None:
    most = shutil.disk_usage(tmp_path).free * 2 // 3
    (tmp_path / "cache").mkdir()
    require_rooms([(tmp_path / "cache", most)])
    with pytest.raises(NoRoomError, match=rf"{tmp_path / 'cache'} and {tmp_path}: "):
        require_rooms([(tmp_path / "cache", most), (tmp_path, most)])
