"""What the real program does when it is killed, when a disk is full and when an index lies."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.command import Site, read_json, site, succeed, tree
from tests.fakes.index import Fault
from tests.fakes.wheels import build_wheel

MB = 1_000_000
PATIENCE = 20.0  # seconds; some for a slow machine, and not the minute of a timeout
LIB = "lib-1.0-cp312-cp312-win_amd64.whl"
NO_ROOM = re.compile(
    r"error: (?:no room left|not enough room) in (\S+?):? .*?(\d+) bytes are needed, (\d+) are free"
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a live sequence 1 and a sequence 2 that has 3 MB more; nobody changes it."""
    with site(tmp_path_factory.mktemp("site")) as made:
        assert made.create().exit_code == 0
        succeed("unpack", made.volume(), "--into", made.mirror)
        add_large(made)
        assert made.create().exit_code == 0
        yield made


def add_large(made: Site) -> None:
    """Give `app` a new release with 3 MB that cannot be compressed."""
    noise = random.Random(1).randbytes(3 * MB)  # noqa: S311 - the same bytes each time
    made.index.add(*build_wheel("app", "2.0", requires=["lib>=1"], files={"app/noise": noise}))


def argv(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "bundler", *map(str, words)]


def create_words(made: Site) -> tuple[str | Path, ...]:
    return "create", made.profile, "-o", made.out, *made.home


@contextmanager
def started(words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is gone at the end of the block."""
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_request(made: Site, path: str) -> None:
    deadline = time.monotonic() + 20
    while path not in made.index.paths():
        assert time.monotonic() < deadline, f"nobody asked for {path}"
        time.sleep(0.01)


def content(folder: Path) -> dict[str, tuple[str, bytes]]:
    """What `tree` finds, without times."""
    return {name: (kind, data) for name, (kind, _, data) in tree(folder).items()}


def assert_whole(mirror: Path, like: Path) -> None:
    """The mirror shows and holds what a mirror does that nothing happened to."""
    for part in ("simple", "files"):
        assert content((mirror / part).resolve()) == content((like / part).resolve())


# Ctrl-C and kill.


@pytest.mark.parametrize("where", ["page", "wheel"])
def test_a_killed_create_can_be_run_again(host: Site, where: str) -> None:
    path = host.index.page_path("lib") if where == "page" else host.index.file_path(LIB)
    silent = threading.Event()
    host.index.misbehave(path, Fault(stall=silent))
    with started(argv(*create_words(host))) as process:
        wait_for_request(host, path)
        time.sleep(0.2)
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
    silent.set()
    again = host.create("--json")
    assert again.exit_code == 0, again.output
    assert read_json(again)["sequence"] == 1
    assert sorted(path.name for path in host.out.iterdir()) == [
        "test-000001.locks",
        "test-000001.v01.tar.zst",
        "verify.py",
    ]
    succeed("unpack", host.volume(), "--into", host.mirror)
    assert sorted(path.name for path in (host.mirror / "simple").iterdir()) == [
        "app", "index.html", "index.v1_json", "lib",
    ]  # fmt: skip


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.999999])
def test_a_killed_unpack_can_be_run_again(finished: Site, tmp_path: Path, share: float) -> None:
    mirror, pipe = tmp_path / "mirror", tmp_path / "slow.tar.zst"
    shutil.copytree(finished.mirror, mirror, symlinks=True)
    before = content(mirror / "simple")
    # A pipe is a volume that comes as slowly as the test wants it.
    os.mkfifo(pipe)
    volume = finished.volume(2).read_bytes()
    with started(argv("unpack", pipe, "--into", mirror)) as process, pipe.open("wb") as writer:
        writer.write(volume[: int(len(volume) * share)])
        writer.flush()
        time.sleep(0.5)
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
    assert content(mirror / "simple") == before
    succeed("history", mirror, "--verify")
    succeed("unpack", finished.volume(2), "--into", mirror)
    succeed("history", mirror, "--verify")
    assert_whole(mirror, fresh(finished, tmp_path / "fresh"))
    assert list((mirror / ".bundler/blobs/partial").iterdir()) == []


def fresh(finished: Site, mirror: Path) -> Path:
    """A mirror that sequence 2 came to undisturbed."""
    shutil.copytree(finished.mirror, mirror, symlinks=True)
    succeed("unpack", finished.volume(2), "--into", mirror)
    return mirror


def test_an_unpack_that_is_killed_at_any_moment(finished: Site, tmp_path: Path) -> None:
    mirror, like = tmp_path / "mirror", fresh(finished, tmp_path / "fresh")
    shutil.copytree(finished.mirror, mirror, symlinks=True)
    shown = [content((folder / "simple").resolve()) for folder in (finished.mirror, like)]
    words, killed = argv("unpack", finished.volume(2), "--into", mirror), 0
    for moment in range(20, 60):
        with started(words) as process:
            try:
                process.wait(moment / 100)
            except subprocess.TimeoutExpired:
                process.kill()
        killed += process.returncode == -signal.SIGKILL
        # Whatever the moment was: the old pages or the new ones, never anything in between.
        assert content((mirror / "simple").resolve()) in shown
        if process.returncode == 0:
            break
    assert killed > 0
    succeed("unpack", finished.volume(2), "--into", mirror)
    assert_whole(mirror, like)


# Full and read-only disks, each in a mount namespace of its own.

_MOUNT = """
set -e
how=$1 folder=$2 before=$3 after=$4
shift 4
mkdir -p "$folder"
case $how in
    read-only) mount --bind "$before" "$folder"; mount -o remount,bind,ro "$folder" ;;
    *) mount -t tmpfs -o "$how" tmpfs "$folder"; cp -a "$before/." "$folder" ;;
