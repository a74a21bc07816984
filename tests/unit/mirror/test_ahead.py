from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.command import Site, site

_LOOKED = """
import os, sys
from pathlib import Path
from bundler.mirror import ahead
from bundler.mirror.layout import Mirror
ahead.look_into = lambda mirror, seen, expected: os.getpid()
with ahead.looking([Path(word) for word in sys.argv[2:]], Mirror.open(Path(sys.argv[1]))) as look:
    print(look(None) == os.getpid())
"""


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with site(tmp_path_factory.mktemp("site")) as host:
        assert isinstance(host, Site)
        return host.mirror


@pytest.mark.parametrize(
    ("sizes", "here"),
    [([], True), ([1000, 2000], True), ([9 << 20, 9 << 20], False), ([1 << 40], False)],
)
def test_little_is_looked_into_without_forks(
    tmp_path: Path, mirror: Path, sizes: list[int], *, here: bool
) -> None:
    words = []
    for number, size in enumerate(sizes):
        words.append(str(tmp_path / str(number)))
        Path(words[-1]).touch()
        os.truncate(words[-1], size)
    assert looked_here(mirror, *words) is here


def test_nobody_knows_how_much_comes_through_a_pipe(mirror: Path) -> None:
    assert not looked_here(mirror, "-")


def looked_here(mirror: Path, *volumes: str) -> bool:
    words = [sys.executable, "-c", _LOOKED, str(mirror), *volumes]
    return subprocess.check_output(words, text=True) == "True\n"
