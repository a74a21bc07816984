"""Kill `bundle create` and `bundle unpack` wherever they change the disk, and run them again.

    python -m tests.fuzz.kill [STEP] [RANDOM]

A step is a file that is opened for writing, renamed, linked or removed, or a folder that is made:
the program is killed right before it, so whatever is done by then has happened in this order. STEP
1, the usual one, takes each of them, 7 every seventh; RANDOM, 100 usually, is how many more times
a program is killed at a moment of its own. Power is not cut: what the system had taken stays.

Afterwards the same command must end well; what the mirror then has must be what it has after a run
that nobody disturbed, byte for byte; and nothing that was done may be done again: no wheel is
fetched twice, and no blob is written twice.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from bundler.cli.main import app
from bundler.mirror.generations import live
from bundler.mirror.layout import Mirror
from tests.fakes.command import Site, site
from tests.fakes.volumes import noise
from tests.fakes.wheels import build_wheel

_STEPS = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["bundler.create", "bundler.receive", "tests.fakes.command", "tests.fakes.volumes"]
)
_PATIENCE = 120
_DIGITS = 64


Words: TypeAlias = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: whether it was killed, and which blobs it had written."""

    killed: bool
    blobs: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """What the sweep has found."""

    points: int = 0
    killed: int = 0
    same: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = f"{self.points} points, {self.killed} killed, {self.same} resumes identical"
        return "\n".join([said, *self.faults])


def _child(words: Sequence[str], root: str, kill_at: int, log: str) -> None:
    """Run one command; before step `kill_at` below `root`, be killed."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    first, steps = os.getpid(), 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal steps
        is_open = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        path = str(arguments[0]) if is_open or event in _STEPS else ""
        if path.startswith(root):
            steps += 1
            if steps == kill_at:
                # The planner is a process of its own, with steps of its own.
                os.kill(first, signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)
            if event == "os.rename" and "/partial/" in path:
                os.write(descriptor, f"{arguments[1]}\n".encode())

    said = os.open(f"{log}.said", os.O_WRONLY | os.O_CREAT)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.addaudithook(hook)
    app(list(words))


def run(words: Words, root: Path, *, kill_at: int = 0, after: float = 0) -> Outcome:
    """Run a command in a process of its own; it is killed at a step, or after so many seconds.

    Raises:
        AssertionError: if it fails in another way.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "steps")
        process = _FORKS.Process(
            target=_child, args=([str(word) for word in words], str(root), kill_at, str(log))
        )
        process.start()
        if after:
            process.join(after)
            process.kill()
        process.join(_PATIENCE)
        killed = process.exitcode == -signal.SIGKILL
        assert killed or process.exitcode == 0, log.with_suffix(".said").read_text()
        paths = log.read_text().split() if log.exists() else []
    return Outcome(killed, tuple(path for path in paths if len(Path(path).name) == _DIGITS))


def state(mirror: Path) -> dict[str, bytes]:
    """All that a mirror has, but for its journal, which has times."""
    found: dict[str, bytes] = {}
    for path in sorted(mirror.rglob("*")):
        name = str(path.relative_to(mirror))
        if path.is_symlink():
            found[name] = str(path.readlink()).encode()
        elif path.is_file() and not name.startswith(".bundler/journal"):
            found[name] = path.read_bytes()
    return found


