"""Everything that runs inside, in a network namespace with nothing but its own loopback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.command import Site, site, tree
from tests.fakes.netns import clean_environment, require_isolation, run_isolated

BUNDLE = (sys.executable, "-m", "bundler")


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[Site]:
    """A bundle and a mirror that trusts its root; the index goes on answering outside."""
    require_isolation()
    with site(tmp_path) as host:
        assert host.create().exit_code == 0
        yield host


def alone(host: Site, *words: str | Path) -> tuple[int, str]:
    """Exit code and everything that was printed."""
    home = host.folder / "inside"
    home.mkdir(exist_ok=True)
    done = run_isolated(words, clean_environment(home), home)
    return done.returncode, done.stdout + done.stderr


def test_there_is_no_way_out(sent: Site) -> None:
    code = f"import urllib.request; urllib.request.urlopen({sent.index.url!r}, timeout=5)"
    sent.index.requests.clear()
    assert alone(sent, sys.executable, "-c", code)[0] == 1
    assert sent.index.requests == []


def test_a_bundle_is_received(sent: Site) -> None:
    sent.index.requests.clear()
    mirror, volume = sent.folder / "other", sent.volume()
    for words, said in (
        (("trust", "pin", sent.root, "--into", mirror), "fingerprint"),
        (("inspect", volume), "test"),
        (("verify", volume, "--mirror", mirror), "verified, test sequence 1"),
        (("verify", volume, "--trust", sent.root), "verified, test sequence 1"),
        (("unpack", volume, "--into", mirror), "test sequence 1 is live"),
        (("unpack", volume, "--into", mirror), "test sequence 1 is live already"),
    ):
        code, printed = alone(sent, *BUNDLE, *words)
        assert (code, said in printed) == (0, True), printed
    assert (mirror / "simple" / "lib" / "index.html").is_file()
    assert sent.index.requests == []


def test_a_damaged_bundle_is_refused(sent: Site) -> None:
    sent.volume().write_bytes(sent.volume().read_bytes()[:-1])
    before = tree(sent.mirror / ".bundler" / "trust")
    code, printed = alone(sent, *BUNDLE, "unpack", sent.volume(), "--into", sent.mirror)
    assert (code, "the end of the archive" in printed) == (4, True), printed
    assert tree(sent.mirror / ".bundler" / "trust") == before
    assert not (sent.mirror / "simple").exists()


def test_the_second_opinion(sent: Site) -> None:
    program = sent.out / "verify.py"
    code, printed = alone(sent, sys.executable, program, sent.volume(), "--root", sent.root)
    assert (code, "good: test sequence 1" in printed) == (0, True), printed
