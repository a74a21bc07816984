"""Fuzz the parser of heads, which reads what nobody has verified.

    pip install 'airgap-bundler[fuzz]'
    python -m tests.fuzz.heads FOLDER [-max_total_time=SECONDS]

FOLDER takes the corpus: seeds now, what Atheris finds later. It runs until it is stopped or finds a
fault: an exception other than `DamagedError`, a head that is not written again as it was read, or
one that `verify.py` reads in another way.
All options are libFuzzer's. Atheris has wheels for few Pythons; it is no part of the tests, which
run `one_head` on the seeds and on changes of them.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from bundler.archive.head import encode_head, head_size, read_head
from bundler.errors import DamagedError
from bundler.second_opinion import verify
from tests.fuzz.atheris_run import run

ENTRIES = {
    "manifest.json": b'{"format":1}',
    "metadata/1.root.json": b'{"signatures":[],"signed":{}}',
    "metadata/timestamp.json": b"",
    "transport/web-000001.v01.json": b"{}" * 300,
}


def seeds() -> Iterator[bytes]:
    """Heads, good ones first; then what is nearly one."""
    for count in range(len(ENTRIES) + 1):
        entries = dict(sorted(ENTRIES.items())[:count])
        size = head_size({name: len(data) for name, data in entries.items()})
        for room in (0, 1, 511, 1536):
            yield encode_head(entries, size + room)
    whole = encode_head(ENTRIES, 6144)
    prefix = whole[:8]
    yield from (b"", prefix, prefix[:4] + b"\xff" * 4, whole[:-1], whole + b"PK\x03\x04")
    yield whole.replace(b"bundler-volume", b"bundler-volumf")
    yield whole.replace(b"1\n", b"2\n", 1)
    yield whole.replace(b"ustar\x0000", b"ustar  \x00")
    yield whole.replace(b"manifest.json", b"../fest.json\0")
    yield whole[:136] + b"77777777777\0" + whole[148:]
    yield b"\x28\xb5\x2f\xfd" + whole


def one_head(data: bytes) -> bool:
    """Whether the bytes begin with a head: both readers say so, and it is written again as it is.

    Raises:
        AssertionError: if it is not.
    """
    stream = io.BytesIO(data)
    try:
        head = read_head(stream)
    except DamagedError:
        assert second_opinion(data) is None
        return False
    assert stream.tell() == head.size <= len(data)
    assert encode_head(head.entries, head.size) == data[: head.size]
    assert second_opinion(data) == (head.entries, head.size)
    return True


def second_opinion(data: bytes) -> tuple[dict[str, bytes], int] | None:
    """What `verify.py` reads; None when it refuses."""
    try:
        return verify.read_head(io.BytesIO(data))[:2]
    except ValueError:
        return None


def main() -> None:
    """Run Atheris."""
    run(seeds, one_head, Path(sys.argv[1]), sys.argv[2:])


if __name__ == "__main__":
    main() if sys.argv[1:] else sys.exit(__doc__)
