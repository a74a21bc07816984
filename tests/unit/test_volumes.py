"""Volumes, deltas and what is lost of them: from a packing host to what is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import DamagedError, IncompleteError, TrustError
from bundler.mirror.arrivals import missing_in
from bundler.model.artifact import Sha256
from bundler.model.volume_set import Base
from bundler.packable import Shape
from tests.fakes.sender import Receiver, Sender, Wheel, make_receiver, make_sender, wheel

SIZE = 320_000
WHEELS = [wheel(name, size=100_000) for name in ("alpha", "beta", "gamma", "delta", "eps")]


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Sender:
    return make_sender(tmp_path_factory.mktemp("sender"))


@pytest.fixture(scope="module")
def volumes(sender: Sender) -> list[Path]:
    found = sender.send(WHEELS, volume_size=SIZE)
    assert len(found) == 3
    return found


@pytest.fixture
def receiver(sender: Sender, tmp_path: Path) -> Receiver:
    return make_receiver(sender, tmp_path / "mirror")


def test_all_at_once(receiver: Receiver, volumes: list[Path]) -> None:
    (one,) = receiver.unpack(*volumes)
    assert one.published is not None
    assert receiver.live == 1
    assert not receiver.mirror.arrived.exists()


def test_over_days_in_any_order(receiver: Receiver, volumes: list[Path]) -> None:
    for path in (volumes[2], volumes[0]):
        with pytest.raises(IncompleteError) as caught:
            receiver.unpack(path)
    print(caught.value.message, caught.value.hint)
    receiver.unpack(volumes[1])
    assert receiver.live == 1


def test_dbg(receiver: Receiver, sender: Sender, volumes: list[Path], tmp_path) -> None:
    import io
    from bundler.receive import read_volume_head
    for v in volumes:
        h = read_volume_head(v)
        from bundler.model.volume import VolumeIndex, is_index_name
        (n,) = [n for n in h.entries if is_index_name(n)]
        i = VolumeIndex.from_bytes(h.entries[n])
        print(v.name, v.stat().st_size, [(s.label, len(s.blobs)) for s in i.segments], len(i.slices))
    data = bytearray(volumes[1].read_bytes())
    data[-100_000] ^= 1
    data[-250_000] ^= 1
    p = tmp_path/"x.tar.zst"; p.write_bytes(data)
    with pytest.raises(DamagedError) as c:
        receiver.unpack(volumes[0], p, volumes[2])
    print(c.value.message); print(c.value.hint)
    for m in missing_in(receiver.mirror, print): print(m.sets, m.blobs)
    s2 = make_sender(tmp_path)
    W = [wheel("big", size=1_000_000), wheel("tiny"), wheel("tiny2", size=200_000)]
    v = s2.send(W, volume_size=SIZE)
    print([x.name for x in v])
    r = make_receiver(s2, tmp_path/"m2")
    r.unpack(*v[::-1])
    assert r.live == 1
    v = s2.send([*W[1:], wheel("new")], since=1)
    r.unpack(*v)
    assert r.live == 2
    for form in ("tar", "files"):
        r = make_receiver(s2, tmp_path/form)
        v = s2.again([*W[1:], wheel("new")], shape=Shape(form=form))
        r.unpack(*v)
        assert r.live == 2
