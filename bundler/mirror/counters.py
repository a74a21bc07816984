"""What a server has done, for Prometheus (text format 0.0.4), summed over its processes.

Each process writes to a row of its own in a table that all share; who is asked for the figures adds
the rows up.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_REFUSED = ("address", "credentials", "rate")
_BYTES = len(_CLASSES)
_SECONDS = _BYTES + 1
_FIRST_BUCKET = _SECONDS + 1
_FIRST_REFUSED = _FIRST_BUCKET + len(_BUCKETS)

COLUMNS = _FIRST_REFUSED + len(_REFUSED)
"""Numbers in a row."""


@dataclass(frozen=True, slots=True)
class Counters:
    """One process's row of the table; its threads may share it.

    Attributes:
        table: Rows of `COLUMNS` numbers, one after the other, 0.0 at first.
        row: Which one this process writes to.
    """

    table: MutableSequence[float]
    row: int
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def answered(self, status: int, size: int, seconds: float) -> None:
        """Count a request: its status, bytes of body as promised, and time until the answer."""
        start = self.row * COLUMNS
        bucket = 0 if seconds <= _BUCKETS[0] else bisect_left(_BUCKETS, seconds)
        with self._lock:
            self.table[start + status // 100 - 1] += 1
            self.table[start + _BYTES] += size
            self.table[start + _SECONDS] += seconds
            if bucket < len(_BUCKETS):
                self.table[start + _FIRST_BUCKET + bucket] += 1

    def refused(self, reason: str) -> None:
        """Count a refusal: by "address", "credentials" or "rate"."""
        with self._lock:
            self.table[self.row * COLUMNS + _FIRST_REFUSED + _REFUSED.index(reason)] += 1

    def render(self, generation: int | None) -> bytes:
        """The figures of all processes; the generation is the live one's number."""
        rows = len(self.table) // COLUMNS
        sums = [sum(self.table[row * COLUMNS + at] for row in range(rows)) for at in range(COLUMNS)]
        return "".join(f"{line}\n" for line in _lines(sums, generation)).encode()


def _lines(sums: list[float], generation: int | None) -> Iterator[str]:
    yield "# HELP bundler_requests_total Answered requests, by class of status."
    yield "# TYPE bundler_requests_total counter"
    for name, count in zip(_CLASSES, sums, strict=False):
        yield f'bundler_requests_total{{status="{name}"}} {count:.0f}'
    yield "# HELP bundler_response_bytes_total Bytes of bodies, as promised in headers."
    yield "# TYPE bundler_response_bytes_total counter"
    yield f"bundler_response_bytes_total {sums[_BYTES]:.0f}"
    yield "# HELP bundler_refused_total Refused requests, by reason."
    yield "# TYPE bundler_refused_total counter"
    for name, count in zip(_REFUSED, sums[_FIRST_REFUSED:], strict=True):
        yield f'bundler_refused_total{{reason="{name}"}} {count:.0f}'
    yield "# HELP bundler_answer_seconds Time from a request to its answer, without sending."
    yield "# TYPE bundler_answer_seconds histogram"
    so_far = 0.0
    for bound, count in zip(_BUCKETS, sums[_FIRST_BUCKET:], strict=False):
        so_far += count
        yield f'bundler_answer_seconds_bucket{{le="{bound}"}} {so_far:.0f}'
    total = sum(sums[: len(_CLASSES)])
    yield f'bundler_answer_seconds_bucket{{le="+Inf"}} {total:.0f}'
    yield f"bundler_answer_seconds_sum {sums[_SECONDS]:.6f}"
    yield f"bundler_answer_seconds_count {total:.0f}"
    if generation is not None:
        yield "# HELP bundler_generation The number of the live generation."
        yield "# TYPE bundler_generation gauge"
        yield f"bundler_generation {generation}"
