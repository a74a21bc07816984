from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import signal
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from bundler.events import ignore
from bundler.mirror.access_log import AccessLog, open_log
from bundler.mirror.application import Application
from bundler.mirror.clients import LOOPBACK, parse_networks
from bundler.mirror.counters import COLUMNS, Counters
from bundler.mirror.credentials import Credentials
from bundler.mirror.guard import Guard, Rules
from bundler.mirror.layout import Mirror
from bundler.mirror.live_pages import LivePages
from bundler.mirror.loop import Loop
from bundler.mirror.publish import publish
from bundler.mirror.rates import PLACES, Bound
from tests.fakes.mirrors import blob_of, deliver
from tests.fakes.wheels import build_wheel
from tests.fakes.wire import FakeHeaders, FakeScope, FakeWire

FOO = build_wheel("foo", "1.0")
DIGEST = blob_of(FOO[1]).sha256
WHEEL = f"/files/{DIGEST[:2]}/{DIGEST}/{FOO[0]}"
TOKEN = "t" * 40
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    mirror = Mirror.create(tmp_path_factory.mktemp("served"))
    publish(mirror, deliver(mirror, [FOO]), ignore)
    return mirror


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "names"
    slow = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    path.write_text(f"ann:{slow}\nci:{{SHA256}}{hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    return path


def _bound(rate: float, burst: int) -> Bound:
    return Bound(rate, burst, array("d", bytes(8 * PLACES)), b"secret")


class _Server:
    """An application with a clock that stands still."""

    def __init__(
        self,
        mirror: Mirror,
        rules: Rules | None = None,
        *,
        log: AccessLog | None = None,
        base_url: str | None = None,
        **guarded: Any,
    ) -> None:
        self.now = 1000.0
        seconds = lambda: self.now  # noqa: E731 - it is no more than that
        guard = Guard(rules or Rules(), lambda: NOW, seconds, **guarded)
        counters = Counters(array("d", bytes(8 * COLUMNS)), 0)
        self.application = Application(
            LivePages(mirror, seconds),
            guard,
            counters,
            log,
            base_url,
            lambda: NOW,
            seconds,
            os.getppid(),
        )

    def get(self, path: str, headers: Mapping[str, str] | None = None, **scope: Any) -> FakeWire:
        wire = FakeWire()
        lines = FakeHeaders(list((headers or {}).items()))
        asyncio.run(self.application.__rsgi__(FakeScope(path, headers=lines, **scope), wire))
        return wire

    def figures(self) -> str:
        return self.get("/metrics", client="127.0.0.1:1").body.decode()


def basic(name: str, password: str) -> dict[str, str]:
    sent = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"authorization": f"Basic {sent}"}


def test_pages_files_and_heads(mirror: Mirror) -> None:
    server = _Server(mirror)
    first, again = server.get("/simple/foo/"), server.get("/simple/foo/")
    assert first == again
    assert (first.status, first.headers["Server"]) == (200, "bundler")
    assert b"foo-1.0" in first.body
    file = server.get(WHEEL, {"range": "bytes=2-5"})
    assert (file.status, file.file) == (206, (str(mirror.root / WHEEL[1:]), 2, 6))
    head = server.get(WHEEL, method="HEAD")
    assert (head.status, head.file, head.body) == (200, None, b"")
    assert head.headers["Content-Length"] == str(len(FOO[1]))
    assert server.get("/simple/", method="POST").status == 405


def test_lines_of_one_name_are_joined(mirror: Mirror) -> None:
    wire = FakeWire()
    lines = FakeHeaders([("accept", "image/png"), ("accept", "text/html")])
    server = _Server(mirror)
    asyncio.run(server.application.__rsgi__(FakeScope(headers=lines), wire))
    assert wire.status == 200


def test_other_protocols_are_not_answered(mirror: Mirror) -> None:
    assert _Server(mirror).get("/", proto="ws").status == 0


@pytest.mark.parametrize(
    ("given", "scope", "headers", "url"),
    [
        (None, {}, {"host": "mirror.example.org:8080"}, "http://mirror.example.org:8080/"),
        (None, {"authority": "h2.example.org", "scheme": "https"}, {}, "https://h2.example.org/"),
        (None, {}, {"host": "[::1]:80"}, "http://[::1]:80/"),
        (None, {}, {"host": 'x"><script>'}, "/"),
        (None, {}, {}, "/"),
        ("https://a.example.org/m/", {}, {"host": "b"}, "https://a.example.org/m/"),
    ],
)
def test_links_that_must_be_whole(
    mirror: Mirror, given: str | None, scope: Any, headers: dict[str, str], url: str
) -> None:
    answer = _Server(mirror, base_url=given).get("/pypi/foo/json", headers, **scope)
    assert (
        json.loads(answer.body)["urls"][0]["url"] == f"{url}packages{WHEEL.removeprefix('/files')}"
    )


