"""`bundle create` against `pip download` for each target, followed by `tar | zstd -3`.

    python tests/bench/bench_create.py [ROUNDS]

Same requirements, same targets, cold caches on both sides, the index that pip uses on this host.
pip is given every lower manylinux tag of each target: with the newest alone it takes old versions.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from bundler.model.target import Target, parse_target
from tests.bench.peers import (
    PLATFORMS,
    PROFILE,
    PYTHONS,
    REQUIREMENTS,
    Run,
    report,
    rounds,
    run,
    shell,
)

BUNDLE = [sys.executable, "-m", "bundler"]


def main(count: int) -> None:
    """Print one line with the medians."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        work = Path(folder)
        (work / "bench.toml").write_text(PROFILE)
        ours, peer = rounds(count, lambda: create(work), lambda: download(work))
        wheels = sum(file.stat().st_size for file in (work / "wheels").rglob("*.whl"))
        volume = next((work / "out").glob("*.tar.zst")).stat().st_size
        print(f"pip's wheels: {wheels / 1e6:.0f} MB; our volume: {volume / 1e6:.0f} MB")
        report("bundle create", ours, "pip download x 6 + tar | zstd -3", peer)


def create(work: Path) -> Run:
    """One `bundle create` with nothing in its cache."""
    for name in ("home", "out"):
        shutil.rmtree(work / name, ignore_errors=True)
    home = ["--home", "home", "--quiet"]
    run([*BUNDLE, "keygen", "bench", *home], cwd=work)
    run([*BUNDLE, "trust", "init", "bench", "--key", "bench", *home], cwd=work)
    return run([*BUNDLE, "create", "bench.toml", "-o", "out", *home], cwd=work)


def download(work: Path) -> Run:
    """`pip download` once for each target, then one archive of it all."""
    shutil.rmtree(work / "wheels", ignore_errors=True)
    targets = [parse_target(python, platform) for python in PYTHONS for platform in PLATFORMS]
    runs = [run(pip_download(target), cwd=work) for target in targets]
    runs.append(shell("tar c wheels | zstd -3 -q -f -o wheels.tar.zst", cwd=work))
    return Run(sum(one.seconds for one in runs), max(one.peak for one in runs))


def pip_download(target: Target) -> list[str]:
    """The command line for one target."""
    tags = [tag for tag in target.platform.tags if not tag.startswith("linux_")]
    platforms = [word for tag in tags for word in ("--platform", tag)]
    return [
        *(sys.executable, "-m", "pip", "download", "--isolated", "--quiet", "--no-cache-dir"),
        *("--only-binary", ":all:", "--implementation", "cp"),
        *("--python-version", target.python.name),
        *platforms,
        *("--dest", f"wheels/{target.name}"),
        *REQUIREMENTS,
    ]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
