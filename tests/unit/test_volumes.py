"""Volumes, deltas and what is lost of them: from a packing host to what is served."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bundler.archive.sliced import Sliced
from bundler.archive.store import BlobStore
from bundler.disk import NoRoomError
from bundler.errors import BundlerError, DamagedError, IncompleteError
from bundler.events import ignore
from bundler.mirror.arrivals import missing_in
from bundler.mirror.journal import read_history
from bundler.trust.gate import pin
from tests.fakes.command import bundle, read_json
from tests.fakes.media import check_whole, copy, flip, index_of, notices
from tests.fakes.mirrors import bundled, documents_of
from tests.fakes.sender import Receiver, Sender, make_receiver, make_sender, wheel
from tests.fakes.trust import blob, make_stream

SIZE = 230_000
"""Bytes; then alpha and most of beta are in volume 1, gamma and most of delta in volume 2."""

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


# Volumes of one set.


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_all_at_once_in_any_order(
    receiver: Receiver, volumes: list[Path], order: tuple[int, ...]
) -> None:
    (one,) = receiver.unpack(*(volumes[number] for number in order))
    assert one.published is not None
    assert receiver.live == 1
    check_whole(receiver, WHEELS)


def test_over_days(receiver: Receiver, volumes: list[Path]) -> None:
    with pytest.raises(IncompleteError) as first:
        receiver.unpack(volumes[2])
    assert first.value.message == (
        "web sequence 1 is not complete\n"
        "web-000001: of 3 volumes, 3 arrived\n"
        "volume 1 of 3 is missing; affects alpha, beta\n"
        "volume 2 of 3 is missing; affects beta, delta, gamma"
    )
    with pytest.raises(IncompleteError, match="of 3 volumes, 1, 3 arrived\nvolume 2 of 3 is missi"):
        receiver.unpack(volumes[0])
    assert receiver.live == 0
    receiver.unpack(volumes[1])
    check_whole(receiver, WHEELS)
    phases = [(entry.phase, entry.result) for entry in read_history(receiver.mirror).entries]
    arrives = [("received", "ok"), ("verified", "ok")]
    assert phases == [*[*arrives, ("live", "incomplete")] * 2, *arrives, ("live", "ok")]


def test_a_lost_volume(receiver: Receiver, volumes: list[Path]) -> None:
    with pytest.raises(IncompleteError, match="volume 2 of 3 is missing; affects beta, delta, ga"):
        receiver.unpack(volumes[0], volumes[2])
    (missing,) = missing_in(receiver.mirror, ignore)
    (one,) = missing.sets
    assert (missing.stream, missing.sequence, missing.live) == ("web", 1, 0)
    assert (one.arrived, one.blobs) == ((1, 3), ())
    assert [(each.number, each.segments) for each in one.volumes] == [(2, None)]
    assert {blob.size for blob in missing.blobs} == {
        len(data) for name, data in WHEELS if name.split("-")[0] in {"beta", "gamma", "delta"}
    }


def test_a_volume_twice(receiver: Receiver, volumes: list[Path], tmp_path: Path) -> None:
    again = copy(volumes[0], tmp_path)
    with pytest.raises(IncompleteError, match="of 3 volumes, 1 arrived"):
        receiver.unpack(volumes[0], volumes[0], again)
    with pytest.raises(IncompleteError, match="of 3 volumes, 1 arrived"):
        receiver.unpack(again)
    receiver.unpack(*volumes)
    check_whole(receiver, WHEELS)
    receiver.unpack(volumes[1])
    check_whole(receiver, WHEELS)


def test_volumes_of_two_packings_together(tmp_path: Path) -> None:
    """Volume 1 of three and 2 to 4 of four: they overlap in the middle of a wheel."""
    sender = make_sender(tmp_path)
    large = sender.send(WHEELS, volume_size=SIZE)
    small = sender.again(WHEELS, volume_size=190_000)
    assert len(small) == 4
    receiver = make_receiver(sender, tmp_path / "mirror")
    with pytest.raises(IncompleteError) as caught:
        receiver.unpack(large[0], *small[2:])
    assert "of 3 volumes, 1 arrived" in caught.value.message
    assert "of 4 volumes, 3, 4 arrived" in caught.value.message
    receiver.unpack(small[1])
    check_whole(receiver, WHEELS)


def test_one_that_is_not_there_keeps_no_other_from_arriving(
    receiver: Receiver, volumes: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(BundlerError, match="none: no such file or directory") as caught:
        receiver.unpack(tmp_path / "none", *volumes)
    assert caught.value.exit_code == 1
    assert receiver.live == 1
    assert notices(receiver)[-1] == "web sequence 1 is live"


# What was kept of volumes is judged again.


@pytest.mark.parametrize("data", [b"", b"PK"])
def test_a_kept_head_that_is_damaged_does_not_count(
    receiver: Receiver, volumes: list[Path], data: bytes
) -> None:
    with pytest.raises(IncompleteError):
        receiver.unpack(volumes[0])
    (kept,) = receiver.mirror.arrived.rglob("*.head")
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_bytes(data)
    with pytest.raises(IncompleteError, match="of 3 volumes, 2 arrived"):
        receiver.unpack(volumes[1])
    assert any("web-000001, which arrived before, does not count: " in e for e in notices(receiver))
    receiver.unpack(*volumes)
    check_whole(receiver, WHEELS)


def test_streams_with_names_alike(tmp_path: Path, receiver: Receiver, volumes: list[Path]) -> None:
    other = Sender(make_stream(tmp_path / "streams", "web-2"), tmp_path / "out")
    pin(other.stream.root, receiver.mirror.trust)
    wheels = [wheel("zeta", size=300_000), wheel("eta", size=100_000)]
    theirs = other.send(wheels, volume_size=SIZE)
    for path in (volumes[0], theirs[0]):
        with pytest.raises(IncompleteError):
            receiver.unpack(path)
    assert [each.stream for each in missing_in(receiver.mirror, ignore)] == ["web", "web-2"]
    receiver.unpack(*volumes)
    (missing,) = missing_in(receiver.mirror, ignore)
    assert (missing.stream, missing.sets[0].arrived) == ("web-2", (1,))
    receiver.unpack(*theirs)
    check_whole(receiver, [*WHEELS, *wheels])


def test_of_many_volumes_ten_are_told(tmp_path: Path) -> None:
    sender = make_sender(tmp_path)
    found = sender.send([wheel("big", size=2_500_000), wheel("tiny")], volume_size=SIZE)
    receiver = make_receiver(sender, tmp_path / "mirror")
    with pytest.raises(IncompleteError) as caught:
        receiver.unpack(found[0])
    lines = caught.value.message.splitlines()
    assert len(lines) == 13
    assert lines[2] == f"volume 2 of {len(found)} is missing; affects big"
    assert lines[-1] == f"and {len(found) - 11} more volumes"
    bad = [flip(copy(path, tmp_path), index_of(path).segments[-1].offset) for path in found]
    with pytest.raises(DamagedError) as damaged:
        receiver.unpack(*bad)
    assert damaged.value.message.count("is damaged") == 0
    assert damaged.value.message.count("its bytes are not those that were signed") == len(found)
    receiver.unpack(*found)
    check_whole(receiver, [wheel("tiny")])


def test_a_blob_that_nobody_signed_leaves_no_head(tmp_path: Path) -> None:
    """What a packing host added is not waited for."""
    sender = make_sender(tmp_path)
    sender.send(WHEELS[:2])
    receiver = make_receiver(sender, tmp_path / "mirror")
    described = sender.describe(WHEELS[:2], 1)
    strange = wheel("evil")
    sender.contents[blob(strange[1])] = strange[1]
    lied = replace(
        described,
        documents=[*described.documents, *documents_of([bundled(strange)]).values()],
    )
    (path,) = sender.pack(lied).volumes
    with pytest.raises(DamagedError, match=r"\(evil 1\.0\), which the manifest does not name"):
        receiver.unpack(path)
    assert not receiver.mirror.arrived.exists()


# Damage.


def test_damage_is_collected_and_the_rest_is_taken_in(
    tmp_path: Path, receiver: Receiver, volumes: list[Path]
) -> None:
    index = index_of(volumes[1])
    beta, gamma = index.segments[1:3]
    bad = flip(copy(volumes[1], tmp_path), beta.offset + 9, gamma.offset + 9)
    with pytest.raises(DamagedError) as caught:
        receiver.unpack(volumes[0], bad, volumes[2])
    first, second, affected = caught.value.message.splitlines()
    total = len(list(index.frames()))
    assert first == (
        f"{bad} (web-000001.v02): frame 2 of {total}, bytes {beta.offset} to"
        f" {beta.offset + beta.size} (beta 1.0): its bytes are not those that were signed"
    )
    assert second.startswith(f"frame 3 of {total}, ")
    assert affected == "affects beta-1.0-py3-none-any.whl, gamma-1.0-py3-none-any.whl"
    assert receiver.live == 0
    (missing,) = missing_in(receiver.mirror, ignore)
    (lost,) = missing.sets[0].volumes
    assert (lost.number, lost.segments, lost.projects) == (2, (2, 3), ("beta", "gamma"))
    assert set(lost.blobs) == set(missing.blobs)
    with pytest.raises(IncompleteError, match="volume 2 of 3 lacks 2-3 of its segments; affects b"):
        receiver.unpack(volumes[0])
    receiver.unpack(volumes[1])
    check_whole(receiver, WHEELS)


def test_what_was_damaged_comes_by_another_medium_in_the_same_call(
    tmp_path: Path, receiver: Receiver, volumes: list[Path]
) -> None:
    bad = flip(copy(volumes[1], tmp_path), index_of(volumes[1]).segments[1].offset)
    receiver.unpack(bad, *volumes)
    assert any(
        f"not needed any more: {bad} (web-000001.v02): f" in each for each in notices(receiver)
    )
    check_whole(receiver, WHEELS)


def test_a_damaged_end_loses_nothing(
    tmp_path: Path, receiver: Receiver, volumes: list[Path]
) -> None:
    bad = flip(copy(volumes[1], tmp_path), -1)
    with pytest.raises(DamagedError) as caught:
        receiver.unpack(bad)
    assert caught.value.message.endswith(
        "(the end of the archive): its bytes are not those that were signed\n"
        "nothing is missing because of it"
    )
    receiver.unpack(volumes[0], volumes[2])
    check_whole(receiver, WHEELS)


def test_damaged_documents_leave_the_rest_to_be_brought_again(
    tmp_path: Path, receiver: Receiver, volumes: list[Path]
) -> None:
    bad = flip(copy(volumes[0], tmp_path), index_of(volumes[0]).segments[0].offset + 50)
    with pytest.raises(DamagedError, match=r"\(documents\): its bytes are not those"):
        receiver.unpack(bad)
    receiver.unpack(*volumes)
    check_whole(receiver, WHEELS)


def test_a_volume_that_is_cut_off(tmp_path: Path, receiver: Receiver, volumes: list[Path]) -> None:
    index = index_of(volumes[2])
    bad = copy(volumes[2], tmp_path)
    os.truncate(bad, index.segments[1].offset + 5)
    with pytest.raises(DamagedError) as caught:
        receiver.unpack(bad)
    assert caught.value.message.endswith(
        f"(delta 1.0): the file ends at byte {index.segments[1].offset + 5}\n"
        "affects delta-1.0-py3-none-any.whl, eps-1.0-py3-none-any.whl"
    )


# Interruption, room and media.


@pytest.mark.parametrize("name", ["open", "keep", "_begin", "_adopt", "_drop"])
@pytest.mark.parametrize("after", [False, True])
def test_killed_while_a_large_blob_grows(
    receiver: Receiver,
    volumes: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    *,
    after: bool,
) -> None:
    real: Callable[..., object] = getattr(Sliced, name)

    def ends(*arguments: object) -> object:
        if after:
            real(*arguments)
        os._exit(9)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(Sliced, name, ends)
        receiver.unpack(*volumes)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    receiver.unpack(*volumes)
    check_whole(receiver, WHEELS)


def test_a_part_that_is_there_is_not_written_again(
    receiver: Receiver, volumes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(IncompleteError):
        receiver.unpack(volumes[0])

    def forbidden(*_arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Sliced, "open", forbidden)
    monkeypatch.setattr(BlobStore, "new_file", forbidden)
    with pytest.raises(IncompleteError):
        receiver.unpack(volumes[0])
    monkeypatch.undo()
    receiver.unpack(*volumes[1:])
    check_whole(receiver, WHEELS)


def test_a_whole_is_written_into_one_file(receiver: Receiver, volumes: list[Path]) -> None:
    """Its room is taken once: what is allocated is what has arrived."""
    with pytest.raises(IncompleteError):
        receiver.unpack(volumes[0])
    growing = (receiver.mirror.store.root / "sliced").iterdir()
    (whole,) = (path for path in growing if path.stat().st_size)
    assert whole.stat().st_size == next(len(data) for name, data in WHEELS if name[0] == "b")
    assert whole.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("count", [1, 2])
def test_room_is_asked_for_before_anything_is_written(
    receiver: Receiver, volumes: list[Path], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    indexes = [index_of(path) for path in volumes[:count]]
    blobs = {blob for index in indexes for part in index.segments for blob in part.blobs}
    need = sum(blob.size for blob in blobs)
    real = shutil.disk_usage(receiver.mirror.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: real._replace(free=need - 1))
    with pytest.raises(NoRoomError) as caught:
        receiver.unpack(*volumes[:count])
    assert caught.value.message == (
        f"not enough room in {receiver.mirror.store.root}: {need} bytes are needed, {need - 1} are"
        " free; nothing was written"
    )
    assert not any(path.is_file() for path in receiver.mirror.store.root.rglob("*"))


def test_a_disk_that_is_full_all_the_same(
    receiver: Receiver, volumes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the whole call, and the same command goes on later."""
    real, calls = os.fsync, [0]

    def full(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] > 12:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoRoomError, match="no room left in"):
        receiver.unpack(*volumes)
    monkeypatch.undo()
    receiver.unpack(*volumes)
    check_whole(receiver, WHEELS)


