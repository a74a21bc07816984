"""Parity over ten volumes, made and used, against par2 on the same bytes.

    python -m tests.bench.bench_parity [MEGABYTES] [ROUNDS]

Ten volumes of that size (20 MB each), two rows of parity: first the rows are made, then two volumes
are rebuilt. par2 (on PATH) gets ten files, blocks as large as a file and two recovery blocks, so
that it computes as much. Both run on one processor, as processes of their own. What they read is in
the page cache.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from bundler.archive.parity import encode
from bundler.archive.rebuild import rebuild
from bundler.archive.store import BlobStore
from bundler.model.parity import Column, ParityDocument
from tests.bench.peers import Run, report, rounds, run
from tests.fakes.volumes import noise

VOLUMES, ROWS, BLOBS = 10, 2, 5
STEP = [sys.executable, "-m", "tests.bench.bench_parity"]
QUIET = ["-q", "-q"]


def main(megabytes: int, count: int) -> None:
    """Print both times and their ratio, for making and for rebuilding."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        work = Path(folder)
        # Not here: what this process holds at its fork counts as its children's.
        run([*STEP, "prepare", folder, str(megabytes * 1_000_000)], cwd=Path.cwd())
        ours, peer = rounds(count, lambda: step("make", work), lambda: par2_create(work))
        print(f"{VOLUMES} x {megabytes} MB, {ROWS} rows, one processor:", end=" ")
        print(f"{VOLUMES * megabytes / ours.seconds:.0f} MB/s")
        report("parity", ours, "par2 create", peer)
        ours, peer = rounds(count, lambda: step("rebuild", work), lambda: par2_repair(work))
        print(f"{ROWS} of {VOLUMES} rebuilt: {VOLUMES * megabytes / ours.seconds:.0f} MB/s")
        report("rebuild", ours, "par2 repair", peer)


def prepare(work: Path, size: int) -> None:
    """A store with the blobs of each volume and the parity, and the same bytes as files."""
    store = BlobStore(work / "store", durable=False)
    columns = []
    for number in range(VOLUMES):
        parts = [noise(size // BLOBS, number * BLOBS + part) for part in range(BLOBS)]
        columns.append(Column(volume=number + 1, blobs=tuple(store.put(part) for part in parts)))
        (work / f"volume{number}.bin").write_bytes(b"".join(parts))
    document = encode(columns, ROWS, store.open, store)
    (work / "parity.json").write_bytes(document.to_bytes())


def step(name: str, work: Path) -> Run:
    """Run `make` or `rebuild` below, with nothing there of an earlier run."""
    shutil.rmtree(work / "out", ignore_errors=True)
    return run([*STEP, name, str(work)], cwd=Path.cwd())


def make(work: Path) -> None:
    """All rows."""
    document, store = ParityDocument.from_bytes((work / "parity.json").read_bytes()), stores(work)
    assert encode(document.columns, ROWS, store[0].open, store[1]) == document


def rebuild_lost(work: Path) -> None:
    """The first volumes, as many as there are rows."""
    document, store = ParityDocument.from_bytes((work / "parity.json").read_bytes()), stores(work)
    lost = {blob for column in document.columns[:ROWS] for blob in column.blobs}
    found = rebuild(
        document, have=lambda blob: blob not in lost, open_blob=store[0].open, store=store[1]
    )
    assert set(found.blobs) == lost


def stores(work: Path) -> tuple[BlobStore, BlobStore]:
    """What is read from, and what is written to."""
    return BlobStore(work / "store"), BlobStore(work / "out", durable=False)


def par2_create(work: Path) -> Run:
    """Two recovery blocks over ten."""
    for path in work.glob("*.par2"):
        path.unlink()
    files = [f"volume{number}.bin" for number in range(VOLUMES)]
    block = (work / files[0]).stat().st_size
    return run(
        ["par2", "create", *QUIET, f"-s{block}", f"-c{ROWS}", "parity.par2", *files], cwd=work
    )


def par2_repair(work: Path) -> Run:
    """Two of ten files."""
    for number in range(ROWS):
        (work / f"volume{number}.bin").unlink()
    return run(["par2", "repair", *QUIET, "parity.par2"], cwd=work)


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        prepare(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["make"]:
        make(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["rebuild"]:
        rebuild_lost(Path(sys.argv[2]))
    elif shutil.which("par2") is None:
        sys.exit("par2 is not on PATH")
    else:
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else 20,
            int(sys.argv[2]) if len(sys.argv) > 2 else 5,
        )
