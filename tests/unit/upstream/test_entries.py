from __future__ import annotations

import errno
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.events import Event, Noticed
from bundler.upstream.entries import Entries

KEY = hashlib.sha256(b"key").hexdigest()
SECRET = b"secret"
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def entries(tmp_path: Path, heard: list[Event]) -> Entries:
    return Entries(tmp_path / "cache", SECRET, heard.append)


def only_file(folder: Path) -> Path:
    (found,) = (path for path in folder.rglob("*") if path.is_file())
    return found


def test_an_entry_is_found_by_kind_key_and_bound(entries: Entries) -> None:
    assert entries.read("pages", KEY) is None
    entries.write("pages", KEY, b"one", "1")
    assert entries.read("pages", KEY, "1") == b"one"
    assert entries.read("pages", KEY) is None
    assert entries.read("pages", OTHER, "1") is None
    assert entries.read("answers", KEY, "1") is None
    entries.write("pages", KEY, b"", "2")
    assert entries.read("pages", KEY, "1") is None
    assert entries.read("pages", KEY, "2") == b""
    entries.remove("pages", KEY)
    entries.remove("pages", KEY)
    assert entries.read("pages", KEY, "2") is None


def test_it_is_for_its_owner_only(entries: Entries, tmp_path: Path) -> None:
    entries.write("pages", KEY, b"one")
    path = only_file(tmp_path)
    assert path == tmp_path / "cache" / "pages" / KEY[:2] / KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.parents[n].stat().st_mode) for n in range(3)} == {0o700}


def test_every_damage_is_seen_and_mended(entries: Entries, tmp_path: Path) -> None:
    entries.write("pages", KEY, b"content")
    path = only_file(tmp_path)
    right = path.read_bytes()
    flipped = [
        right[:n] + bytes([right[n] ^ 1 << bit]) + right[n + 1 :]
        for n in range(len(right))
        for bit in (0, 7)
    ]
    cut = [right[:n] for n in range(len(right))]
    for wrong in [*flipped, *cut, right + b"\0", b"SQLite format 3\0" * 9]:
        path.write_bytes(wrong)
        assert entries.read("pages", KEY) is None
    entries.write("pages", KEY, b"content")
    assert entries.read("pages", KEY) == b"content"


def test_an_entry_under_another_name_counts_as_absent(entries: Entries, tmp_path: Path) -> None:
    entries.write("metadata", KEY, b"content")
    path = only_file(tmp_path)
    wrong = path.parents[1] / OTHER[:2] / OTHER
    wrong.parent.mkdir()
    path.rename(wrong)
    assert entries.read("metadata", OTHER) is None


def test_an_entry_made_with_another_secret_counts_as_absent(tmp_path: Path) -> None:
    Entries(tmp_path, b"guessed").write("pages", KEY, b"content")
    assert Entries(tmp_path, SECRET).read("pages", KEY) is None


@given(st.binary(max_size=100), st.text(max_size=9))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, bound: str
) -> None:
    entries = Entries(tmp_path_factory.getbasetemp() / "shared", SECRET)
    entries.write("pages", KEY, content, bound)
    assert entries.read("pages", KEY, bound) == content


def test_a_folder_that_takes_no_files(tmp_path: Path, heard: list[Event]) -> None:
    (tmp_path / "cache").write_text("a file")
    entries = Entries(tmp_path / "cache", SECRET, heard.append)
    entries.write("pages", KEY, b"one")
    entries.write("pages", OTHER, b"two")
    assert entries.read("pages", KEY) is None
    text = (
        f"the cache in {tmp_path / 'cache'} cannot be written (Not a directory); going on without"
    )
    assert heard == [Noticed(text)]


def test_an_entry_that_cannot_be_read(entries: Entries, tmp_path: Path, heard: list[Event]) -> None:
    (tmp_path / "cache" / "pages" / KEY[:2] / KEY).mkdir(parents=True)
    assert entries.read("pages", KEY) is None
    assert entries.read("pages", KEY) is None
    text = f"the cache in {tmp_path / 'cache'} cannot be read (Is a directory); going on without"
    assert heard == [Noticed(text)]


def test_a_link_is_not_followed_for_writing(entries: Entries, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    link = tmp_path / "cache" / "pages" / KEY[:2] / KEY
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    entries.write("pages", KEY, b"one")
    assert target.read_text() == "precious"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk(
    entries: Entries,
    tmp_path: Path,
    heard: list[Event],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
) -> None:
    entries.write("pages", KEY, b"old")

    def fdopen(descriptor: int, _mode: str) -> None:
        os.close(descriptor)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fdopen", fdopen)
    entries.write("pages", KEY, b"new")
    monkeypatch.undo()
    assert entries.read("pages", KEY) is None
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    text = f"the cache in {tmp_path / 'cache'} cannot be written ({os.strerror(code)})"
    assert heard == [Noticed(f"{text}; going on without")]
    entries.write("pages", KEY, b"new")
    assert entries.read("pages", KEY) is None


def hammer(folder: Path) -> int:
    """Write and read one entry; how often something wrong was read."""
    entries = Entries(folder, SECRET)
    contents = [bytes([n]) * 50_000 for n in range(4)]
    wrong = 0
    for n in range(150):
        entries.write("pages", KEY, contents[n % 4])
        wrong += entries.read("pages", KEY) not in {None, *contents}
    return wrong


def test_several_processes_and_threads_at_once(tmp_path: Path) -> None:
    context = get_context("spawn")
    with context.Pool(2) as pool, ThreadPoolExecutor(2) as threads:
        others = pool.map_async(hammer, [tmp_path] * 2)
        assert list(threads.map(hammer, [tmp_path] * 2)) == [0, 0]
        assert others.get(30) == [0, 0]
    entries = Entries(tmp_path, SECRET)
    entries.write("pages", KEY, b"last")
    assert entries.read("pages", KEY) == b"last"
