"""Deltas: in order, out of order, upon a base that is wrong, lost or skipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bundler.errors import IncompleteError, TrustError
from bundler.events import ignore
from bundler.mirror.arrivals import missing_in
from bundler.mirror.journal import read_history
from bundler.model.artifact import Sha256
from bundler.model.volume_set import Base
from bundler.packable import Shape
from tests.fakes.command import bundle, read_json, succeed
from tests.fakes.media import check_whole, notices
from tests.fakes.sender import Receiver, Sender, Wheel, make_receiver, make_sender, wheel

SIZE = 320_000


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sender, list[list[Path]]]:
    """Sequence 1, and a delta for each of 2, 3 and 4 upon the one before."""
    sender = make_sender(tmp_path_factory.mktemp("chain"))
    sets = [sender.send(versions(1))]
    sets += [sender.send(versions(number), since=number - 1) for number in (2, 3, 4)]
    return sender, sets


def versions(number: int) -> list[Wheel]:
    """Of 4, lib came with 2 and tool with 3."""
    return [
        wheel("same", size=5000),
        wheel("app", f"{number}.0"),
        wheel("lib", f"{min(number, 2)}.0"),
        wheel("tool", "1.0" if number < 3 else "3.0"),
    ]


@pytest.fixture
def deltas(chain: tuple[Sender, list[list[Path]]], tmp_path: Path) -> tuple[Receiver, list[Path]]:
    sender, sets = chain
    return make_receiver(sender, tmp_path / "mirror"), [paths[0] for paths in sets]


def test_deltas_one_after_the_other(deltas: tuple[Receiver, list[Path]]) -> None:
    receiver, paths = deltas
    for number, path in enumerate(paths, start=1):
        receiver.unpack(path)
        assert receiver.live == number
    check_whole(receiver, versions(4))


def test_deltas_out_of_order_wait(deltas: tuple[Receiver, list[Path]]) -> None:
    receiver, (first, second, third, fourth) = deltas
    receiver.unpack(first)
    with pytest.raises(IncompleteError) as caught:
        receiver.unpack(fourth)
    assert caught.value.message.startswith(
        "web sequence 4 builds on sequence 3, which is not here (1 is)\n"
    )
    assert caught.value.hint == "bring sequence 3, or have a delta made with --since 1"
    with pytest.raises(IncompleteError, match="web sequence 3 builds on sequence 2, which is not"):
        receiver.unpack(third)
    assert receiver.live == 1
    assert [one.admission.sequence for one in receiver.unpack(second)] == [2, 3, 4]
    assert receiver.live == 4
    check_whole(receiver, versions(4))


def test_deltas_in_one_call_in_any_order(deltas: tuple[Receiver, list[Path]]) -> None:
    receiver, paths = deltas
    assert [one.admission.sequence for one in receiver.unpack(*paths[::-1])] == [1, 2, 3, 4]
    check_whole(receiver, versions(4))


def test_a_skipped_base_with_nothing_live(deltas: tuple[Receiver, list[Path]]) -> None:
    receiver, paths = deltas
    with pytest.raises(IncompleteError) as caught:
        receiver.unpack(paths[1])
    assert "builds on sequence 1, which is not here (none is)" in caught.value.message
    assert caught.value.hint == "bring sequence 1, or have a full bundle made"


def test_what_waits_is_only_noted_while_others_come(deltas: tuple[Receiver, list[Path]]) -> None:
    receiver, paths = deltas
    receiver.unpack(paths[0])
    with pytest.raises(IncompleteError):
        receiver.unpack(paths[3])
    lines = len(read_history(receiver.mirror).entries)
    receiver.unpack(paths[1])
    assert receiver.live == 2
    assert notices(receiver)[-1] == "web sequence 4 still waits for the rest of it"
    assert len(read_history(receiver.mirror).entries) == lines + 3


def test_a_full_bundle_makes_a_lower_one_needless(
    chain: tuple[Sender, list[list[Path]]], deltas: tuple[Receiver, list[Path]]
) -> None:
    receiver, paths = deltas
    full = chain[0].again(versions(4))
    (one,) = receiver.unpack(paths[1], *full)
    assert one.admission.sequence == receiver.live == 4
    check_whole(receiver, versions(4))


def test_a_wrong_base(tmp_path: Path) -> None:
    sender = make_sender(tmp_path)
    first = sender.send(versions(1))
    wrong = Base(1, Sha256("ab" * 32))
    second = sender.send(versions(2), since=1, base=wrong)
    receiver = make_receiver(sender, tmp_path / "mirror")
    receiver.unpack(*first)
    with pytest.raises(TrustError) as caught:
        receiver.unpack(*second)
    assert f"builds on sequence 1 with the manifest {wrong.manifest}; here, sequence 1" in str(
        caught.value
    )
    assert receiver.live == 1


def test_a_base_that_has_lost_files(tmp_path: Path) -> None:
    sender = make_sender(tmp_path)
    first, _second = sender.send(versions(1)), sender.send(versions(2))
    third = sender.send(versions(3), since=1)
    receiver = make_receiver(sender, tmp_path / "mirror")
    receiver.unpack(*first)
    shutil.rmtree(receiver.mirror.files)
    receiver.mirror.files.mkdir()
    with pytest.raises(IncompleteError) as caught:
        receiver.unpack(*third)
    assert caught.value.message.endswith("in no volume that was here: same-1.0-py3-none-any.whl")
    (missing,) = missing_in(receiver.mirror, ignore)
    same = next(data for name, data in versions(3) if name.startswith("same"))
    assert missing.sets[0].blobs == missing.blobs
    assert [blob.size for blob in missing.blobs] == [len(same)]
    (resent,) = sender.again(
        versions(3), shape=Shape(kind="resend", wanted=lambda blob: blob in missing.blobs)
    )
    receiver.unpack(resent)
    assert receiver.live == 3
    check_whole(receiver, versions(3))


def test_files_before_the_documents_that_name_them(tmp_path: Path) -> None:
    sender = make_sender(tmp_path)
    full = sender.send(versions(1))
    wheels = {len(data) for _, data in versions(1)}
    part = sender.again(
        versions(1), shape=Shape(kind="resend", wanted=lambda blob: blob.size in wheels)
    )
    receiver = make_receiver(sender, tmp_path / "mirror")
    with pytest.raises(IncompleteError) as caught:
        receiver.unpack(*part)
    assert caught.value.message == (
        f"{part[0]} (web-000001.v01): nobody can say yet whether same 1.0, app 1.0, lib 1.0,"
        " tool 1.0 may come in: the documents of app, lib, same, tool have not arrived"
    )
    assert caught.value.hint == (
        "unpack the volumes that bring these, then this one again; in a delta, volume 1 does"
    )
    assert not any(receiver.mirror.store.has(blob) for blob in sender.contents)
    assert full


def test_what_waits_for_its_base_waits_for_approval_as_well(
    deltas: tuple[Receiver, list[Path]], tmp_path: Path
) -> None:
    receiver, paths = deltas
    home = ("--home", tmp_path / "home")
    mirror = receiver.mirror.root
    key = read_json(succeed("keygen", "boss", "--json", *home))["public"]
    receiver.unpack(paths[0])
    succeed("policy", mirror, "--approver", key)
    with pytest.raises(IncompleteError):
        receiver.unpack(paths[3])
    said = succeed("unpack", *paths[1:3], "--into", mirror).stdout
    assert [f"web sequence {n} is received and verified" in said for n in (2, 3, 4)] == [True] * 3
    assert receiver.live == 1
    assert not receiver.mirror.arrived.exists()
    succeed("approve", mirror, "4", "--key", "boss", *home)
    assert receiver.live == 4
    check_whole(receiver, versions(4))


def test_a_refused_sequence_is_not_tried_again(
    tmp_path: Path, chain: tuple[Sender, list[list[Path]]]
) -> None:
    """What a scanner refused is forgotten: the same volumes must come again."""
    sender, sets = chain
    receiver = make_receiver(sender, tmp_path / "mirror")
    receiver.unpack(*sets[0])
    with pytest.raises(IncompleteError):
        receiver.unpack(*sets[2])
    words = ("--into", receiver.mirror.root, "--scan", "/bin/false {folder}")
    result = bundle("unpack", *sets[1], *words)
    assert result.exit_code == 4
    assert receiver.live == 1
    assert not receiver.mirror.arrived.exists()


@pytest.mark.parametrize("piped", [False, True])
def test_a_delta_in_volumes_that_come_the_other_way_round(tmp_path: Path, *, piped: bool) -> None:
    """The documents that are new stand in each of them."""
    sender = make_sender(tmp_path)
    first = sender.send(versions(1))
    wheels = [*versions(2), wheel("big", size=500_000)]
    delta = sender.send(wheels, since=1, volume_size=SIZE)
    assert len(delta) > 1
    receiver = make_receiver(sender, tmp_path / "mirror")
    receiver.unpack(*first)
    if piped:
        receiver.unpack(Path("-"), pipe=b"".join(path.read_bytes() for path in delta[::-1]))
    else:
        receiver.unpack(*delta[::-1])
    assert receiver.live == 2
    check_whole(receiver, wheels)
