"""`bundle unpack` against `zstd -d | tar x` followed by `sha256sum` of every file.

    python tests/bench/bench_unpack.py VOLUME ROOT [ROUNDS]

VOLUME is a bundle, ROOT its stream's root.json. Both sides read the same file and write to fresh
folders on the same disk.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench.peers import Run, report, rounds, run, shell

BUNDLE = [sys.executable, "-m", "bundler"]


def main(volume: Path, root: Path, count: int) -> None:
    """Print one line with the medians."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        work = Path(folder)

        def ours() -> Run:
            shutil.rmtree(work / "mirror", ignore_errors=True)
            pin = [*BUNDLE, "trust", "pin", str(root), "--into", "mirror", "--quiet"]
            run(pin, cwd=work)
            unpack = [*BUNDLE, "unpack", str(volume), "--into", "mirror", "--quiet"]
            return run(unpack, cwd=work)

        def peer() -> Run:
            shutil.rmtree(work / "plain", ignore_errors=True)
            script = f"zstd -dc '{volume}' | tar x -C plain; find plain -type f | xargs sha256sum"
            return shell(f"mkdir plain; {script}", cwd=work)

        mine, other = rounds(count, ours, peer)
        print(f"volume: {volume.stat().st_size / 1e6:.0f} MB")
        report("bundle unpack", mine, "zstd -d | tar x, sha256sum", other)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(
        Path(sys.argv[1]).absolute(),
        Path(sys.argv[2]).absolute(),
        int(sys.argv[3]) if len(sys.argv) > 3 else 5,
    )
