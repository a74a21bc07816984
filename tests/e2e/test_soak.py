"""Ten seconds of what `python -m tests.bench.soak` does for ten minutes."""

from __future__ import annotations

from pathlib import Path

from tests.bench.soak import soak


def test_nobody_notices_what_is_unpacked_rolled_back_and_pruned(tmp_path: Path) -> None:
    figures = soak(tmp_path, 10)
    assert figures.failed == []
    assert min(figures.changes.values()) >= 1
    assert figures.changes.keys() == {"unpack", "rollback", "prune"}
    assert figures.asked.keys() == {"pip", "uv", "requests"}
    assert figures.asked["requests"] > 10
