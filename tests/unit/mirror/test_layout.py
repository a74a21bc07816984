from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from bundler.errors import BundlerError, RefusedError
from bundler.mirror.layout import Mirror, metadata_path, provenance_path
from tests.fakes.mirrors import blob_of, bundled
from tests.fakes.wheels import build_wheel

_MEMORY = "/dev/shm"  # noqa: S108 - only random names are made in it


def test_create_makes_every_folder_and_may_be_repeated(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "mirror"
    mirror = Mirror.create(root)
    mirror.store.put(b"kept")
    again = Mirror.create(root)
    assert again == mirror == Mirror.open(root)
    assert again.has(blob_of(b"kept"))
    assert {path.name for path in root.iterdir()} == {"files", ".bundler"}
    assert {path.name for path in mirror.state.iterdir()} == {"blobs", "generations", "trust"}


def test_open_says_how_a_mirror_is_made(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match=r"nowhere is not a folder") as absent:
        Mirror.open(tmp_path / "nowhere")
    with pytest.raises(BundlerError, match=r"is not a mirror") as empty:
        Mirror.open(tmp_path)
    hint = "`bundle trust pin ROOT --into MIRROR` makes a mirror"
    assert absent.value.hint == empty.value.hint == hint


@pytest.mark.parametrize("taken", ["simple", "files"])
def test_create_leaves_a_folder_of_another_program_alone(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).mkdir()
    with pytest.raises(BundlerError, match="holds files of another program"):
        Mirror.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [taken]


def test_create_below_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BundlerError, match="cannot make a mirror in"):
        Mirror.create(tmp_path / "file" / "mirror")


def test_has_finds_stored_and_filed_blobs_of_the_right_size_only(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    wheel = build_wheel("demo", "1.0")
    file = bundled(wheel)
    assert not mirror.has(file.blob)
    mirror.store.put(wheel[1])
    assert mirror.locate(file.blob) == mirror.store.path(file.blob.sha256)

    filed = mirror.file_path(file)
    filed.parent.mkdir(parents=True)
    metadata_path(filed).write_bytes(wheel[1])
    assert mirror.locate(file.blob) == mirror.store.path(file.blob.sha256)
    mirror.store.path(file.blob.sha256).rename(filed)
    assert mirror.locate(file.blob) == filed

    filed.write_bytes(b"short")
    assert not mirror.has(file.blob)
    filed.unlink()
    filed.symlink_to(tmp_path / "elsewhere")
    assert not mirror.has(file.blob)
    filed.unlink()
    filed.mkdir()
    assert not mirror.has(file.blob)


def test_a_file_in_place_of_a_folder_is_no_blob(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    blob = blob_of(b"data")
    mirror.file_folder(blob.sha256).parent.mkdir()
    mirror.file_folder(blob.sha256).write_bytes(b"data")
    assert not mirror.has(blob)


def test_files_stand_under_their_digest(tmp_path: Path) -> None:
    file = bundled(build_wheel("demo", "1.0+local.1"))
    path = Mirror(tmp_path).file_path(file)
    digest = file.blob.sha256
    expected = f"files/{digest[:2]}/{digest}/demo-1.0+local.1-py3-none-any.whl"
    assert path.relative_to(tmp_path).as_posix() == expected
    assert metadata_path(path).name == "demo-1.0+local.1-py3-none-any.whl.metadata"


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_a_mirror_has_the_same_modes_under_any_umask(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        mirror = Mirror.create(tmp_path / "deep" / "mirror")
        with mirror.locked():
            pass
    finally:
        os.umask(old)
    for folder in (mirror.root, mirror.files, mirror.state, mirror.generations):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755, folder
    for folder in (mirror.trust, mirror.store.root):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert stat.S_IMODE(mirror.lock.stat().st_mode) == 0o600


@pytest.mark.skipif(not os.access(_MEMORY, os.W_OK), reason="needs a second filesystem")
@pytest.mark.parametrize("part", ["files", ".bundler"])
def test_a_mirror_on_two_filesystems_is_refused_at_once(tmp_path: Path, part: str) -> None:
    mirror = Mirror.create(tmp_path / "mirror")
    with tempfile.TemporaryDirectory(dir=_MEMORY) as other:
        if Path(other).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("the temporary folder is there, too")
        shutil.move(mirror.root / part, other)
        (mirror.root / part).symlink_to(Path(other) / part)
        for enter in (Mirror.open, Mirror.create):
            with pytest.raises(BundlerError, match=f"/{part} is on another filesystem") as caught:
                enter(mirror.root)
            assert caught.value.hint
            assert "must lie on one filesystem" in caught.value.hint


def test_a_mirror_whose_files_are_gone_can_be_opened(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    mirror.files.rmdir()
    assert Mirror.open(tmp_path) == mirror


@pytest.mark.parametrize("length", [245, 244])
def test_a_filename_leaves_room_for_what_stands_beside_it(tmp_path: Path, length: int) -> None:
    tag = "a" * (length - len("demo-1.0-py3-none-.whl"))
    file = bundled(build_wheel("demo", "1.0"), filename=f"demo-1.0-py3-none-{tag}.whl")
    if length > 244:
        with pytest.raises(RefusedError, match="cannot be the name of a file in a mirror"):
            Mirror(tmp_path).file_path(file)
    else:
        assert len(provenance_path(Mirror(tmp_path).file_path(file)).name) == 255


@pytest.mark.parametrize(
    "filename",
    ["demo-1.0-py3-none-../../../x.whl", ".demo-1.0-py3-none-any.whl", "demo 1.whl", "a\0.whl", ""],
)
def test_a_filename_cannot_leave_its_folder(tmp_path: Path, filename: str) -> None:
    file = bundled(build_wheel("demo", "1.0"), filename=filename)
    with pytest.raises(RefusedError, match="cannot be the name of a file in a mirror"):
        Mirror(tmp_path).file_path(file)


def test_the_lock_is_for_one(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    with mirror.locked(), pytest.raises(BundlerError, match="another bundle command is using"):
        mirror.locked().__enter__()
    with mirror.locked():
        pass