esac
set +e
"$@"
code=$?
set -e
cp -a "$folder/." "$after"
exit $code
"""
_UNSHARE = ("unshare", "--mount", "--map-root-user")


@functools.cache
def mount_error() -> str:
    """Why nothing can be mounted here; empty when it can."""
    if not shutil.which("unshare"):
        return "there is no unshare command"
    command = [*_UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    probe = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if probe.returncode == 0 else f"mounting is not permitted: {probe.stderr.strip()}"


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder that is a filesystem of its own while a command runs."""

    folder: Path
    before: Path
    after: Path

    def run(self, how: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run `bundle`, with a copy of `before` in `folder`; `after` is what it left there.

        `how` is "read-only", or the options of a tmpfs.
        """
        shutil.rmtree(self.after, ignore_errors=True)
        self.after.mkdir()
        script = ["sh", "-c", _MOUNT, "sh", how, self.folder, self.before, self.after]
        command = [*_UNSHARE, *map(str, script), *argv(*words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    if reason := mount_error():
        pytest.skip(reason)
    before = tmp_path / "before"
    before.mkdir()
    return Mount(tmp_path / "mount", before, tmp_path / "after")


def assert_no_room(result: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert result.returncode == 1, result.stderr
    found = NO_ROOM.search(result.stderr)
    assert found, result.stderr
    assert Path(found[1]).is_relative_to(folder)
    assert int(found[2]) > int(found[3])
    assert "hint: make room" in result.stderr


def test_a_full_output_folder(host: Site, mount: Mount) -> None:
    add_large(host)
    words = ("create", host.profile, "-o", mount.folder, *host.home)
    assert_no_room(mount.run("size=1m", *words), mount.folder)
    assert list(mount.after.iterdir()) == []
    assert mount.run("size=20m", *words, "--json").returncode == 0
    assert len(list(mount.after.iterdir())) == 3  # volume, locks, verify.py


def test_a_full_cache(host: Site, mount: Mount) -> None:
    add_large(host)
    cache = Mount(host.folder / "home" / "cache", mount.before, mount.after)
    result = cache.run("size=1m", *create_words(host))
    assert_no_room(result, cache.folder)
    assert not host.out.exists() or list(host.out.iterdir()) == []
    assert host.create().exit_code == 0


@pytest.mark.parametrize("size", ["1m", "2900k"])
def test_a_full_mirror(finished: Site, mount: Mount, size: str) -> None:
    shutil.copytree(finished.mirror, mount.before, symlinks=True, dirs_exist_ok=True)
    words = ("unpack", finished.volume(2), "--into", mount.folder)
    assert_no_room(mount.run(f"size={size}", *words), mount.folder)
    for part in ("simple", "files", ".bundler/trust", ".bundler/generations"):
        assert content(mount.after / part) == content(mount.before / part)
    assert list((mount.after / ".bundler/blobs/partial").iterdir()) == []
    assert mount.run("size=20m", *words).returncode == 0


@pytest.mark.parametrize("more", [0, 4, 9, 11, 13, 16, 21])
def test_a_mirror_that_takes_few_more_files(finished: Site, mount: Mount, more: int) -> None:
    shutil.copytree(finished.mirror, mount.before, symlinks=True, dirs_exist_ok=True)
    there = len(list(mount.before.rglob("*"))) + 1
    words = ("unpack", finished.volume(2), "--into", mount.folder)
    result = mount.run(f"nr_inodes={there + more}", *words)
    assert result.returncode == 1, result.stderr
    assert str(mount.folder) in result.stderr
    for part in ("simple", ".bundler/trust", ".bundler/generations"):
        assert content(mount.after / part) == content(mount.before / part)
    assert list((mount.after / ".bundler/blobs/partial").iterdir()) == []
    # A wheel may be filed already, but only whole and with its METADATA.
    for wheel in mount.after.glob("files/*/*/*.whl"):
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == wheel.parent.name
        assert wheel.with_name(f"{wheel.name}.metadata").is_file()
    assert mount.run("size=20m", *words).returncode == 0


@pytest.mark.parametrize("name", ["verify", "inspect", "unpack"])
def test_a_read_only_medium(finished: Site, mount: Mount, tmp_path: Path, name: str) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(finished.mirror, mirror, symlinks=True)
    (mount.before / "disc").mkdir()
    shutil.copy2(finished.volume(2), mount.before / "disc")
    before = tree(mount.before)
    options = {"verify": ("--mirror", mirror), "inspect": (), "unpack": ("--into", mirror)}[name]
    volume = mount.folder / "disc" / finished.volume(2).name
    result = mount.run("read-only", name, volume, *options)
    assert result.returncode == 0, result.stderr
    assert tree(mount.before) == before


def test_a_medium_is_not_written_to_where_it_could_be(finished: Site, tmp_path: Path) -> None:
    mirror, disc = tmp_path / "mirror", tmp_path / "disc"
    shutil.copytree(finished.mirror, mirror, symlinks=True)
    disc.mkdir()
    volume = shutil.copy2(finished.volume(2), disc)
    before, folder = tree(disc), disc.stat()
    succeed("verify", volume, "--mirror", mirror)
    succeed("unpack", volume, "--into", mirror)
    assert tree(disc) == before
    assert disc.stat().st_mtime_ns == folder.st_mtime_ns


def test_a_read_only_mirror(finished: Site, mount: Mount) -> None:
    shutil.copytree(finished.mirror, mount.before, symlinks=True, dirs_exist_ok=True)
    before = tree(mount.before)
    words = ("verify", finished.volume(2), "--mirror", mount.folder)
    assert mount.run("read-only", *words).returncode == 0
    result = mount.run("read-only", "unpack", finished.volume(2), "--into", mount.folder)
    assert result.returncode == 1
    assert f"error: {mount.folder}" in result.stderr
    assert "read-only file system" in result.stderr
    assert tree(mount.before) == before


# An index that lies.


def peak_memory(words: Sequence[str]) -> tuple[int, str, int, float]:
    """Exit code, standard error, peak resident bytes and seconds of a command."""
    before = time.monotonic()
    with started(words) as process:
        assert process.stderr
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        watchdog.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return process.returncode, errors, usage.ru_maxrss * unit, time.monotonic() - before


@pytest.fixture(scope="module")
def usual_memory(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Peak resident bytes of a `create` at which nothing special happens."""
    with site(tmp_path_factory.mktemp("usual")) as made:
        code, errors, peak, _ = peak_memory(argv(*create_words(made)))
        assert code == 0, errors
        return peak


HUGE = {"Content-Length": str(2 * 10**9)}
GZIP_BOMB = Fault(
    headers={"Content-Encoding": "gzip"}, body=gzip.compress(bytes(300 * MB), compresslevel=1)
)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(endless=True), "the answer has more than 67108864 bytes"),
        (Fault(headers=HUGE), "the answer has 2000000000 bytes, more than 67108864"),
        (GZIP_BOMB, "the answer has more than 67108864 bytes"),
        (
            Fault(headers={"Content-Type": "text/html"}, endless=True),
            "the answer has more than 67108864 bytes",
        ),
    ],
    ids=["endless", "announced", "inflated", "endless-html"],
)
def test_a_page_that_is_too_large(
    host: Site, usual_memory: int, fault: Fault, message: str
) -> None:
    host.index.misbehave(host.index.page_path("lib"), fault, times=20)
    code, errors, peak, seconds = peak_memory(argv(*create_words(host)))
    assert code == 6, errors
    assert f"error: {host.index.url}lib/: the answer has " in errors
    assert message in errors
    assert seconds < PATIENCE
    assert peak - usual_memory < 150 * MB
    assert not host.out.exists()