def test_only_some_networks(mirror: Mirror) -> None:
    server = _Server(mirror, Rules(allow=parse_networks(["10.0.0.0/8"], "--allow")))
    refused = server.get("/simple/")
    assert (refused.status, refused.body) == (403, b"this address may not read the mirror\n")
    assert server.get("/health").status == 403
    assert server.get("/simple/", client="10.1.2.3:9").status == 200
    assert server.get("/simple/", {"x-forwarded-for": "10.1.2.3"}).status == 403


def test_figures_are_for_this_host(mirror: Mirror) -> None:
    server = _Server(mirror)
    assert server.get("/metrics").status == 403
    figures = server.get("/metrics", client="[::1]:1")
    assert figures.status == 200
    assert figures.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'bundler_refused_total{reason="address"} 1' in figures.body.decode()
    assert "bundler_generation 1" in figures.body.decode()
    # A proxy on this host asks for somebody else.
    forwarded = server.get("/metrics", {"x-forwarded-for": "192.0.2.1"}, client="127.0.0.1:1")
    assert forwarded.status == 403
    wider = Rules(metrics=LOOPBACK + parse_networks(["192.0.2.0/24"], "--metrics-allow"))
    assert _Server(mirror, wider).get("/metrics").status == 200


def test_figures_of_a_folder_that_is_none_of_ours(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    mirror.simple.mkdir()
    figures = _Server(mirror).figures()
    assert "bundler_generation" not in figures
    assert "bundler_requests_total" in figures


def test_names(mirror: Mirror, names: Path) -> None:
    server = _Server(mirror, credentials=Credentials.read(names, b"secret"))
    for path in ("/", "/simple/", "/nothing", WHEEL, "/pypi/foo/json"):
        asked = server.get(path)
        assert asked.status == 401
        assert asked.headers["WWW-Authenticate"] == (
            'Basic realm="package mirror", charset="UTF-8"'
        )
        assert server.get(path, basic("ann", "right")).status in {200, 404}
        assert server.get(path, basic("ann", "wrong")).status == 401
        assert server.get(path, {"authorization": f"Bearer {TOKEN}"}).status in {200, 404}
    assert server.get("/health").status == 200
    assert "bundler_requests_total" in server.figures()


def test_guessing_is_bounded(mirror: Mirror, names: Path) -> None:
    server = _Server(
        mirror, credentials=Credentials.read(names, b"secret"), failures=_bound(1 / 6, 3)
    )
    answers = [server.get("/simple/", basic("ann", f"guess{n}")).status for n in range(5)]
    assert answers == [401, 401, 401, 429, 429]
    late = server.get("/simple/", basic("ann", "right"))
    assert (late.status, late.headers["Retry-After"]) == (429, "6")
    # Neither others nor those who are known already wait.
    assert server.get("/simple/", basic("ann", "right"), client="192.0.2.2:1").status == 200
    assert server.get("/simple/", basic("ann", "right")).status == 200
    assert server.get("/simple/", {"authorization": f"Bearer {TOKEN}"}).status == 200
    server.now += 6.1
    assert server.get("/simple/", basic("ann", "guess")).status == 401
    assert 'bundler_refused_total{reason="rate"} 3' in server.figures()


def test_without_names_nobody_is_asked() -> None:
    guard = Guard(Rules(), lambda: NOW, lambda: 0.0)
    assert not guard.needs_name("/simple/")
    with pytest.raises(ValueError, match="nobody has a name here"):
        asyncio.run(guard.name(guard.client("192.0.2.1:1", {}), {}))
    with pytest.raises(ValueError, match="nobody has a name here"):
        guard.known({})


def test_how_often_a_client_may_ask(mirror: Mirror) -> None:
    server = _Server(mirror, rate=_bound(0.5, 2))
    assert [server.get("/simple/").status for _ in range(3)] == [200, 200, 429]
    refused = server.get("/simple/")
    assert refused.headers["Retry-After"] == "2"
    assert refused.body == b"too many requests\n"
    assert server.get("/simple/", client="192.0.2.2:1").status == 200
    server.now += 2
    assert server.get("/simple/").status == 200


def test_each_request_is_logged(mirror: Mirror, names: Path, tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    server = _Server(
        mirror,
        Rules(proxies=parse_networks(["127.0.0.1"], "--proxy")),
        log=log,
        credentials=Credentials.read(names, b"secret"),
    )
    headers = {**basic("ann", "right"), "x-forwarded-for": "192.0.2.9", "user-agent": "pip\n/1"}
    server.get("/simple/\nx", headers, client="127.0.0.1:1")
    server.get(WHEEL, basic("ann", "wrong"))
    asyncio.run(_ended(server.application))
    first, second = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert first == {
        "time": "2026-11-21T00:00:00.000+00:00", "client": "192.0.2.9", "user": "ann",
        "method": "GET", "path": "/simple/\nx", "status": 404, "bytes": 10, "seconds": 0.0,
        "agent": "pip\n/1",
    }  # fmt: skip
    assert (second["user"], second["status"]) == (None, 401)
    for secret in ("right", "wrong", "Basic", base64.b64encode(b"ann:right").decode()):
        assert secret not in (tmp_path / "log").read_text()
    os.close(log.number)


def test_what_is_known_is_answered_at_once(mirror: Mirror, names: Path, tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    server = _Server(
        mirror, log=log, credentials=Credentials.read(names, b"secret"), rate=_bound(0.5, 4)
    )
    right = basic("ann", "right")

    def ask(path: str, headers: Mapping[str, str], **scope: Any) -> FakeWire | None:
        wire = FakeWire()
        lines = FakeHeaders(list(headers.items()))
        done = server.application.at_once(FakeScope(path, headers=lines, **scope), wire)
        return wire if done else None

    # Neither the page nor the password has been seen; and what is not answered is not counted.
    assert ask("/simple/foo/", right) is None
    first = server.get("/simple/foo/", right)
    assert ask("/simple/foo/", right) == first
    assert ask("/simple/foo/", basic("ann", "wrong")) is None
    assert ask("/simple/foo/", {}) is None
    assert ask("/simple/foo/", right, method="HEAD") is None
    assert ask(WHEEL, right) is None
    unchanged = ask("/simple/foo/", {**right, "if-none-match": first.headers["ETag"]})
    assert unchanged is not None
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert ask("/simple/foo/", right) == first
    refused = ask("/simple/foo/", right)
    assert refused is not None
    assert refused.status == 429
    log.flush()
    found = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["user"], line["status"]) for line in found] == [
        ("ann", 200), ("ann", 200), ("ann", 304), ("ann", 200), (None, 429),
    ]  # fmt: skip
    figures = server.figures()
    assert 'bundler_requests_total{status="2xx"} 3' in figures
    assert 'bundler_refused_total{reason="rate"} 1' in figures
    os.close(log.number)


def test_a_loop_of_ours_is_told_of_the_application(mirror: Mirror) -> None:
    server, loop = _Server(mirror), Loop()
    server.application.__rsgi_init__(loop)
    assert loop.at_once == server.application.at_once
    loop.close()


def test_an_empty_file_has_no_body(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    publish(mirror, deliver(mirror, [FOO]), ignore)
    (tmp_path / f"{WHEEL[1:]}.provenance").write_bytes(b"")
    answer = _Server(mirror).get(f"{WHEEL}.provenance")
    assert (answer.status, answer.file, answer.body) == (200, None, b"")
    assert answer.headers["Content-Length"] == "0"


def test_a_full_disk_does_not_stop_the_ticks(mirror: Mirror) -> None:
    log = open_log(Path("/dev/full"))
    server = _Server(mirror, log=log)
    assert server.get("/simple/").status == 200

    async def begin() -> int:
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError, match="No space left on device"):
            server.application.__rsgi_init__(loop)
        return len(loop._scheduled)  # type: ignore[attr-defined]  # has no other way to see it

    assert asyncio.run(begin()) == 1
    log.flush()
    os.close(log.number)


async def _ended(application: Application) -> None:
    application.__rsgi_del__(asyncio.get_running_loop())


def test_the_log_is_written_every_moment(mirror: Mirror, tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    server = _Server(mirror, log=log)
    server.get("/simple/")

    async def begin() -> None:
        server.application.__rsgi_init__(asyncio.get_running_loop())

    asyncio.run(begin())
    assert (tmp_path / "log").stat().st_size > 0
    os.close(log.number)
    server.application.log = None
    asyncio.run(_ended(server.application))


def test_a_process_ends_with_its_parent(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    server = _Server(mirror)
    server.application.parent = -1
    killed = []
    monkeypatch.setattr(os, "kill", lambda *words: killed.append(words))

    async def begin() -> None:
        server.application.__rsgi_init__(asyncio.get_running_loop())

    asyncio.run(begin())
    assert killed == [(os.getpid(), signal.SIGTERM)]
