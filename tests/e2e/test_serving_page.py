"""The configurations of docs/serving.md, run as they stand there but for paths and ports."""

from __future__ import annotations

import configparser
import gzip
import hashlib
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from bundler.events import ignore
from bundler.mirror.generations import folder_of
from bundler.mirror.layout import Mirror, provenance_path
from bundler.mirror.negotiate import JSON
from bundler.mirror.publish import publish
from tests.fakes.documents import ROOT, blocks, section
from tests.fakes.mirrors import bundled, deliver
from tests.fakes.nginx import listening, nginx_file
from tests.fakes.serving import AS_ROOT, serving
from tests.fakes.tls import Authority
from tests.fakes.wheels import build_wheel

PAGE = (ROOT / "docs" / "serving.md").read_text()
WHEELS = [build_wheel("foo-bar", f"1.{number}+local") for number in range(9)]
NEVER = (
    ".bundler/journal.jsonl",
    "%2ebundler/journal.jsonl",
    ".bundler/generations/000001/generation.json",
    "simple/../.bundler/journal.jsonl",
    "simple/%2e%2e/%2e%2e/etc/passwd",
    "simple/foo-bar/index.v1_json",
    "simple/other/",
    "files/",
    f"files/ab/{'ab' * 32}/../../../.bundler/lock",
    "lock",
    "web/",
    "web/project/",
    "web/../.bundler/lock",
    "web/.hidden.html",
)
PIP = f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"


@dataclass(frozen=True)
class Host:
    """A folder with a mirror and certificates, and a port."""

    folder: Path
    mirror: Mirror
    authority: Authority
    port: int

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/"

    def settle(self, text: str) -> str:
        """A configuration of the page, for this host."""
        for former, ours in {
            "/etc/bundler/chain.pem": str(self.folder / "server.pem"),
            "/etc/bundler/key.pem": str(self.folder / "server-key.pem"),
            "/srv/mirror": str(self.mirror.root),
            "8443": str(self.port),
            "mirror.example.org:": "127.0.0.1:",
        }.items():
            text = text.replace(former, ours)
        return text

    def client(self, **how: str) -> httpx.Client:
        context = ssl.create_default_context(cafile=self.authority.path)
        return httpx.Client(verify=context, base_url=self.url, headers=how)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    mirror = Mirror.create(tmp_path / "mirror")
    publish(mirror, deliver(mirror, WHEELS), ignore)
    for_people(mirror)
    provenance_path(mirror.file_path(bundled(WHEELS[0]))).write_bytes(b"{}")
    authority = Authority(tmp_path)
    authority.issue("server")
    folder = tmp_path
    while folder != folder.parent and folder.name != "tmp":
        folder.chmod(0o755)  # nginx's processes are not root's
        folder = folder.parent
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return Host(tmp_path, mirror, authority, port)


def for_people(mirror: Mirror) -> None:
    """Pages for people and the links to them."""
    folder = folder_of(mirror, 1)
    (folder / "web" / "project").mkdir(parents=True, exist_ok=True)
    for path in ("index.html", "web/status.html", "web/style.css", "web/project/foo-bar.html"):
        if not (folder / path).exists():
            (folder / path).write_text(f"/* {path} */")
    for name in ("index.html", "web"):
        if not (mirror.root / name).is_symlink():
            (mirror.root / name).symlink_to(f"simple/../{name}")


def running(host: Host, *words: str | Path) -> AbstractContextManager[None]:
    environ = {**os.environ, "HOME": str(host.folder), "XDG_DATA_HOME": str(host.folder)}
    return listening(host.port, host.folder / "server.log", *words, environ=environ)


def nginx(host: Host, text: str) -> Path:
    return nginx_file(host.folder, host.settle(text))


def require(program: str) -> str:
    found = shutil.which(program)
    if not found:
        pytest.skip(f"there is no {program} on this host")
    return found