@pytest.mark.parametrize(
    ("sizes", "expected", "message"),
    [
        (True, 4, f"error: {LIB}: the server sends more than the "),
        # Asked for the end of the wheel, to read its METADATA, the index sends all and more.
        (False, 6, f"{LIB}: the answer has more than 65536 bytes"),
    ],
    ids=["size-known", "size-unknown"],
)
def test_a_wheel_that_never_ends(
    host: Site, usual_memory: int, *, sizes: bool, expected: int, message: str
) -> None:
    if not sizes:
        host.index.form, host.index.sizes = "html", False
    host.index.misbehave(host.index.file_path(LIB), Fault(endless=True), times=20)
    code, errors, peak, seconds = peak_memory(argv(*create_words(host)))
    assert code == expected, errors
    assert message in errors
    assert seconds < PATIENCE
    assert peak - usual_memory < 50 * MB
    assert not host.out.exists() or list(host.out.iterdir()) == []


def test_an_index_that_is_overloaded_is_asked_again(host: Site) -> None:
    fault = Fault(status=500, headers={"Retry-After": "1"})
    host.index.misbehave(host.index.page_path("lib"), fault, times=2)
    before = time.monotonic()
    with started(argv(*create_words(host), "--json")) as process:
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert json.loads(out)["sequence"] == 1
    assert time.monotonic() - before > 2
    assert host.index.paths().count(host.index.page_path("lib")) == 3


