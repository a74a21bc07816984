"""Flip every bit of a small bundle: `bundle unpack` must refuse it and change nothing.

    python -m tests.fuzz.sweep [STEP]

The bundle is the second sequence of a stream whose first one is live, so a flip that passes would
go live; its files lie in the mirror already, as after a try that was cut short, so nothing but a
change of what is served or remembered can happen. STEP 1, the usual one, takes every bit; 7 every
seventh, so one or two of each byte. A mirror and a process for each processor.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from securesystemslib.signer import CryptoSigner

from bundler.archive.head import read_head
from bundler.errors import BundlerError, RefusedError
from bundler.events import ignore
from bundler.mirror.layout import Mirror
from bundler.receive import Inside, unpack
from bundler.trust.holders import load_signer
from tests.fakes.command import site, succeed, tree, without_journal
from tests.fakes.forgery import shrunk
from tests.fakes.journals import OPERATOR
from tests.fakes.wheels import build_wheel


def no_judge(root: bytes, profile: bytes) -> NoReturn:
    """There are no attestations in this bundle."""
    raise AssertionError((root, profile))


def bring(volume: Path, mirror: Mirror) -> None:
    """Unpack it, as somebody."""
    unpack([volume], mirror, Inside(make_judge=no_judge, operator=OPERATOR, observe=ignore))


def _journal(mirror: Mirror) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in mirror.state.glob("journal.*")}


@dataclass(frozen=True, slots=True)
class Target:
    """A bundle, and a mirror that awaits it."""

    volume: Path
    mirror: Path

    def flip(self, bits: Iterable[int]) -> Counter[str]:
        """What became of each flip; bits are counted from the first byte's lowest one."""
        found: Counter[str] = Counter()
        data, mirror = self.volume.read_bytes(), Mirror.open(self.mirror)
        before, journal = without_journal(tree(self.mirror)), _journal(mirror)
        with self.volume.open("r+b", buffering=0) as file:
            for bit in bits:
                position = bit // 8
                os.pwrite(file.fileno(), bytes([data[position] ^ 1 << bit % 8]), position)
                try:
                    bring(self.volume, mirror)
                    found["accepted"] += 1
                except RefusedError:
                    found["refused"] += 1
                except BundlerError as error:
                    found[f"{error.code}: {error}"] += 1
                os.pwrite(file.fileno(), data[position : position + 1], position)
                # Each refusal is a line, and every line is read again the next time.
                for path, content in journal.items():
                    path.write_bytes(content)
        if without_journal(tree(self.mirror)) != before:
            found["the mirror has changed"] += 1
        assert self.volume.read_bytes() == data
        return found

    def copy(self, folder: Path) -> Target:
        """Another one, for another process."""
        folder.mkdir()
        shutil.copytree(self.mirror, folder / "mirror", symlinks=True)
        return Target(Path(shutil.copy(self.volume, folder)), folder / "mirror")


@contextmanager
def target(folder: Path) -> Iterator[Target]:
    """A bundle that is good, before a mirror that has its files and shows the sequence before."""
    with site(folder) as host:
        assert host.create().exit_code == 0
        succeed("unpack", host.volume(), "--into", host.mirror)
        host.index.add(*build_wheel("app", "2.0", requires=["lib>=1"]))
        assert host.create().exit_code == 0
        signer = load_signer("officer", folder / "home" / "keys", str)
        assert isinstance(signer, CryptoSigner)
        made = Target(shrunk(host.volume(2), folder / "small", signer), host.mirror)
        last = made.volume.stat().st_size * 8 - 1
        assert made.flip([last]) == {"refused": 1, "the mirror has changed": 1}
        yield made


def main(step: int) -> None:
    """Print what was tried in each part of the volume, and what was refused."""
    with tempfile.TemporaryDirectory(prefix="sweep-") as name, target(Path(name)) as made:
        with made.volume.open("rb") as file:
            head = read_head(file).size
        size, workers = made.volume.stat().st_size, os.cpu_count() or 1
        for part, start, end in (("head", 0, head), ("frames and tail", head, size)):
            bits = range(start * 8, end * 8, step)
            began = time.perf_counter()
            with ProcessPoolExecutor(workers) as pool:
                places = [made.copy(Path(name, f"{part}{n}")) for n in range(workers)]
                done = pool.map(Target.flip, places, (bits[n::workers] for n in range(workers)))
                found = sum(done, Counter[str]())
            took = time.perf_counter() - began
            print(f"{part}: {end - start} bytes, {len(bits)} flips, {dict(found)}, {took:.0f} s")
        bring(made.volume, Mirror.open(made.mirror))
        print("unchanged: accepted")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
