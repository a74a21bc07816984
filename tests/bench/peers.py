"""What the benches share: running a command with its time and peak memory, and printing ratios."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = [
    *("fastapi", "uvicorn", "pandas", "numpy", "scipy", "scikit-learn", "pydantic", "requests"),
    *("cryptography", "sqlalchemy", "lxml", "pillow", "polars"),
]
PYTHONS = ("3.11", "3.12")
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "x86_64-pc-windows-msvc")
PROFILE = f"""
[profile]
name = "bench"
requirements = {REQUIREMENTS!r}
[targets]
python = {list(PYTHONS)!r}
platforms = {list(PLATFORMS)!r}
"""


@dataclass(frozen=True)
class Run:
    """Seconds on the wall and peak resident memory in MB of one command with its children."""

    seconds: float
    peak: float


_WARM = "import sys; bytearray(b'.') * int(sys.argv[1])"
_WARM_BYTES = 3 << 29


def settle(*inputs: Path) -> None:
    """Let every command find the same host: its input in memory, free memory, an idle disk.

    A virtual machine's host takes back what nobody has used for seconds, files that were read as
    well, and to get it again costs ten times as much as to use it. So whoever ran soon after
    another was quicker.
    """
    os.sync()
    subprocess.run([sys.executable, "-c", _WARM, str(_WARM_BYTES)], check=True)
    for path in inputs:
        for file in path.rglob("*") if path.is_dir() else (path,):
            if file.is_file():
                _read(file)


def _read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def run(argv: Sequence[str], *inputs: Path, cwd: Path, env: dict[str, str] | None = None) -> Run:
    """Run a command to its end, on a settled host; fail loudly if it fails.

    Args:
        argv: The command.
        inputs: Files, or folders of them, that it reads.
        cwd: Where it runs.
        env: Is added to the environment.
    """
    settle(*inputs)
    started = time.perf_counter()
    with subprocess.Popen(
        argv, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{shlex.join(argv)} ended with exit code {process.returncode}")
    return Run(time.perf_counter() - started, usage.ru_maxrss / 1024)


def shell(script: str, *inputs: Path, cwd: Path) -> Run:
    """Run a line of shell; see `run`."""
    return run(["bash", "-euo", "pipefail", "-c", script], *inputs, cwd=cwd)


def rounds(count: int, *measures: Callable[[], Run]) -> list[Run]:
    """The median of each measure over `count` rounds, all measures taking turns."""
    taken: list[list[Run]] = [[] for _ in measures]
    for _ in range(count):
        for place, measure in enumerate(measures):
            taken[place].append(measure())
    return [
        Run(statistics.median(r.seconds for r in one), max(r.peak for r in one)) for one in taken
    ]


def report(name: str, ours: Run, peer_name: str, peer: Run) -> None:
    """One line: both times, their ratio, both peaks."""
    ratio = peer.seconds / ours.seconds
    print(f"{name}: {ours.seconds:.2f} s, {ours.peak:.0f} MB peak memory")
    print(f"{peer_name}: {peer.seconds:.2f} s, {peer.peak:.0f} MB peak memory")
    print(f"{name} is {ratio:.2f} times as fast: it takes {1 / ratio:.2f} times the time")