@pytest.mark.parametrize("where", ["page", "wheel"])
def test_an_index_that_stays_overloaded(host: Site, where: str) -> None:
    path = host.index.page_path("lib") if where == "page" else host.index.file_path(LIB)
    host.index.misbehave(path, Fault(status=500, headers={"Retry-After": "0"}), times=50)
    with started(argv(*create_words(host), "--json")) as process:
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 6, errors
    assert f"error: {host.index.origin}{path}: 500 Internal Server Error" in errors
    assert json.loads(out)["error"]["code"] == "network"
    assert host.index.paths().count(path) == 5
    assert not host.out.exists() or list(host.out.iterdir()) == []


def shell_code(code: int) -> int:
    """What a shell reports; Python ends itself by the signal if that hit `exec`, as imports use."""
    return 128 - code if code < 0 else code


def test_ctrl_c_while_an_overloaded_index_is_waited_for(host: Site) -> None:
    path = host.index.page_path("lib")
    host.index.misbehave(path, Fault(status=503, headers={"Retry-After": "50"}), times=5)
    with started(argv(*create_words(host))) as process:
        wait_for_request(host, path)
        time.sleep(0.3)
        before = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert shell_code(process.returncode) == 130, errors
    assert time.monotonic() - before < PATIENCE


@pytest.mark.parametrize("where", ["page", "wheel"])
def test_ctrl_c_while_the_index_is_silent(host: Site, where: str) -> None:
    path = host.index.page_path("lib") if where == "page" else host.index.file_path(LIB)
    silent = threading.Event()
    host.index.misbehave(path, Fault(stall=silent))
    with started(argv(*create_words(host))) as process:
        wait_for_request(host, path)
        time.sleep(0.2)
        before = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=30)
        finally:
            silent.set()
        waited = time.monotonic() - before
    assert shell_code(process.returncode) == 130, errors
    assert "error: interrupted\nhint: run the same command again" in errors
    assert not host.out.exists() or list(host.out.iterdir()) == []
    assert waited < PATIENCE
    assert host.create().exit_code == 0
    succeed("verify", host.volume(), "--trust", host.root)


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a process has started; the first one plans, others look into wheels."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in listed.read_text().split()]


