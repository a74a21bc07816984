"""Flipped bits all over a whole bundle; `python -m tests.fuzz.sweep` takes every one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import IncompleteError, RefusedError
from bundler.mirror.generations import live
from bundler.mirror.layout import Mirror
from tests.fuzz import sweep
from tests.fuzz.sweep import bring, target

STEP = 131  # each sixteenth byte or so; an odd number, so every bit of a byte has its turn


def test_no_flipped_bit_of_a_bundle_changes_the_mirror(tmp_path: Path) -> None:
    with target(tmp_path) as made:
        bits = range(0, made.volume.stat().st_size * 8, STEP)
        assert made.flip(bits) == {"refused": len(bits)}
        assert len(bits) > 800
        assert {bit % 8 for bit in bits} == set(range(8))
        mirror = Mirror.open(made.mirror)
        bring(made.volume, mirror)
        generation = live(mirror)
        assert generation is not None
        assert generation.streams["test"].sequence == 2


@pytest.mark.parametrize(
    ("outcome", "counted"),
    [
        (None, "accepted"),
        (RefusedError("no"), "refused"),
        (IncompleteError("not yet"), "incomplete: not yet"),
    ],
)
def test_what_became_of_a_flip_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Exception | None, counted: str
) -> None:
    def judge(*_: object, **__: object) -> None:
        (tmp_path / "mirror" / "new").touch()
        if outcome:
            raise outcome

    with target(tmp_path) as made:
        monkeypatch.setattr(sweep, "unpack", judge)
        assert made.flip([0]) == {counted: 1, "the mirror has changed": 1}
