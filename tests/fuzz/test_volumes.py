"""The fuzz targets on their seeds and on changes of them, for a moment."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from bundler.archive import ustar
from tests.fakes.documents import ROOT
from tests.fuzz.changes import changed, respelled
from tests.fuzz.volumes import TARGETS

ROUNDS = {"zst": 40, "tar": 40, "segment": 200}
ACCEPTED = {
    "zst": 1,
    "tar": 1,
    "frame": 2,
    "index": 3,
    "set": 2,
    "parity": 1,
    "header": 2,
    "segment": 1,
}
DOCUMENTS = ("index", "set", "parity")


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    target = TARGETS[name]
    assert [target.one(seed) for seed in target.seeds()].count(True) == ACCEPTED[name]


@pytest.mark.parametrize("name", TARGETS)
def test_changed_seeds(name: str) -> None:
    target, chosen = TARGETS[name], random.Random(1)  # noqa: S311 - the same each time
    rounds = ROUNDS.get(name, 1000)
    found = [target.one(changed(seed, chosen)) for seed in target.seeds() for _ in range(rounds)]
    assert found.count(True) < len(found) / 2


@pytest.mark.parametrize("name", DOCUMENTS)
def test_changed_documents(name: str) -> None:
    target, chosen = TARGETS[name], random.Random(2)  # noqa: S311 - the same each time
    found = [target.one(respelled(seed, chosen)) for seed in target.seeds() for _ in range(1500)]
    assert 0 < found.count(True) < len(found) / 2


def test_every_target_has_a_part_here() -> None:
    assert set(ACCEPTED) == set(TARGETS)


def test_without_atheris_it_says_what_to_do(tmp_path: Path) -> None:
    code = "import sys; sys.modules['atheris'] = None; from tests.fuzz.volumes import main; main()"
    argv = [sys.executable, "-c", code, "set", str(tmp_path / "corpus")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "atheris is not installed: pip install 'airgap-bundler[fuzz]'\n"
    assert not (tmp_path / "corpus").exists()


def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a parser that does not compare the rest of a header."""

    def lenient(block: bytes) -> tuple[str, int]:
        return block[:100].rstrip(b"\0").decode("latin-1"), int(block[124:135] or b"0", 8)

    monkeypatch.setattr(ustar, "parse_header", lenient)
    with pytest.raises((AssertionError, ValueError)):
        test_changed_seeds("header")