def assert_end(processes: Sequence[int]) -> None:
    assert processes
    deadline = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_comes_to_the_planning_process_as_well(host: Site, number: signal.Signals) -> None:
    path = host.index.page_path("lib")
    silent = threading.Event()
    host.index.misbehave(path, Fault(stall=silent))
    with subprocess.Popen(
        argv(*create_words(host)), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for_request(host, path)
        forks = children(process)
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=30)
        silent.set()
    interrupted = "error: interrupted\nhint: run the same command again; it goes on from there\n"
    said = errors.removeprefix("resolve: 2 targets\n")
    assert said == (interrupted if number == signal.SIGINT else "")
    assert process.returncode == 128 + number
    assert_end(forks)


@pytest.mark.parametrize("who", ["both", "planning"])
def test_a_kill_while_it_plans(host: Site, who: str) -> None:
    path = host.index.page_path("lib")
    silent = threading.Event()
    host.index.misbehave(path, Fault(stall=silent))
    with started(argv(*create_words(host), "--json")) as process:
        wait_for_request(host, path)
        forks = children(process)
        if who == "planning":
            os.kill(forks[0], signal.SIGKILL)
            out, _ = process.communicate(timeout=30)
            assert process.returncode == 1
            assert json.loads(out)["error"]["message"] == (
                "the process that makes the plan has ended before its work (SIGKILL)"
            )
        else:
            process.kill()
        assert_end(forks)
    silent.set()
    assert not host.out.exists() or list(host.out.iterdir()) == []
    assert host.create().exit_code == 0


def test_a_wheel_with_a_lying_length(host: Site) -> None:
    host.index.misbehave(host.index.file_path(LIB), Fault(headers=HUGE), times=20)
    code, errors, _, seconds = peak_memory(argv(*create_words(host)))
    assert code == 4, errors
    assert f"error: {LIB}: the server sends more than the " in errors
    assert seconds < PATIENCE


def test_a_failure_is_told_at_once_though_another_download_is_silent(host: Site) -> None:
    silent = threading.Event()
    host.index.misbehave(host.index.file_path(LIB), Fault(stall=silent))
    other = host.index.file_path("lib-1.0-cp312-cp312-manylinux_2_17_x86_64.whl")
    host.index.misbehave(other, Fault(status=500, headers={"Retry-After": "0"}), times=9)
    before = time.monotonic()
    with started(argv(*create_words(host))) as process:
        _, errors = process.communicate(timeout=40)
    silent.set()
    assert process.returncode == 6, errors
    assert "500 Internal Server Error" in errors
    assert time.monotonic() - before < 2 * PATIENCE


def test_sigterm_leaves_nothing(host: Site) -> None:
    path = host.index.file_path(LIB)
    silent = threading.Event()
    host.index.misbehave(path, Fault(stall=silent))
    with started(argv(*create_words(host))) as process:
        wait_for_request(host, path)
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=30)
        finally:
            silent.set()
    assert process.returncode == 143
    assert not host.out.exists() or list(host.out.iterdir()) == []