def test_volumes_through_a_pipe(receiver: Receiver, volumes: list[Path]) -> None:
    (one,) = receiver.unpack(Path("-"), pipe=b"".join(path.read_bytes() for path in volumes))
    assert one.published is not None
    check_whole(receiver, WHEELS)
    assert {entry.about.medium for entry in read_history(receiver.mirror).entries} == {
        f"standard input, volume {number}" for number in (1, 2, 3)
    }


def test_a_damaged_volume_in_a_pipe_does_not_hide_the_next(
    tmp_path: Path, receiver: Receiver, volumes: list[Path]
) -> None:
    bad = flip(copy(volumes[1], tmp_path), index_of(volumes[1]).segments[1].offset)
    sent = [volumes[0], bad, volumes[2]]
    with pytest.raises(DamagedError, match=r"^standard input, volume 2 \(web-000001\.v02\): frame"):
        receiver.unpack(Path("-"), pipe=b"".join(path.read_bytes() for path in sent))
    (missing,) = missing_in(receiver.mirror, ignore)
    assert missing.sets[0].arrived == (1, 3)


@pytest.mark.parametrize(
    ("pipe", "what"),
    [(b"", "volume 1 is not a bundle volume: it is empty"), (b"hello\n", "it is a text file")],
)
def test_a_pipe_with_something_else(receiver: Receiver, pipe: bytes, what: str) -> None:
    with pytest.raises(DamagedError, match=what):
        receiver.unpack(Path("-"), pipe=pipe)


