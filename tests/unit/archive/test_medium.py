from __future__ import annotations

from pathlib import Path

import pytest

from bundler.archive.head import HEAD_FILE
from bundler.archive.medium import PIPE, meant
from bundler.errors import BundlerError

VOLUMES = ("web-000007.v01.tar.zst", "web-000007.v02.tar", "web-000007.v10.tar.zst")
OTHERS = (
    "verify.py",
    "web-000007.v01.tar.zst.part",
    "web-000007.v01.tar.gz",
    "web-000007.staged",
    "Web-000007.v01.tar",
    "labels.txt",
)


def test_a_folder_stands_for_the_volumes_in_it(tmp_path: Path) -> None:
    for name in (*VOLUMES, *OTHERS):
        (tmp_path / name).touch()
    (tmp_path / "web-000007.locks").mkdir()
    (tmp_path / "web-000008.v01.tar").mkdir()  # is neither
    files = tmp_path / "web-000009.v01"
    files.mkdir()
    (files / HEAD_FILE).touch()
    assert meant([tmp_path]) == [*(tmp_path / name for name in VOLUMES), files]


def test_what_is_named_itself_is_meant_itself(tmp_path: Path) -> None:
    (tmp_path / HEAD_FILE).touch()
    (tmp_path / VOLUMES[0]).touch()
    odd, gone = tmp_path / "volume", tmp_path / "gone"
    odd.touch()
    assert meant([odd, PIPE, gone, tmp_path]) == [odd, PIPE, gone, tmp_path]


def test_a_folder_without_volumes_is_left_to_whoever_opens_it(tmp_path: Path) -> None:
    assert meant([tmp_path]) == [tmp_path]


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(BundlerError, match=f"{tmp_path}: permission denied"):
        meant([tmp_path])