def check_static(host: Host) -> None:
    """What installers need of any web server, and what nobody must get."""
    html = (host.mirror.simple / "foo-bar" / "index.html").read_bytes()
    with host.client() as client:
        page = client.get("simple/foo-bar/")
        assert page.status_code == 200
        assert page.content == html
        assert page.headers["content-type"].lower() == "text/html; charset=utf-8"
        assert "accept" in page.headers["vary"].lower()
        assert page.headers["cache-control"] == "no-cache"
        assert client.get("simple/").status_code == 200
        known = {"If-None-Match": page.headers["etag"], "Accept-Encoding": "identity"}
        assert client.get("simple/foo-bar/", headers=known).status_code in {200, 304}

        listing = client.get("simple/foo-bar/", headers={"Accept": PIP})
        assert listing.headers["content-type"] == JSON
        assert listing.headers["x-content-type-options"] == "nosniff"
        for file in listing.json()["files"]:
            answer = client.get(urljoin("simple/foo-bar/", file["url"]))
            assert hashlib.sha256(answer.content).hexdigest() == file["hashes"]["sha256"]
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["content-type"] in {
                "application/octet-stream", "application/x-wheel+zip", "application/zip",
            }  # fmt: skip
            metadata = client.get(urljoin("simple/foo-bar/", file["url"]) + ".metadata")
            digest = hashlib.sha256(metadata.content).hexdigest()
            assert digest == file["core-metadata"]["sha256"]
        wheel = urljoin("simple/foo-bar/", listing.json()["files"][0]["url"])
        part = client.get(wheel, headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"PK\x03\x04")
        attested = client.get(wheel + ".provenance")
        assert (attested.status_code, attested.content) == (200, b"{}")
        assert attested.headers["content-type"] == "application/json"
        assert attested.headers["cache-control"] == "no-cache"
        for path in ("", "index.html", "web/status.html", "web/project/foo-bar.html"):
            assert client.get(path).headers["content-type"].lower() == "text/html; charset=utf-8"
        style = client.get("web/style.css")
        assert style.headers["content-type"].lower() == "text/css; charset=utf-8"
        assert style.headers["cache-control"] == "no-cache"
        for path in NEVER:
            assert client.get(path).status_code in {400, 404}, path
    with (
        host.client(**{"Accept-Encoding": "gzip"}) as client,
        client.stream("GET", "simple/foo-bar/", headers={"Accept": PIP}) as packed,
    ):
        assert packed.headers["content-encoding"] == "gzip"
        assert b"foo_bar-1.0" in gzip.decompress(b"".join(packed.iter_raw()))


def test_nginx_over_the_same_files(host: Host) -> None:
    program = require("nginx")
    (text,) = blocks(section(PAGE, "With nginx"), "nginx")
    path = nginx(host, text)
    with running(host, program, "-c", path, "-e", "stderr"):
        check_static(host)
        with host.client() as client:
            moved = client.get("simple/foo-bar")
            assert (moved.status_code, moved.headers["location"]) == (301, "/simple/foo-bar/")


def test_caddy_over_the_same_files(host: Host) -> None:
    program = require("caddy")
    (text,) = blocks(section(PAGE, "With Caddy"), "caddyfile")
    path = host.folder / "Caddyfile"
    path.write_text(f"{{\n\tadmin off\n\tauto_https off\n}}\n{host.settle(text)}")
    with running(host, program, "run", "--config", path, "--adapter", "caddyfile"):
        check_static(host)


def test_nginx_in_front(host: Host) -> None:
    program = require("nginx")
    (text,) = blocks(section(PAGE, "In front of `bundle serve`"), "nginx")
    with serving(host.mirror.root) as behind:
        path = nginx(host, text.replace("http://127.0.0.1:8080", behind.rstrip("/")))
        with running(host, program, "-c", path, "-e", "stderr"), host.client() as client:
            page = client.get("simple/foo-bar/", headers={"Accept": PIP})
            assert page.headers["content-type"] == JSON
            assert client.get("metrics").status_code == 404
            assert client.get("simple/Foo_Bar").headers["location"] == "foo-bar/"
        # Behind a proxy that nobody named, not even this host is this host.
        forwarded = {"X-Forwarded-For": "192.0.2.1"}
        assert httpx.get(f"{behind}metrics", headers=forwarded).status_code == 403


def test_the_unit(host: Host) -> None:
    (text,) = blocks(PAGE, "ini")
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # the library's own way
    unit.read_string(text)
    service = unit["Service"]
    assert service["User"] == "bundler"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    (host.folder / "log").mkdir()
    command = host.settle(service["ExecStart"]).replace("/var/log/bundler", f"{host.folder}/log")
    program, *words = shlex.split(command)
    assert program == "/usr/local/bin/bundle"
    with running(host, sys.executable, "-m", "bundler", *words, *AS_ROOT), host.client() as client:
        assert client.get("simple/foo-bar/").status_code == 200
    assert '"path":"/simple/foo-bar/"' in (host.folder / "log" / "access.log").read_text()
    verifier = shutil.which("systemd-analyze")
    if verifier:
        path = host.folder / "mirror.service"
        path.write_text(text)
        done = subprocess.run(
            [verifier, "verify", path], capture_output=True, text=True, check=False
        )
        assert "Unknown" not in done.stderr


def test_the_recipe_for_a_token(host: Host) -> None:
    (script,) = [block for block in blocks(PAGE, "sh") if "token=" in block]
    done = subprocess.run(
        ["/bin/sh", "-euc", script], cwd=host.folder, stdout=subprocess.PIPE, text=True, check=True
    )
    match = re.fullmatch(
        r"https://ci:([0-9a-f]{64})@mirror\.example\.org:8443/simple/\n", done.stdout
    )
    assert match
    with serving(host.mirror.root, auth=host.folder / "names") as url:
        assert httpx.get(f"{url}simple/").status_code == 401
        assert httpx.get(f"{url}simple/", auth=("ci", match[1])).status_code == 200
