from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import pytest

from bundler.archive.folder import FolderWriter
from bundler.errors import BundlerError, DamagedError
from bundler.events import Advanced, Event, Observer, ignore
from bundler.model.artifact import Blob
from bundler.model.volume import VolumeIndex
from tests.fakes.volumes import MANIFEST, Contents, noise

NAME = "web-000007.v01"
EMPTY: Mapping[str, bytes] = MappingProxyType({})


def finish(writer: FolderWriter) -> VolumeIndex:
    return writer.finish().index(
        stream="web", sequence=7, volume=1, volumes=1, manifest=MANIFEST, head={}
    )


def path_of(blob: Blob) -> str:
    return f"{'files' if blob.size > 9 else 'documents'}/{blob.size}.x"


def write(folder: Path, *parts: bytes, observe: Observer = ignore) -> VolumeIndex:
    contents = Contents()
    with FolderWriter(folder / NAME, 8192, path_of, observe=observe) as writer:
        for part in parts:
            blob = contents.add(part)
            segment = writer.append("a 1", [blob], contents.open, lambda: None, phase="pack")
            assert segment.blobs == (blob,)
        index = finish(writer)
        writer.fill({"manifest.json": b"{}", index.name: index.to_bytes()})
        writer.reveal()
    return index


def test_a_folder_is_what_its_index_says(tmp_path: Path) -> None:
    events: list[Event] = []
    index = write(tmp_path, b"{}", noise(1000), observe=events.append)
    folder = tmp_path / NAME
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"head.tar", "documents/2.x", "files/1000.x", "end"}
    order = ["head.tar", "documents/2.x", "files/1000.x", "end"]
    joined = b"".join((folder / name).read_bytes() for name in order)
    assert (folder / "end").read_bytes() == bytes(1024)
    assert (index.form, index.size) == ("files", len(joined))
    for frame in index.frames():
        data = joined[frame.offset : frame.offset + frame.size]
        assert hashlib.sha256(data).hexdigest() == frame.sha256
        assert frame.length == frame.size
    blobs = [blob for segment in index.segments for blob in segment.blobs]
    assert [frame.sha256 for frame in index.frames()][:-1] == [blob.sha256 for blob in blobs]
    assert [index.paths[blob.sha256] for blob in blobs] == order[1:3]
    assert VolumeIndex.from_bytes(index.to_bytes()) == index
    with tarfile.open(folder / "head.tar") as head:
        assert head.getnames() == ["bundler-volume", "manifest.json", index.name]
    assert [event for event in events if isinstance(event, Advanced)] == [
        Advanced("pack", 1024),
        Advanced("pack", 512 + 1024),
    ]


def test_an_empty_folder_is_a_volume(tmp_path: Path) -> None:
    index = write(tmp_path)
    assert sorted(path.name for path in (tmp_path / NAME).iterdir()) == ["end", "head.tar"]
    assert VolumeIndex.from_bytes(index.to_bytes()) == index


def test_no_folder_is_left_when_it_is_not_revealed(tmp_path: Path) -> None:
    contents = Contents()
    with FolderWriter(tmp_path / NAME, 8192, path_of) as writer:
        writer.append("a", [contents.add(b"a")], contents.open, lambda: None, phase="pack")
        assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.part"]
    assert list(tmp_path.iterdir()) == []


def test_what_an_earlier_run_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part" / "files").mkdir(parents=True)
    (tmp_path / f"{NAME}.part" / "files" / "old.whl").touch()
    write(tmp_path, b"{}")
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert not (tmp_path / NAME / "files").exists()


def test_an_existing_folder_is_never_changed(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(BundlerError, match=f"{NAME} exists already") as info:
        write(tmp_path, b"{}")
    assert info.value.hint is not None
    assert info.value.hint.startswith("a written volume is never changed")
    assert list(tmp_path.rglob("*")) == [tmp_path / NAME]


def test_a_folder_that_appeared_meanwhile_is_not_changed(tmp_path: Path) -> None:
    with FolderWriter(tmp_path / NAME, 8192, path_of) as writer:
        (tmp_path / NAME).symlink_to("nowhere")
        with pytest.raises(BundlerError, match="exists already"):
            writer.reveal()
    assert (tmp_path / NAME).is_symlink()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("spoil", [b"", b"?", b"??"], ids=["short", "flipped", "long"])
def test_a_rotten_blob_does_not_cross(tmp_path: Path, spoil: bytes) -> None:
    blob = Contents().add(noise(3000))
    source = tmp_path / "source"
    source.write_bytes(noise(3000)[:-1] + spoil)

    def opened(_blob: Blob) -> BinaryIO:
        return source.open("rb")

    out = tmp_path / "out"
    out.mkdir()
    with (
        pytest.raises(DamagedError) as info,
        FolderWriter(out / NAME, 8192, path_of) as writer,
    ):
        writer.append("a", [blob], opened, lambda: None, phase="pack")
    assert info.value.message.startswith(f"{source} is damaged: it does not have the digest")
    assert list(out.iterdir()) == []


def test_a_head_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(BundlerError, match="the head of the volume needs 10752 bytes; 8192 are"),
        FolderWriter(tmp_path / NAME, 8192, path_of) as writer,
    ):
        writer.fill({"manifest.json": bytes(9000)})
    assert list(tmp_path.iterdir()) == []


def test_the_disk_has_all_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file and each folder was asked to be safe, and the last is the folder above."""
    asked: list[str] = []
    sync = os.fsync

    def record(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        asked.append(str(path).removeprefix(str(tmp_path)))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    write(tmp_path, b"{}", noise(1000))
    part = f"/{NAME}.part"
    names = ["documents/2.x", "files/1000.x", "end", "head.tar"]
    assert asked[:4] == [f"{part}/{name}" for name in names]
    assert sorted(asked[4:6]) == [f"{part}/documents", f"{part}/files"]
    assert asked[6:] == [part, ""]
