from __future__ import annotations

import io
from pathlib import Path

import pytest

from bundler.archive import spools as module
from bundler.archive.parallel import Leftovers
from bundler.archive.spools import Spool, Spools


@pytest.fixture
def spools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spools:
    monkeypatch.setattr(module, "SPOOL_MEMORY", 100)
    return Spools(tmp_path)


def in_memory(spool: Spool) -> bool:
    return isinstance(spool.file, io.BytesIO)


def test_what_was_written_is_read(spools: Spools) -> None:
    for size in (9, 900):
        spool = spools.new(size)
        spool.file.write(bytes(size))
        spool.file.seek(0)
        assert spool.file.read() == bytes(size)
        spool.close()


def test_memory_is_shared_and_comes_back(spools: Spools) -> None:
    with Leftovers() as leftovers:

        def new(size: int) -> Spool:
            return leftovers.add(spools.new(size))

        first, second = new(60), new(60)
        assert (in_memory(first), in_memory(second)) == (True, False)
        assert in_memory(new(40))
        assert not in_memory(new(1))
        first.close()
        first.close()  # gives nothing more
        assert in_memory(new(60))
        assert not in_memory(new(1))


def test_a_file_has_no_name_and_takes_no_memory(spools: Spools, tmp_path: Path) -> None:
    large = spools.new(101)
    large.file.write(bytes(101))
    large.file.flush()
    assert list(tmp_path.iterdir()) == []
    assert in_memory(spools.new(100))
    large.close()
    assert large.file.closed
