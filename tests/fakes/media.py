"""Volumes in hand: looked into, copied, scratched; and what a mirror made of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from bundler.events import Noticed
from bundler.model.volume import VolumeIndex, is_index_name
from tests.fakes.sender import Receiver, Wheel
from tests.fakes.volumes import read_volume_head


def index_of(volume: Path) -> VolumeIndex:
    entries = read_volume_head(volume).entries
    (name,) = filter(is_index_name, entries)
    return VolumeIndex.from_bytes(entries[name])


def copy(volume: Path, folder: Path) -> Path:
    target = folder / f"copy-{volume.name}"
    if volume.is_dir():
        shutil.copytree(volume, target)
    else:
        shutil.copy(volume, target)
    return target


def flip(volume: Path, *offsets: int) -> Path:
    data = bytearray(volume.read_bytes())
    for offset in offsets:
        data[offset] ^= 1
    volume.write_bytes(data)
    return volume


def notices(receiver: Receiver) -> list[str]:
    return [event.message for event in receiver.heard if isinstance(event, Noticed)]


def check_whole(receiver: Receiver, wheels: list[Wheel]) -> None:
    """All of it is served, each byte, and nothing is left over."""
    served = {Path(name).name: data for name, data in receiver.served().items()}
    for name, data in wheels:
        assert served[name] == data
    state = receiver.mirror.state
    assert not receiver.mirror.arrived.exists()
    assert not (state / "blobs" / "sliced").exists()
    assert list(receiver.mirror.store.scratch.iterdir()) == []
