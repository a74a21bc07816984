"""Sets with parity: any as many volumes as there are parity volumes may be lost or damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bundler.archive import spread
from bundler.archive.head import read_head
from bundler.archive.parity import encode
from bundler.errors import BundlerError, DamagedError, IncompleteError
from bundler.events import Noticed
from bundler.mirror.recover import parity_store
from bundler.model.parity import Column, ParityDocument
from bundler.model.volume_set import VolumeSet
from bundler.packable import Shape
from tests.fakes.sender import Receiver, Sender, Wheel, damage, make_receiver, make_sender, wheel
from tests.fakes.trust import blob

SIZE = 360_000
WHEELS = [wheel("cut", size=500_000), *(wheel(f"lib{n}", size=60_000) for n in range(8))]


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    return make_sender(tmp_path)


@pytest.fixture
def receiver(sender: Sender, tmp_path: Path) -> Receiver:
    return make_receiver(sender, tmp_path / "mirror")


@pytest.fixture
def whole(sender: Sender, tmp_path: Path) -> Receiver:
    """Another mirror, to which everything comes."""
    return make_receiver(sender, tmp_path / "whole")


def sent(sender: Sender, parity: int = 2, wheels: list[Wheel] = WHEELS) -> list[Path]:
    volumes = sender.send(wheels, volume_size=SIZE, shape=Shape(parity=parity))
    assert all(path.stat().st_size <= SIZE for path in volumes)
    return volumes


def words(receiver: Receiver) -> str:
    return "\n".join(each.message for each in receiver.heard if isinstance(each, Noticed))


def test_any_two_volumes_may_be_lost(sender: Sender, tmp_path: Path, whole: Receiver) -> None:
    volumes = sent(sender)
    assert len(volumes) == 7
    whole.unpack(*volumes)
    for lost in ((0, 1), (0, 6), (2, 5), (3, 4), (5, 6)):
        receiver = make_receiver(sender, tmp_path / f"mirror{lost[0]}{lost[1]}")
        receiver.unpack(*(path for number, path in enumerate(volumes) if number not in lost))
        assert receiver.live == 1
        assert receiver.served() == whole.served()
        assert not (receiver.mirror.state / "parity").exists()


def test_they_may_come_one_by_one_in_any_order(
    sender: Sender, receiver: Receiver, whole: Receiver
) -> None:
    volumes = sent(sender)
    whole.unpack(*volumes)
    *before, last = (volumes[number] for number in (5, 3, 0, 4, 6))
    for path in before:
        with pytest.raises(IncompleteError, match=r"of 7 volumes, .* arrived"):
            receiver.unpack(path)
    receiver.unpack(last)
    assert receiver.served() == whole.served()
    assert "rebuilt from parity: " in words(receiver)
    assert "cut-1.0-py3-none-any.whl" in words(receiver)


def test_three_are_too_many(sender: Sender, receiver: Receiver) -> None:
    volumes = sent(sender)
    with pytest.raises(IncompleteError, match="volume 2 of 7 is missing"):
        receiver.unpack(volumes[0], *volumes[4:6])
    assert receiver.live == 0


def test_damage_is_mended_and_told(sender: Sender, receiver: Receiver, whole: Receiver) -> None:
    volumes = sent(sender)
    whole.unpack(*volumes)
    for path in volumes[1:3]:
        damage(path, lambda data: len(data) * 2 // 3)
    before = [path.read_bytes() for path in volumes]
    receiver.unpack(*volumes)
    assert receiver.served() == whole.served()
    assert f"not needed any more: {volumes[1]}" in words(receiver)
    assert [path.read_bytes() for path in volumes] == before


def test_a_damaged_volume_that_comes_last(
    sender: Sender, receiver: Receiver, whole: Receiver
) -> None:
    """What is whole of it helps; for the rest there is parity."""
    volumes = sent(sender)
    whole.unpack(*volumes)
    damage(volumes[3], lambda data: len(data) - 20_000)
    with pytest.raises(IncompleteError):
        receiver.unpack(*volumes[1:3], *volumes[5:])
    receiver.unpack(volumes[3])
    assert receiver.served() == whole.served()


def test_damage_with_too_little_parity_is_a_refusal(sender: Sender, receiver: Receiver) -> None:
    volumes = sent(sender, parity=1)
    for path in volumes[:2]:
        damage(path, lambda data: len(data) * 2 // 3)
    with pytest.raises(DamagedError, match="its bytes are not those that were signed"):
        receiver.unpack(*volumes)
    assert receiver.live == 0


def test_one_volume_may_have_parity(sender: Sender, receiver: Receiver) -> None:
    (_, parity) = sender.send(WHEELS[1:3], shape=Shape(parity=1))
    receiver.unpack(parity)
    assert receiver.live == 1


def test_what_rots_here_is_rebuilt_as_well(
    sender: Sender, receiver: Receiver, whole: Receiver
) -> None:
    volumes = sent(sender)
    whole.unpack(*volumes)
    with pytest.raises(IncompleteError):
        receiver.unpack(*volumes[1:5])
    paths = [receiver.mirror.store.path(blob(data).sha256) for _, data in WHEELS]
    for rotten in [path for path in paths if path.exists()][:1]:
        rotten.write_bytes(bytes(byte ^ 1 for byte in rotten.read_bytes()))
    receiver.unpack(*volumes[5:])
    assert receiver.served() == whole.served()


def test_filed_files_that_rot_are_not_touched(sender: Sender, receiver: Receiver) -> None:
    receiver.unpack(*sender.send(WHEELS[:2]))
    filed = next(receiver.mirror.files.rglob("cut-*.whl"))
    content = bytes(byte ^ 1 for byte in filed.read_bytes())
    filed.write_bytes(content)
    volumes = sent(sender)
    with pytest.raises(DamagedError, match="damaged"):
        receiver.unpack(*volumes[:3], *volumes[4:6])
    assert filed.read_bytes() == content


def test_the_packing_host_brings_in_nothing_by_parity(
    sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column that names a blob which no officer signed: it is computed, and not taken."""
    evil = b"MZ" + bytes(5000)
    sender.contents[blob(evil)] = evil

    def lying(columns: list[Column], *arguments: object, **more: object) -> ParityDocument:
        first = replace(columns[0], blobs=(*columns[0].blobs, blob(evil)))
        return encode([first, *columns[1:]], *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(spread, "encode", lying)
    volumes = sender.send(WHEELS[1:4], shape=Shape(parity=1))
    receiver.unpack(volumes[1])
    assert receiver.live == 1
    assert not receiver.mirror.has(blob(evil))
    assert not (receiver.mirror.state / "parity").exists()


def test_a_document_that_is_none(
    sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ParityDocument, "to_bytes", lambda _self: b"{}")
    volumes = sender.send(WHEELS[1:3], shape=Shape(parity=1))
    with pytest.raises(DamagedError, match=r"parity document .* is not understood"):
        receiver.unpack(volumes[1])


def test_a_row_that_fits_into_no_volume(sender: Sender) -> None:
    with pytest.raises(BundlerError, match="is too small"):
        sender.send(WHEELS, volume_size=140_000, shape=Shape(parity=2))


def test_parity_of_two_sequences_is_kept_apart(sender: Sender, receiver: Receiver) -> None:
    first, second = sent(sender), sent(sender, wheels=[*WHEELS, wheel("more", size=60_000)])
    for volumes in (first, second):
        with pytest.raises(IncompleteError):
            receiver.unpack(volumes[-1])
    receiver.unpack(*first[1:])
    assert receiver.live == 1
    assert parity_store(receiver.mirror, "web", 2).root.exists()
    assert not parity_store(receiver.mirror, "web", 1).root.exists()


def test_the_set_says_which_volumes_are_parity(sender: Sender) -> None:
    with sent(sender)[-1].open("rb") as file:
        head = read_head(file)
    found = VolumeSet.from_bytes(head.entries["transport/web-000001.set.json"])
    assert [each.parity for each in found.volumes] == [False] * 5 + [True] * 2
    assert found.parity is not None


def test_they_may_come_through_a_pipe(sender: Sender, receiver: Receiver) -> None:
    volumes = sent(sender)
    pipe = b"".join(path.read_bytes() for path in volumes[2:])
    receiver.unpack(Path("-"), pipe=pipe)
    assert receiver.live == 1
