"""The fuzz target on its seeds and on changes of them, for a moment."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from bundler.archive import head as parser
from tests.fakes.documents import ROOT
from tests.fuzz.changes import changed
from tests.fuzz.heads import one_head, seeds

ROUNDS = 1000


def test_seeds() -> None:
    found = [one_head(seed) for seed in seeds()]
    assert found.count(True) == 21  # the good ones, and one with something behind it
    assert found.count(False) == 10


def test_changed_seeds() -> None:
    chosen = random.Random(1)  # noqa: S311 - the same each time
    found = [one_head(changed(seed, chosen)) for seed in seeds() for _ in range(ROUNDS)]
    assert len(found) == 31 * ROUNDS
    assert 0 < found.count(True) < len(found) / 2


def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a parser that reads past an entry's padding without a look."""
    monkeypatch.setattr(parser, "_tar_entries", lambda _payload: iter([("", b"1\n")]))
    with pytest.raises(AssertionError):
        test_changed_seeds()


def test_without_atheris_it_says_what_to_do(tmp_path: Path) -> None:
    code = "import sys; sys.modules['atheris'] = None; from tests.fuzz.heads import main; main()"
    argv = [sys.executable, "-c", code, str(tmp_path / "corpus")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "atheris is not installed: pip install 'airgap-bundler[fuzz]'\n"
    assert not (tmp_path / "corpus").exists()
