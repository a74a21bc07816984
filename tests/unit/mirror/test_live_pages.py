from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from bundler.events import ignore
from bundler.mirror import live_pages
from bundler.mirror.generations import folder_of, make_live
from bundler.mirror.layout import Mirror
from bundler.mirror.live_pages import LivePages
from bundler.mirror.pages import HTML_NAME
from bundler.mirror.publish import publish
from tests.fakes.mirrors import deliver
from tests.fakes.wheels import build_wheel

FOO, BAR, NEW = build_wheel("foo", "1.0"), build_wheel("bar", "1.0"), build_wheel("bar", "2.0")


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror.create(tmp_path)
    publish(mirror, deliver(mirror, [FOO, BAR]), ignore)
    return mirror


def test_a_page_is_read_once(mirror: Mirror) -> None:
    pages = LivePages(mirror, _Clock())
    assert pages.kept("foo", HTML_NAME, None) is None
    page = pages.find("foo", HTML_NAME, None)
    assert page is not None
    assert page.body == (mirror.simple / "foo" / HTML_NAME).read_bytes()
    assert pages.find("foo", HTML_NAME, None) is page
    assert pages.find("nothing", HTML_NAME, None) is None
    assert pages.raw("foo", HTML_NAME) == page.body
    assert pages.raw("foo\0", HTML_NAME) is None


def test_a_new_generation_is_seen_after_a_moment(mirror: Mirror) -> None:
    clock = _Clock()
    pages = LivePages(mirror, clock)
    foo, bar = pages.find("foo", HTML_NAME, None), pages.find("bar", HTML_NAME, None)
    publish(mirror, deliver(mirror, [FOO, NEW], sequence=2), ignore)
    assert pages.kept("bar", HTML_NAME, None) is bar
    clock.now += 0.06
    # The page that did not change is the same file, and not read again.
    assert pages.kept("foo", HTML_NAME, None) is foo
    assert pages.kept("bar", HTML_NAME, None) is None
    changed = pages.find("bar", HTML_NAME, None)
    assert changed is not None
    assert b"bar-2.0" in changed.body


def test_going_back_shows_the_former_page(mirror: Mirror) -> None:
    clock = _Clock()
    pages = LivePages(mirror, clock)
    publish(mirror, deliver(mirror, [FOO, NEW], sequence=2), ignore)
    pages.find("bar", HTML_NAME, None)
    make_live(mirror, 1)
    clock.now += 1
    page = pages.find("bar", HTML_NAME, None)
    assert page is not None
    assert b"bar-1.0" in page.body


def test_memory_is_bounded(mirror: Mirror) -> None:
    names = ["foo", "bar"]
    sizes = [len((mirror.simple / name / HTML_NAME).read_bytes()) for name in names]
    beside = len(names) * live_pages._BESIDE
    pages = LivePages(mirror, _Clock(), bound=sum(sizes) + beside - 1)
    for name in names:
        pages.find(name, HTML_NAME, None)
    assert pages.kept("foo", HTML_NAME, None) is None
    assert pages.kept("bar", HTML_NAME, None) is not None
    # The same page twice, as of two threads that read at once, counts once.
    pages.find("bar", HTML_NAME, "gzip")
    pages._kept.pop(("foo", HTML_NAME, None), None)
    for _ in range(5):
        pages.find("foo", HTML_NAME, None)
    assert pages._size <= pages.bound


def test_nothing_live(mirror: Mirror) -> None:
    clock = _Clock()
    pages = LivePages(mirror, clock)
    pages.find("foo", HTML_NAME, None)
    assert pages.is_live()
    mirror.simple.unlink()
    clock.now += 1
    assert pages.kept("foo", HTML_NAME, None) is None
    assert pages.find("foo", HTML_NAME, None) is None
    assert not pages.is_live()
    mirror.simple.symlink_to("/etc")
    assert not pages.is_live()


def test_a_page_that_was_lost_is_not_invented(mirror: Mirror) -> None:
    clock = _Clock()
    pages = LivePages(mirror, clock)
    pages.find("foo", HTML_NAME, None)
    publish(mirror, deliver(mirror, [BAR], sequence=2), ignore)
    clock.now += 1
    assert pages.kept("foo", HTML_NAME, None) is None
    assert pages.find("foo", HTML_NAME, None) is None


def test_switches_and_prunes_never_lose_a_page(mirror: Mirror) -> None:
    pages = LivePages(mirror, lambda: 0.0, bound=0)
    done = threading.Event()

    def switch() -> None:
        try:
            for number in range(2, 120):
                shutil.copytree(folder_of(mirror, number - 1), folder_of(mirror, number))
                make_live(mirror, number)
                shutil.rmtree(folder_of(mirror, number - 1))
        finally:
            done.set()

    thread = threading.Thread(target=switch)
    thread.start()
    seen = 0
    while not done.is_set():
        page = pages.find("foo", HTML_NAME, None)
        assert page is not None
        assert page.body.endswith(b"</html>\n")
        seen += 1
    thread.join()
    assert seen > 10


@pytest.mark.parametrize("switches", [1, 99])
def test_a_generation_that_is_pruned_while_it_is_read(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, switches: int
) -> None:
    read = live_pages._read_below
    numbers = iter(range(2, switches + 2))

    def switch_and_read(folder: str, *path: str) -> object:
        number = next(numbers, None)
        if number:
            shutil.copytree(folder_of(mirror, number - 1), folder_of(mirror, number))
            make_live(mirror, number)
            shutil.rmtree(folder_of(mirror, number - 1))
        return read(folder, *path)

    monkeypatch.setattr(live_pages, "_read_below", switch_and_read)
    page = LivePages(mirror, _Clock()).find("foo", HTML_NAME, None)
    # It looks again a few times, not for ever.
    assert (page is None) is (switches == 99)
