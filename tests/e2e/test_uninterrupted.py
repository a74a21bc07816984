"""Clients that ask while sequences go live, come back, and processes are replaced."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from bundler.events import ignore
from bundler.mirror.generations import live_number, make_live
from bundler.mirror.layout import Mirror
from bundler.mirror.negotiate import JSON
from bundler.mirror.publish import publish
from bundler.mirror.serve import Serving
from tests.fakes.mirrors import deliver
from tests.fakes.serving import Server, started
from tests.fakes.wheels import build_wheel

SECONDS = 6
STAYS = build_wheel("stays", "1.0")


def _install(url: str, stop: threading.Event, done: list[int], failed: list[str]) -> None:
    """What an installer does, over and over: a page, a file, the file's digest."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=1), headers={"Accept": JSON}) as client:
        while not stop.is_set():
            for project in ("stays", "comes"):
                page_url = f"{url}simple/{project}/"
                try:
                    page = _ask(client, page_url)
                    file = page.json()["files"][-1]
                    answer = _ask(client, urljoin(page_url, file["url"]))
                except (httpx.HTTPError, ValueError) as error:
                    failed.append(f"{project}: {error!r}")
                    continue
                if hashlib.sha256(answer.content).hexdigest() != file["hashes"]["sha256"]:
                    failed.append(f"{file['filename']} is another file")
                done.append(1)


def _ask(client: httpx.Client, url: str) -> httpx.Response:
    """Once more if a connection was closed that was kept: every client does so."""
    try:
        return client.get(url).raise_for_status()
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return client.get(url).raise_for_status()


def _change(mirror: Mirror, server: Server, until: float) -> int:
    sequence = 1
    while time.monotonic() < until:
        sequence += 1
        wheels = [STAYS, build_wheel("comes", f"1.{sequence}")]
        publish(mirror, deliver(mirror, wheels, sequence=sequence), ignore)
        number = live_number(mirror)
        assert number
        make_live(mirror, number - 1)
        make_live(mirror, number)
        if sequence % 40 == 0:
            server.process.send_signal(signal.SIGHUP)
    return sequence


@pytest.mark.parametrize("workers", [2])
def test_nobody_inside_notices(tmp_path: Path, workers: int) -> None:
    mirror = Mirror.create(tmp_path)
    publish(mirror, deliver(mirror, [STAYS, build_wheel("comes", "1.1")]), ignore)
    stop, done, failed = threading.Event(), list[int](), list[str]()
    with started(mirror.root, Serving(workers=workers)) as server:
        threads = [
            threading.Thread(target=_install, args=(server.url, stop, done, failed))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        try:
            sequences = _change(mirror, server, time.monotonic() + SECONDS)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failed == []
    assert len(done) > 100
    assert sequences > 5
    print(f"{len(done)} installs, {sequences} sequences")
