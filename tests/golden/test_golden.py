"""Bundles of every format version that was ever made are unpacked, to the same bytes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from bundler.errors import TrustError
from tests.fakes.clock import set_clock
from tests.golden.make import MADE, make, read, unpacked

HERE = Path(__file__).parent
FORMATS = sorted(HERE.glob("format-*"))
BUNDLES = [
    pytest.param(folder, bundle, id=f"{folder.name} {bundle}")
    for folder in FORMATS
    for bundle in json.loads((folder / "stored.json").read_text())
]


@pytest.mark.parametrize(("folder", "bundle"), BUNDLES)
def test_a_golden_bundle_is_unpacked(
    folder: Path, bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The far side's clock says the day after it was made: no signature is good for ever."""
    set_clock(monkeypatch, MADE + timedelta(days=1))
    golden = read(folder, tmp_path / "golden")
    wanted = json.loads((folder / "stored.json").read_text())[bundle]
    assert unpacked(golden, bundle, tmp_path / "mirror") == wanted


@pytest.mark.parametrize("folder", FORMATS)
def test_a_golden_bundle_expires_like_any(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, MADE + timedelta(days=2000))
    golden = read(folder, tmp_path / "golden")
    with pytest.raises(TrustError, match="expired"):
        unpacked(golden, "full", tmp_path / "mirror")


def test_they_are_small() -> None:
    files = [path for path in HERE.rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) < 75_000
    assert len(BUNDLES) >= 5


def test_the_newest_format_has_what_is_made_today(tmp_path: Path) -> None:
    """Else it was forgotten to make golden bundles of something new."""
    today = make(tmp_path)
    golden = read(FORMATS[-1], tmp_path / "golden")
    assert set(today.bundles) == set(golden.bundles)
    for bundle, volumes in today.bundles.items():
        names = sorted(volume.name for volume in volumes)
        assert names == sorted(volume.name for volume in golden.bundles[bundle])