@dataclass(slots=True)
class Sweep:
    """A host that makes bundles of three volumes, and what undisturbed runs come to."""

    host: Site
    folder: Path
    tally: Tally = field(default_factory=Tally)
    volumes: list[Path] = field(default_factory=list)
    wanted: dict[str, bytes] = field(default_factory=dict)
    tries: int = 0

    def prepare(self) -> None:
        """The undisturbed runs."""
        run(self.creating(self.folder / "home", self.folder / "out"), self.folder)
        self.volumes = sorted((self.folder / "out").glob("*.tar.zst"))
        mirror = self.mirror()
        run(("unpack", *self.volumes, "--into", mirror), self.folder)
        self.wanted = state(mirror)
        assert live(Mirror.open(mirror)) is not None

    def creating(self, home: Path, out: Path) -> Words:
        """The words of `bundle create`, for a copy of the host's home."""
        shutil.copytree(self.host.folder / "home", home)
        return "create", self.host.profile, "-o", out, "--home", home, "--volume-size", "600kB"

    def mirror(self) -> Path:
        """A mirror that the root is pinned in, and nothing else."""
        self.tries += 1
        mirror = self.folder / f"mirror{self.tries}"
        shutil.copytree(self.host.mirror, mirror, symlinks=True)
        return mirror

    def unpack(self, *, kill_at: int = 0, after: float = 0) -> bool:
        """Whether it was killed; it is run again, and held against the undisturbed run."""
        mirror = self.mirror()
        words: Words = ("unpack", *self.volumes, "--into", mirror)
        first = run(words, mirror, kill_at=kill_at, after=after)
        second = run(words, mirror)
        twice = [name for name in second.blobs if name in first.blobs]
        # Whoever is killed between two steps has renamed a file, or is about to.
        self._count(
            f"unpack, step {kill_at}, {after:.3f} s",
            first,
            differs=_differences(self.wanted, state(mirror)),
            again=twice[1:] if after else twice,
        )
        shutil.rmtree(mirror)
        return first.killed

    def create(self, *, kill_at: int = 0, after: float = 0) -> bool:
        """Whether it was killed; it is run again, and its volumes are unpacked."""
        mirror = self.mirror()
        place = self.folder / f"try{self.tries}"
        words = self.creating(place / "home", place / "out")
        first = run(words, place, kill_at=kill_at, after=after)
        there = {str(path) for path in (place / "home").rglob("sha256/*/*")}
        cached = {Path(path).name for path in there}
        before = {path.name for path in (place / "out").glob("*")}
        asked = len(self.host.index.requests)
        second = run(words, place)
        fetched = {Path(path).name for path in self.host.index.paths()[asked:]}
        wheels = {Path(name).name: Path(name).parent.name for name in self.wanted}
        again = [name for name in fetched if wheels.get(name) in cached]
        made = [path for path in (place / "out").glob("*.tar.zst") if path.name not in before]
        run(("unpack", *sorted(made), "--into", mirror), mirror)
        differs = _differences(_carried(self.wanted), _carried(state(mirror)))
        parts = [path.name for path in (place / "out").iterdir() if path.name.endswith(".part")]
        again += [name for name in second.blobs if name in there]
        self._count(
            f"create, step {kill_at}, {after:.3f} s", first, differs=differs, again=[*again, *parts]
        )
        shutil.rmtree(place)
        shutil.rmtree(mirror)
        return first.killed

    def _count(
        self, what: str, first: Outcome, *, differs: Sequence[str], again: Sequence[str]
    ) -> None:
        self.tally.points += 1
        self.tally.killed += first.killed
        self.tally.same += not differs
        if differs:
            self.tally.faults.append(f"{what}: the store differs: {', '.join(differs)}")
        if again:
            self.tally.faults.append(f"{what}: done again or left over: {', '.join(again)}")


def _differences(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _carried(found: dict[str, bytes]) -> dict[str, bytes]:
    """What comes from blobs alone; the rest has the time of the run, in a manifest or signature."""
    return {
        name: data
        for name, data in found.items()
        if name.startswith("files/")
        or "/simple/" in name
        or (name.startswith(".bundler/blobs/") and b'"created":' not in data)
    }


@contextmanager
def sweeping(folder: Path) -> Iterator[Sweep]:
    """A sweep that is prepared; one of its wheels is cut."""
    with site(folder / "site") as host:
        host.index.add(*build_wheel("big", "1.0", files={"big/noise": noise(900_000)}))
        host.write_profile(["app", "big"])
        sweep = Sweep(host, folder)
        sweep.prepare()
        assert len(sweep.volumes) > 2
        yield sweep


def main(step: int, randomly: int) -> None:
    """Print what was tried, for each command."""
    chosen = random.Random(1)  # noqa: S311 - the same each time
    with tempfile.TemporaryDirectory(prefix="kill-") as name, sweeping(Path(name)) as sweep:
        for command in (sweep.unpack, sweep.create):
            sweep.tally = Tally()
            began = time.perf_counter()
            point = 1
            while command(kill_at=point):
                point += step
            print(f"{command.__name__}: {point - 1} steps; {sweep.tally}", flush=True)
            sweep.tally = Tally()
            longest = 2.0 if command == sweep.create else 0.5
            for _ in range(randomly):
                command(after=chosen.uniform(0.01, longest))
            took = time.perf_counter() - began
            print(f"{command.__name__}: at random, {sweep.tally}; {took:.0f} s in all", flush=True)


if __name__ == "__main__":
    main(*(int(word) for word in (*sys.argv[1:], *("1", "100")[len(sys.argv) - 1 :])))
