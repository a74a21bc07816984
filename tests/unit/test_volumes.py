"""Volumes, deltas and what is lost of them: from a packing host to what is served."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bundler.archive.sliced import Sliced
from bundler.archive.store import BlobStore
from bundler.disk import NoRoomError
from bundler.errors import BundlerError, DamagedError, IncompleteError, TrustError
from bundler.events import Noticed, ignore
from bundler.mirror.arrivals import missing_in
from bundler.mirror.journal import read_history
from bundler.model.artifact import Sha256
from bundler.model.volume import VolumeIndex, is_index_name
from bundler.model.volume_set import Base
from bundler.packable import Shape
from bundler.receive import read_volume_head
from tests.fakes.command import bundle, read_json
from tests.fakes.sender import Receiver, Sender, Wheel, make_receiver, make_sender, wheel

SIZE = 225_000
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
    small = sender.again(WHEELS, volume_size=195_000)
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


# Deltas.


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
    assert caught.value.hint == "unpack the volumes that have them, then this volume again"
    assert not any(receiver.mirror.store.has(blob) for blob in sender.contents)
    assert full


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
    with pytest.raises(DamagedError, match=r"beta 1\.0\): its bytes are not those"):
        receiver.unpack(bad, *volumes)
    assert receiver.live == 1
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
    assert {entry.medium for entry in read_history(receiver.mirror).entries} == {
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


def test_inspect_takes_one_bundle_at_a_time(
    volumes: list[Path], chain: tuple[Sender, list[list[Path]]]
) -> None:
    other = chain[1][0][0]
    refused = bundle("inspect", volumes[0], other)
    assert refused.exit_code == 4
    assert f"{other} is of another bundle than the volumes before it" in refused.stderr
