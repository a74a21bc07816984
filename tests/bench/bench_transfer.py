"""Packing, verifying and unpacking against what stock tools need for the same bytes.

    python -m tests.bench.bench_transfer FOLDER [ROUNDS]         real wheels: all below FOLDER
    python -m tests.bench.bench_transfer memory [GB ...]         synthetic wheels: peak memory

Both sides find their input in memory, and write to the same disk in the same run. To pack is to
read blobs from the store, to hash, compress and sign them; the peer is `tar c | zstd -3 --long=27
-T2`. To unpack is to verify, import and publish into a fresh mirror; the peer is `zstd -d -T2 | tar
x` and `sha256sum` of every file. To verify reads the volume alone, as `sha256sum` of it does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.peers import Run, report, rounds, run, shell

_PYTHON = sys.executable
BUNDLE = [_PYTHON, "-m", "bundler"]
_SET = [_PYTHON, "-m", "tests.bench.transfer_set"]


class Work:
    """A folder with a set of wheels; every measure begins with nothing left of the one before."""

    def __init__(self, folder: Path, what: str) -> None:
        # In a process of its own: the peak memory of a child is at least that of its parent.
        words = [*_SET, "prepare", str(folder), what]
        self.folder = folder
        self.wheels = int(subprocess.check_output(words))
        self.root = folder / "root.json"

    @property
    def volume(self) -> Path:
        """The one that was packed last."""
        (path,) = (self.folder / "out").glob("*.tar.zst")
        return path

    def pack(self) -> Run:
        """Pack all of it."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        words = [*_SET, "pack", str(self.folder), str(self.folder / "out")]
        done = run(words, self.folder / "store", cwd=Path.cwd())
        shutil.copy(self.folder / "streams" / "bench" / "1.root.json", self.root)
        return done

    def pack_by_tools(self) -> Run:
        """The peer of packing."""
        return shell(
            "tar c wheels | zstd -3 --long=27 -T2 -q -f -o peer.tar.zst; sync peer.tar.zst",
            self.folder / "wheels",
            cwd=self.folder,
        )

    def unpack(self) -> Run:
        """Verify, import and publish into a fresh mirror."""
        mirror = self.folder / "mirror"
        shutil.rmtree(mirror, ignore_errors=True)
        run([*BUNDLE, "trust", "pin", str(self.root), "--into", str(mirror), "-q"], cwd=Path.cwd())
        words = [*BUNDLE, "unpack", str(self.volume), "--into", str(mirror), "-q"]
        return run(words, self.volume, cwd=Path.cwd())

    def unpack_by_tools(self) -> Run:
        """The peer of unpacking."""
        shutil.rmtree(self.folder / "plain", ignore_errors=True)
        script = f"zstd -d -T2 -c '{self.volume}' | tar x -C plain"
        return shell(
            f"mkdir plain; {script}; find plain -type f | xargs sha256sum; sync",
            self.volume,
            cwd=self.folder,
        )

    def verify(self) -> Run:
        """Signatures and every byte of the volume."""
        words = [*BUNDLE, "verify", str(self.volume), "--trust", str(self.root), "-q"]
        return run(words, self.volume, cwd=Path.cwd())

    def hash_by_tool(self) -> Run:
        """The peer of verifying."""
        return shell(f"sha256sum '{self.volume}'", self.volume, cwd=self.folder)


def compare(folder: Path, count: int) -> None:
    """Print size and ratios."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        work = Work(Path(name) / "work", str(folder.absolute()))
        packs = rounds(count, work.pack, work.pack_by_tools)
        size = work.volume.stat().st_size
        peer = (work.folder / "peer.tar.zst").stat().st_size
        share = size / work.wheels
        print(f"wheels: {work.wheels / 1e6:.0f} MB; volume: {size / 1e6:.0f} MB = {share:.3f}")
        print(f"tar | zstd: {peer / 1e6:.0f} MB = {peer / work.wheels:.3f}")
        report("pack", packs[0], "tar c | zstd -3 --long=27 -T2", packs[1])
        unpacks = rounds(count, work.unpack, work.unpack_by_tools)
        report("unpack", unpacks[0], "zstd -d -T2 | tar x; sha256sum", unpacks[1])
        verifies = rounds(count, work.verify, work.hash_by_tool)
        report("verify", verifies[0], "sha256sum", verifies[1])


def memory(sizes: list[float]) -> None:
    """Print the peak memory of packing, unpacking and verifying for each size in GB."""
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            work = Work(Path(name) / "work", str(int(size * 1e9)))
            for what in (work.pack, work.unpack, work.verify):
                one = what()
                said = f"{one.seconds:.1f} s, {one.peak:.0f} MB peak memory"
                print(f"{what.__name__} of {size} GB: {said}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "memory":
        memory([float(word) for word in sys.argv[2:]] or [0.6, 3, 10])
    else:
        compare(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
