"""Clients install while sequences go live, are rolled back, come again and are pruned.

    python -m tests.bench.soak [MINUTES]

In a loop, with the commands of the program: create a bundle, unpack it, roll back, roll forward or
unpack it again, prune all but the generation before. Meanwhile pip, uv and plain requests ask
`bundle serve`. What fails is asked for once more, from the page on, as a person would: what fails
then, too, is a failure.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from urllib.parse import urljoin

import httpx

from bundler.mirror.negotiate import HTML, JSON
from tests.fakes.command import Site, site, succeed
from tests.fakes.netns import clean_environment
from tests.fakes.serving import serving
from tests.fakes.wheels import build_wheel

_PAGES = ("simple/", "simple/app/", "simple/leaf/", "", "web/status.html", "web/project/app.html")


@dataclass
class Figures:
    """What was done and what came of it.

    Attributes:
        changes: How often each command changed the mirror.
        asked: How often each client asked.
        again: How often it had to ask a second time.
        failed: What failed the second time, too.
    """

    changes: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    again: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def change(self, name: str) -> None:
        self.changes[name] = self.changes.get(name, 0) + 1

    def ask(self, name: str, question: Callable[[], str]) -> None:
        """`question` says what went wrong, "" if nothing did."""
        self.asked[name] = self.asked.get(name, 0) + 1
        if question():
            self.again[name] = self.again.get(name, 0) + 1
            if said := question():
                self.failed.append(f"{name}: {said}")


def _installed(words: list[str | Path], home: Path, target: Path) -> str:
    shutil.rmtree(target, ignore_errors=True)
    done = subprocess.run(
        [*map(str, words), "--target", str(target), "app"],
        env=clean_environment(home),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode:
        return done.stdout + done.stderr
    there = (target / "app" / "__init__.py").is_file() and (target / "leaf").is_dir()
    return "" if there else "app or leaf is not there"


def _read(client: httpx.Client, url: str, accept: str) -> str:
    """Every page, and every file that the newest page names: what is wrong with them."""
    try:
        for path in _PAGES:
            page = client.get(f"{url}{path}", headers={"Accept": f"{accept}, text/html;q=0.1"})
            if page.status_code != 200 or (accept == HTML and b"</html>" not in page.content):
                return f"{path}: {page.status_code}, {len(page.content)} bytes"
        page_url = f"{url}simple/app/"
        for file in client.get(page_url, headers={"Accept": JSON}).json()["files"]:
            found = client.get(urljoin(page_url, file["url"]))
            beside = client.get(f"{urljoin(page_url, file['url'])}.metadata")
            if (found.status_code, beside.status_code) != (200, 200):
                return f"{file['filename']}: {found.status_code}, METADATA {beside.status_code}"
            if hashlib.sha256(found.content).hexdigest() != file["hashes"]["sha256"]:
                return f"{file['filename']}: other bytes"
    except (httpx.HTTPError, ValueError) as error:
        return repr(error)
    return ""


@contextmanager
def _asking(url: str, folder: Path, figures: Figures) -> Iterator[None]:
    stop = threading.Event()
    index = f"{url}simple/"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--isolated", "install",
                             "--no-cache-dir", "--index-url", index]  # fmt: skip
    uv: list[str | Path] = ["uv", "pip", "install", "--no-cache", "--default-index", index]

    def install(name: str, words: list[str | Path]) -> None:
        home = folder / f"{name}-home"
        home.mkdir()
        while not stop.is_set():
            figures.ask(name, lambda: _installed(words, home, folder / f"{name}-target"))

    def read(accept: str) -> None:
        with httpx.Client(follow_redirects=True, timeout=30) as client:
            while not stop.is_set():
                figures.ask("requests", lambda: _read(client, url, accept))

    threads = [
        threading.Thread(target=install, args=("pip", pip)),
        threading.Thread(target=install, args=("uv", uv)),
        threading.Thread(target=read, args=(JSON,)),
        threading.Thread(target=read, args=(HTML,)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _create(host: Site, sequence: int) -> None:
    """A bundle with the next version of `app`."""
    host.index.add(*build_wheel("app", f"1.{sequence}", requires=["leaf>=1"]))
    assert host.create().exit_code == 0


def _change(host: Site, figures: Figures, until: float) -> None:
    """One way back and one way forth after the other, until the time is over."""
    ways = cycle(("rollback", "unpack"))
    sequence = 1
    while time.monotonic() < until:
        sequence += 1
        _create(host, sequence)
        unpack = ("unpack", host.volume(sequence), "--into", host.mirror)
        forth = ("rollback", host.mirror, "--to", str(sequence), *host.home)
        succeed(*unpack)
        figures.change("unpack")
        succeed("rollback", host.mirror, *host.home)
        figures.change("rollback")
        way = next(ways)
        succeed(*(forth if way == "rollback" else unpack))
        figures.change(way)
        succeed("prune", host.mirror, "--keep", "1", "--yes")
        figures.change("prune")
        host.volume(sequence).unlink()
    succeed("history", host.mirror, "--verify")


def soak(folder: Path, seconds: float) -> Figures:
    """Do it for so long."""
    figures = Figures()
    with site(folder / "site") as host:
        host.index.add(*build_wheel("leaf", "1.0"))
        _create(host, 1)
        succeed("unpack", host.volume(), "--into", host.mirror)
        with (
            serving(host.mirror, workers=2) as url,
            _asking(url, folder, figures),
        ):
            _change(host, figures, time.monotonic() + seconds)
    return figures


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        figures = soak(Path(folder), minutes * 60)
    print(f"{minutes:g} minutes")
    print("changes  " + ", ".join(f"{count} {name}" for name, count in figures.changes.items()))
    for name, count in sorted(figures.asked.items()):
        again = figures.again.get(name, 0)
        print(f"{name:8} {count} rounds, {again} asked a second time")
    print(f"failed   {len(figures.failed)}")
    sys.exit("\n".join(figures.failed[:10]) or 0)


if __name__ == "__main__":
    main()