def test_a_pipe_that_is_broken_off(receiver: Receiver, volumes: list[Path]) -> None:
    data = b"".join(path.read_bytes() for path in volumes)
    with pytest.raises(DamagedError, match="the file ends at byte"):
        receiver.unpack(Path("-"), pipe=data[:-300_000])
    (missing,) = missing_in(receiver.mirror, ignore)
    assert missing.sets[0].arrived == (1,)
    receiver.unpack(Path("-"), pipe=data)
    check_whole(receiver, WHEELS)


def test_a_medium_that_is_mounted_read_only(
    tmp_path: Path, receiver: Receiver, volumes: list[Path]
) -> None:
    medium = tmp_path / "medium"
    medium.mkdir()
    for path in volumes:
        shutil.copy(path, medium)
    script = (
        'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" || exit 77\n'
        'touch "$0/x" 2>/dev/null && exit 78\n'
        'exec "$1" -m bundler unpack "$0"/* --into "$2" --quiet'
    )
    argv = ["unshare", "--mount", "--map-root-user", "sh", "-c", script]
    done = subprocess.run(
        [*argv, str(medium), sys.executable, str(receiver.mirror.root)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    if done.returncode in {1, 77} and "bundler" not in done.stderr and receiver.live == 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    check_whole(receiver, WHEELS)


def test_a_file_that_may_only_be_read(
    tmp_path: Path, receiver: Receiver, volumes: list[Path]
) -> None:
    medium = tmp_path / "medium"
    medium.mkdir()
    for path in volumes:
        shutil.copy(path, medium)
    for path in medium.iterdir():
        path.chmod(0o400)
    medium.chmod(0o500)
    before = {path: path.stat().st_mtime_ns for path in [medium, *medium.iterdir()]}
    receiver.unpack(*medium.iterdir())
    assert {path: path.stat().st_mtime_ns for path in [medium, *medium.iterdir()]} == before
    check_whole(receiver, WHEELS)


# Commands.


def test_the_commands_take_several_volumes(
    tmp_path: Path, receiver: Receiver, volumes: list[Path]
) -> None:
    mirror = receiver.mirror.root
    found = read_json(bundle("verify", *volumes, "--mirror", mirror, "--json"))
    assert [(each["number"], each["volumes"]) for each in found["volumes"]] == [
        (1, 3), (2, 3), (3, 3),
    ]  # fmt: skip
    text = bundle("verify", *volumes, "--mirror", mirror).stdout.splitlines()
    assert [line.startswith("  ") for line in text] == [False] * 3 + [True] * 5
    assert text[1] == f"{volumes[1]}: verified, web sequence 1, volume 2 of 3"
    bad = flip(copy(volumes[1], tmp_path), -1)
    refused = bundle("verify", volumes[0], bad, tmp_path / "none", "--mirror", mirror)
    assert refused.exit_code == 4
    assert f"error: {bad} (web-000001.v02): frame " in refused.stderr
    shown = read_json(bundle("inspect", *volumes, "--json"))
    assert [each["number"] for each in shown["volumes"]] == [1, 2, 3]
    result = bundle("unpack", volumes[0], "--into", mirror, "--json")
    assert result.exit_code == 5
    assert "volume 2 of 3 is missing" in read_json(result)["error"]["message"]
    done = read_json(bundle("unpack", *volumes, "--into", mirror, "--json"))
    assert [(each["stream"], each["sequence"]) for each in done["sequences"]] == [("web", 1)]


def test_inspect_takes_one_bundle_at_a_time(tmp_path: Path, volumes: list[Path]) -> None:
    (other,) = make_sender(tmp_path).send(WHEELS[:1])
    refused = bundle("inspect", volumes[0], other)
    assert refused.exit_code == 4
    assert f"{other} is of another bundle than the volumes before it" in refused.stderr
