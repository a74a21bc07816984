"""What a next sequence writes anew, and what it takes from the generation before."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import NormalizedName

from bundler.events import Advanced, Event, ignore
from bundler.mirror import writing as writing_module
from bundler.mirror.generations import folder_of, live
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import publish
from bundler.mirror.web.record import NAME, Record, makers, read_record
from bundler.model.contents import Accepted, Contents
from bundler.model.manifest import VerifiedManifest
from tests.fakes.gallery import wheel_with_readme
from tests.fakes.mirrors import Wheel, blob_of, bundled, deliver, documents_of

ONE = wheel_with_readme("one", "1.0", "Summary: One")
TWO = wheel_with_readme("two", "1.0", "Summary: Two")
NEWER = wheel_with_readme("two", "2.0", "Summary: Two")
PAGES = ("simple/one/index.html", "simple/one/index.v1_json", "web/project/one.html")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror.create(tmp_path)
    publish(mirror, deliver(mirror, [ONE, TWO]), ignore)
    return mirror


def _next(mirror: Mirror, *wheels: Wheel, **changes: Any) -> Path:
    shown = live(mirror)
    assert shown
    manifest = deliver(mirror, wheels, sequence=shown.number + 1)
    publish(mirror, VerifiedManifest(replace(manifest, **changes)), ignore)
    return folder_of(mirror, shown.number + 1)


def _is_linked(mirror: Mirror, folder: Path, page: str) -> bool:
    before = folder_of(mirror, int(folder.name) - 1) / page
    return (folder / page).samefile(before)


@contextmanager
def _noting_what_is_written() -> Iterator[list[str]]:
    written: list[str] = []
    real = writing_module._write_project

    def note(folder: Path, former: Path, name: NormalizedName, *others: Any) -> Any:
        written.append(name)
        return real(folder, former, name, *others)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(writing_module, "_write_project", note)
        yield written


def test_what_is_the_same_is_linked_and_not_read(mirror: Mirror) -> None:
    with _noting_what_is_written() as written:
        folder = _next(mirror, ONE, NEWER)
    assert written == ["two"]
    assert all(_is_linked(mirror, folder, page) for page in PAGES)
    assert not _is_linked(mirror, folder, "web/project/two.html")
    assert "Summary" not in (folder / "index.html").read_text()
    assert "One" in (folder / "index.html").read_text()


def test_progress_counts_what_is_linked(mirror: Mirror) -> None:
    events: list[Event] = []
    publish(mirror, deliver(mirror, [ONE, NEWER], sequence=2), events.append)
    pages = [event for event in events if event == Advanced("write pages", 1)]
    assert len(pages) == 2


def test_files_are_counted_as_before(mirror: Mirror) -> None:
    published = publish(mirror, deliver(mirror, [ONE, TWO, NEWER], sequence=2), ignore)
    assert (published.files, published.new_files) == (3, 1)


def test_a_project_that_went_is_gone(mirror: Mirror) -> None:
    folder = _next(mirror, ONE)
    assert not (folder / "web/project/two.html").exists()
    assert b'"two"' not in (folder / NAME).read_bytes()


def test_when_files_came_is_carried_on(mirror: Mirror) -> None:
    _next(mirror, ONE, TWO, NEWER)
    folder = _next(mirror, ONE, NEWER)
    entry = read_record(folder).entries[documents_of([bundled(NEWER)]).popitem()[0]]
    assert entry.arrivals == {"web": {blob_of(NEWER[1]).sha256[:16]: 2}}
    again = _next(mirror, ONE, TWO, NEWER)
    arrivals = read_record(again).entries[entry.name].arrivals["web"]
    assert arrivals == {blob_of(NEWER[1]).sha256[:16]: 2, blob_of(TWO[1]).sha256[:16]: 4}


@pytest.mark.parametrize("data", [None, b"", b"{", b"{}\n", b'{"makers":"x"}\n[1]\n'])
def test_without_the_record_all_is_written_anew(mirror: Mirror, data: bytes | None) -> None:
    path = folder_of(mirror, 1) / NAME
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    assert read_record(path.parent) == Record()
    folder = _next(mirror, ONE, TWO)
    # Nobody knows any more when these came, so a page must not say that it was now.
    entries = read_record(folder).entries.values()
    assert [set(entry.arrivals["web"].values()) for entry in entries] == [{0}, {0}]
    assert "not known" in (folder / "web/project/one.html").read_text()


def test_pages_of_another_version_are_written_anew(mirror: Mirror) -> None:
    path = folder_of(mirror, 1) / NAME
    path.write_bytes(path.read_bytes().replace(makers().encode(), b"0" * 64))
    (folder_of(mirror, 1) / "web/project/one.html").write_text("old")
    folder = _next(mirror, ONE, TWO)
    assert (folder / "web/project/one.html").read_text() != "old"
    entries = read_record(folder).entries.values()
    assert [set(entry.arrivals["web"].values()) for entry in entries] == [{1}, {1}]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_was_lost_is_written_again(mirror: Mirror, page: str) -> None:
    (folder_of(mirror, 1) / page).unlink()
    folder = _next(mirror, ONE, NEWER)
    assert all((folder / each).is_file() for each in PAGES)


def test_a_lost_page_of_the_live_sequence_comes_back(mirror: Mirror) -> None:
    (folder_of(mirror, 1) / "web/project/one.html").unlink()
    assert publish(mirror, deliver(mirror, [ONE, TWO]), ignore).generation == 2
    assert (mirror.web / "project" / "one.html").is_file()


def test_without_links_all_is_written(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMLINK, "too many")

    monkeypatch.setattr(os, "link", refuse)
    folder = _next(mirror, ONE, TWO)
    assert not _is_linked(mirror, folder, PAGES[0])
    assert (folder / PAGES[2]).is_file()


def test_a_former_manifest_that_is_lost_makes_all_new(mirror: Mirror) -> None:
    shown = live(mirror)
    assert shown
    mirror.store.path(shown.streams["web"].manifest.sha256).unlink()
    folder = _next(mirror, ONE, TWO)
    assert (folder / PAGES[2]).is_file()


def test_what_is_said_of_the_inside_counts_too(mirror: Mirror) -> None:
    def looked(*accepted: Accepted) -> Contents:
        return Contents(documents={}, natives=0, covered=0, sboms=0, accepted=accepted)

    digest = blob_of(ONE[1]).sha256
    accepted = Accepted(filename=ONE[0], wheel=digest, reason="a", rules=("record",))
    for contents, same in ((looked(), False), (looked(), True), (looked(accepted), False)):
        with _noting_what_is_written() as written:
            _next(mirror, ONE, TWO, contents=contents)
        assert ("one" not in written) is same


def test_the_record_says_who_made_the_pages(mirror: Mirror) -> None:
    lines = (folder_of(mirror, 1) / NAME).read_text().splitlines()
    assert json.loads(lines[0]) == {"makers": makers()}
    assert len(lines) == 3
    assert read_record(folder_of(mirror, 1)).current
