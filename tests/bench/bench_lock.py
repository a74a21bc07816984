"""`bundle lock` for many targets against one `uv pip compile` for each of them.

    python -m tests.bench.bench_lock [usual|airflow] [ROUNDS]

`usual` is 3 Pythons on 4 platforms, `airflow` a profile of Airflow's size for 5 on 5. Both sides
use the index that pip uses on this host. Cold: nothing in any cache; the runs of uv share one.
Warm: the same once more, without earlier locks. An index that answers a revalidation with the whole
page makes a warm run of uv as long as a cold one: look at that before you quote a warm ratio.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bundler.upstream.pip_config import pip_index_url
from tests.bench.parity import with_credentials
from tests.bench.peers import REQUIREMENTS, Run, report, run
from tests.fakes.uv import uv_command, uv_environment

BUNDLE = [sys.executable, "-m", "bundler"]
_PLATFORMS = (
    "x86_64-manylinux_2_28",
    "aarch64-manylinux_2_28",
    "x86_64-pc-windows-msvc",
    "aarch64-apple-darwin",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is locked, and for whom."""

    requirements: list[str]
    pythons: tuple[str, ...]
    platforms: tuple[str, ...]

    @property
    def profile(self) -> str:
        """As TOML."""
        return (
            f'[profile]\nname = "bench"\nrequirements = {self.requirements!r}\n'
            f"[targets]\npython = {[*self.pythons]!r}\nplatforms = {[*self.platforms]!r}\n"
        )


TASKS = {
    "usual": Task(
        requirements=REQUIREMENTS, pythons=("3.11", "3.12", "3.13"), platforms=_PLATFORMS
    ),
    "airflow": Task(
        requirements=[
            "apache-airflow[celery,postgres,redis]>=3",
            "apache-airflow-providers-amazon",
            "apache-airflow-providers-cncf-kubernetes",
            "apache-airflow-providers-google",
            "apache-airflow-providers-microsoft-azure",
            "apache-airflow-providers-snowflake",
        ],
        pythons=("3.10", "3.11", "3.12", "3.13", "3.14"),
        platforms=(*_PLATFORMS, "x86_64-apple-darwin"),
    ),
}


def main(name: str, count: int) -> None:
    """Print medians, ratios and peaks, cold and warm."""
    task = TASKS[name]
    taken: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        work = Path(folder)
        (work / "bench.toml").write_text(task.profile)
        (work / "in.txt").write_text("\n".join(task.requirements))
        for _ in range(count):
            for cache in ("home", "uv"):
                shutil.rmtree(work / cache, ignore_errors=True)
            for state in ("cold", "warm"):
                taken.setdefault(f"ours, {state}", []).append(lock(work))
                taken.setdefault(f"uv, {state}", []).append(compile_all(task, work))
        locks = len(list((work / "locks").glob("pylock.*.toml")))
    print(f"{name}: {locks} targets, {count} rounds")
    for state in ("cold", "warm"):
        ours, peer = median(taken[f"ours, {state}"]), median(taken[f"uv, {state}"])
        report(f"bundle lock, {state}", ours, f"uv pip compile x {locks}, {state}", peer)


def lock(work: Path) -> Run:
    """One `bundle lock`; no earlier locks are there."""
    shutil.rmtree(work / "locks", ignore_errors=True)
    return run([*BUNDLE, "lock", "bench.toml", "-o", "locks", "--home", "home", "-q"], cwd=work)


def compile_all(task: Task, work: Path) -> Run:
    """`uv pip compile` for each target, one after the other: the sum, and the highest peak."""
    index = with_credentials(pip_index_url())
    runs = [
        run(
            # A file instead of standard input.
            ["in.txt" if word == "-" else word for word in command],
            cwd=work,
            env=uv_environment(),
        )
        for python in task.pythons
        for platform in task.platforms
        if (command := uv_command(index, python, platform, work / "uv"))
    ]
    return Run(sum(one.seconds for one in runs), max(one.peak for one in runs))


def median(runs: list[Run]) -> Run:
    """The median of the times, the highest of the peaks."""
    return Run(statistics.median(one.seconds for one in runs), max(one.peak for one in runs))


if __name__ == "__main__":
    main(
        sys.argv[1] if len(sys.argv) > 1 else "usual",
        int(sys.argv[2]) if len(sys.argv) > 2 else 3,
    )
