"""What it costs to read and verify the head of a large stream, with what a mirror remembers of it.

    python -m tests.bench.bench_head [PROJECTS] [ROUNDS]

The head has a manifest of so many projects, each with a contents document and a segment of its own
with six files. Times are medians in ms: of reading the head, of loading what is remembered of the
sequence before, of the gate, and of remembering; then of `verify.py` for the head alone.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TypeVar

from packaging.utils import canonicalize_name

from bundler.archive.head import encode_head, head_size, read_head
from bundler.model.artifact import Blob, Sha256
from bundler.model.contents import Contents
from bundler.model.manifest import Manifest
from bundler.model.volume import Frame, Segment
from bundler.second_opinion import verify
from bundler.trust.gate import admit, anchor_from_root, commit, load_anchor
from tests.fakes.trust import FakeStream, make_index, make_manifest, make_stream

FILES = 6
T = TypeVar("T")


def blob(name: str) -> Blob:
    """Some blob, always the same for a name."""
    return Blob(Sha256(hashlib.sha256(name.encode()).hexdigest()), 123_456)


def make_head(stream: FakeStream, projects: int) -> bytes:
    """The head of the next sequence."""
    names = [canonicalize_name(f"project-{number}") for number in range(projects)]
    manifest: Manifest = replace(
        make_manifest("web", stream.authority.next_sequence),
        projects={name: blob(name) for name in names},
        contents=Contents(
            documents={name: blob(f"{name} contents") for name in names},
            natives=projects,
            covered=0,
            sboms=0,
            accepted=(),
        ),
    )
    index = make_index(manifest, stream.authority.root_chain())
    offset, segments = 1 << 24, []
    for name in names:
        frame = Frame(offset=offset, size=500_000, sha256=blob(f"{name} f").sha256, length=10**6)
        files = tuple(blob(f"{name} {number}") for number in range(FILES))
        segments.append(Segment(label=f"{name} 1.0", blobs=files, frames=(frame,)))
        offset += frame.size
    tail = replace(index.tail, offset=offset)
    index = replace(index, segments=tuple(segments), tail=tail, size=offset + tail.size)
    entries = stream.head(manifest, index)
    return encode_head(entries, head_size({name: len(data) for name, data in entries.items()}))


def timed(rounds: int, what: str, action: Callable[[], T]) -> T:
    """Print the median; what the last round gave."""
    times, results = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        results.append(action())
        times.append(time.perf_counter() - start)
    print(f"{what:24}{median(times) * 1000:9.1f} ms")
    return results[-1]


def main(projects: int, rounds: int) -> None:
    """Print a line for each step."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        stream = make_stream(folder)
        before = read_head(io.BytesIO(make_head(stream, projects)))
        trust = folder / "trust"
        commit(admit(before.entries, anchor_from_root(stream.root)), trust)
        data = make_head(stream, projects)
        print(f"{projects} projects, a head of {len(data) / 1e6:.1f} MB")
        head = timed(rounds, "read the head", lambda: read_head(io.BytesIO(data)))
        anchor = timed(rounds, "load the state", lambda: load_anchor(trust, "web"))
        admission = timed(rounds, "verify", lambda: admit(head.entries, anchor))
        assert admission.is_newer
        timed(1, "remember", lambda: commit(admission, trust))
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

        def other() -> None:
            entries, _, form = verify.read_head(io.BytesIO(data))
            verify.check_head(entries, form, stream.root, now)

        timed(rounds, "verify.py, head only", other)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*(*numbers, *(10_000, 5)[len(numbers) :]))
