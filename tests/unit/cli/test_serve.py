from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bundler.events import ignore
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import publish
from tests.fakes.command import bundle
from tests.fakes.mirrors import deliver
from tests.fakes.serving import AS_ROOT
from tests.fakes.tls import Authority
from tests.fakes.wheels import build_wheel

PHRASE = "nobody-guesses-this" * 2


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    mirror = Mirror.create(tmp_path_factory.mktemp("mirror"))
    publish(mirror, deliver(mirror, [build_wheel("foo", "1.0")]), ignore)
    return mirror.root


@contextmanager
def running(*words: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    argv = [sys.executable, "-m", "bundler", "serve", *AS_ROOT, "--port", "0", "--json"]
    with subprocess.Popen(
        [*argv, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        try:
            said = "".join(process.stdout.readline() for _ in range(4))
            yield json.loads(said)["url"], process
        finally:
            process.terminate()
            process.wait(20)


def test_every_option(mirror: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    names, log = tmp_path / "names", tmp_path / "log"
    names.write_text(f"ci:{{SHA256}}{hashlib.sha256(PHRASE.encode()).hexdigest()}\n")
    with running(
        mirror, "--workers", "2", "--http2", "--tls-cert", cert, "--tls-key", key,
        "--tls-client-ca", authority.path, "--auth", names, "--allow", "127.0.0.0/8",
        "--allow", "192.0.2.0/24", "--proxy", "127.0.0.1", "--metrics-allow", "192.0.2.0/24",
        "--rate", "0.3", "--access-log", log, "--base-url", "https://mirror.example.org/x",
    ) as (url, process):  # fmt: skip
        assert url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=authority.path)
        context.load_cert_chain(*authority.issue("client"))
        sent = base64.b64encode(f"ci:{PHRASE}".encode()).decode()
        headers = {"Authorization": f"Basic {sent}", "X-Forwarded-For": "192.0.2.7"}
        with httpx.Client(verify=context, base_url=url) as client:
            page = client.get("pypi/foo/json", headers=headers)
            found = page.json()["urls"][0]["url"]
            assert found.startswith("https://mirror.example.org/x/packages/")
            assert client.get("simple/").status_code == 401
            other = {**headers, "X-Forwarded-For": "198.51.100.1"}
            assert client.get("simple/", headers=other).status_code == 403
            assert client.get("metrics", headers=headers).status_code == 200
            seen = {client.get("health", headers=headers).status_code for _ in range(4)}
            assert seen == {200, 429}
        cert.write_text("nothing")
        process.send_signal(signal.SIGHUP)
        assert process.stderr
        assert "nothing was reloaded: cannot use the certificate" in process.stderr.readline()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0]["client"] == "192.0.2.7"
    assert lines[0]["user"] == "ci"


def test_root_is_refused(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    result = bundle("serve", mirror)
    assert result.exit_code == 1
    assert "must not run as root" in result.stderr
    assert "hint: start it under an account of its own" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--allow", "office"], "--allow office"),
        (["--proxy", "10.0.0.1/8"], "--proxy 10.0.0.1/8"),
        (["--metrics-allow", "x"], "--metrics-allow x"),
        (["--auth", "/absent"], "cannot read the file of names /absent"),
        (["--access-log", "/absent/log"], "cannot write the access log /absent/log"),
        (["--user", "nobody-at-all"], "there is no account nobody-at-all"),
    ],
)
def test_options_that_cannot_be_used(mirror: Path, words: list[str], message: str) -> None:
    result = bundle("serve", *AS_ROOT, mirror, *words)
    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.parametrize("words", ["--tls-key x.pem", "--tls-client-ca x.pem", "--http2"])
def test_half_of_tls(mirror: Path, words: str) -> None:
    result = bundle("serve", mirror, *words.split())
    assert result.exit_code == 2
    # The terminal's width decides where it is broken.
    assert "need --tls-cert" in " ".join(result.stderr.replace("│", " ").split())
