"""Checking every rule of `bundler.wheel` against `unzip -t` of the same files.

    python -m tests.bench.bench_wheels FOLDER [ROUNDS]

FOLDER holds wheels, such as those of `profiles/data-science.toml`. `unzip -t` inflates and compares
CRC-32; the check inflates, compares CRC-32, SHA-256 with RECORD, and both descriptions of a zip.
Medians of seconds by the clock and of the processor (children's too); in turns, after one round
that warms the page cache.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bundler.wheel.examine import examine
from bundler.wheel.inflate import Inflate, quick, strict


def main(folder: Path, rounds: int) -> None:
    """Print one line for each way."""
    wheels = sorted(folder.rglob("*.whl"))
    size = sum(path.stat().st_size for path in wheels) / 1e6
    ways: dict[str, Callable[[], None]] = {
        "unzip -t": partial(unzip, wheels),
        "outside, 1 thread": partial(check, wheels, 1, strict),
        "outside, 4 threads": partial(check, wheels, 4, strict),
        "inside, 1 thread": partial(check, wheels, 1, quick),
    }
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start, spent = time.perf_counter(), processor()
            way()
            if turn:
                took[name].append((time.perf_counter() - start, processor() - spent))
    found = [look(strict, path) for path in wheels]
    print(f"{len(wheels)} wheels, {size:.0f} MB, {sum(found)} native libraries")
    for name, rows in took.items():
        clock, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{name:<18} {clock:6.2f} s  {cpu:6.2f} s cpu  {len(wheels) / clock:6.1f} files/s")


def processor() -> float:
    """Seconds of the processor that this process and its children that ended have had."""
    return sum(os.times()[:4])


def unzip(wheels: Sequence[Path]) -> None:
    """One process for each file, as a shell would."""
    for path in wheels:
        subprocess.run(["unzip", "-tqq", str(path)], check=True)


def check(wheels: Sequence[Path], threads: int, inflate: Inflate) -> None:
    """All of them; a fault is of no interest here."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(partial(look, inflate), wheels))


def look(inflate: Inflate, path: Path) -> int:
    """The number of native libraries."""
    with path.open("rb", buffering=1 << 18) as wheel:
        return len(examine(wheel, path.name, inflate=inflate).natives())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
