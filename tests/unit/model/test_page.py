from __future__ import annotations

import pytest

from bundler.model.artifact import RemoteFile
from bundler.model.page import LazyFiles, lazy

NAMES = ["a-1.whl", "a-2.whl", "a-3.whl"]


def test_a_file_is_made_when_it_is_looked_at_and_once() -> None:
    made: list[int] = []

    def make(place: int) -> RemoteFile:
        made.append(place)
        return RemoteFile(filename=NAMES[place], url="https://example.org/")

    files = LazyFiles(NAMES, make)
    picked = files.pick([2, 0])
    assert (len(files), picked.names, made) == (3, ["a-3.whl", "a-1.whl"], [])
    assert picked[0] is files[2]
    assert files[-1] is files[2]
    assert made == [2]
    assert [file.filename for file in picked] == picked.names
    assert made == [2, 0]
    assert [file.filename for file in files[1:]] == NAMES[1:]
    assert [file.filename for file in files] == NAMES
    assert made == [2, 0, 1]
    with pytest.raises(IndexError):
        files[3]


def test_files_that_are_there_already() -> None:
    files = tuple(RemoteFile(filename=name, url="https://example.org/") for name in NAMES)
    found = lazy(files)
    assert found.names == NAMES
    assert found[1] is files[1]
    assert lazy(found) is found
