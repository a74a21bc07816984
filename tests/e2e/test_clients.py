"""Real pip and real uv install from a mirror, with no network but loopback."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest
from packaging.utils import canonicalize_name

from bundler.events import ignore
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import publish
from bundler.model.artifact import parse_wheel_name
from tests.fakes.mirrors import Wheel, blob_of, bundled, deliver, documents_of
from tests.fakes.netns import clean_environment, require_isolation, run_isolated
from tests.fakes.wheels import build_wheel

pytestmark = pytest.mark.netns

APP = build_wheel(
    "Demo.App", "1.0", requires=["leaf>=1", 'extra-dep; extra == "more"'], extras=["more"]
)
LOCAL = build_wheel("leaf", "1.5+x.1")
PLAIN = build_wheel("leaf", "1.5")
YANKED = build_wheel("leaf", "2.0")
FUTURE = build_wheel("leaf", "3.0", requires_python=">=4")
EXTRA = build_wheel("extra-dep", "0.1", tags="py2.py3-none-any", build="1")
OLD = "2026-01-01T00:00:00.000000Z"


@dataclass(frozen=True)
class Client:
    """A way to install into a fresh environment."""

    name: str
    install: Callable[[Path, str], list[str | Path]]


def _pip(venv: Path, index: str) -> list[str | Path]:
    python = venv / "bin" / "python"
    return [sys.executable, "-m", "pip", "--isolated", "--python", python, "install",
            "--index-url", index]  # fmt: skip


def _uv(venv: Path, index: str) -> list[str | Path]:
    uv = shutil.which("uv") or "uv"
    return [uv, "pip", "install", "--python", venv / "bin" / "python", "--default-index", index]


CLIENTS = [Client("pip", _pip), Client("uv", _uv)]


@dataclass(frozen=True)
class Site:
    """A disconnected host: a mirror, an empty environment, a home."""

    mirror: Mirror
    venv: Path
    home: Path

    def run(
        self,
        client: Client,
        *arguments: str | Path,
        served: bool,
        auth: Sequence[str | Path] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Install over HTTP from the real server, or from the folder itself."""
        root = self.mirror.root
        command = client.install(self.venv, "{url}simple/" if served else f"{root.as_uri()}/simple")
        around: list[str | Path] = []
        if served:
            around = [sys.executable, "-m", "tests.fakes.serving", *auth, root]
        argv = [*around, *command, *arguments]
        return run_isolated(argv, clean_environment(self.home), self.home)

    def installed(self) -> dict[str, str]:
        """What the environment holds."""
        folders = map(str, self.venv.glob("lib/*/site-packages"))
        found = importlib.metadata.distributions(path=list(folders))
        return {str(canonicalize_name(item.name)): item.version for item in found}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    require_isolation()
    mirror = Mirror.create(tmp_path / "mirror")
    wheels = [APP, LOCAL, PLAIN, YANKED, FUTURE, EXTRA]
    documents = documents_of(
        [
            *(bundled(wheel, upload_time=OLD) for wheel in (APP, LOCAL, PLAIN, EXTRA)),
            bundled(YANKED, yanked='loses <data> & "more"', upload_time=OLD),
            bundled(FUTURE, requires_python=">=4", upload_time=OLD),
        ]
    )
    publish(mirror, deliver(mirror, wheels, documents.values()), ignore)
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    home = tmp_path / "home"
    home.mkdir()
    return Site(mirror, venv, home)


@pytest.mark.parametrize("served", [False, True], ids=["file", "http"])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_package_with_dependency_and_extra(site: Site, client: Client, *, served: bool) -> None:
    result = site.run(client, "demo_app[more]", served=served)
    assert result.returncode == 0, result.stdout + result.stderr
    # Neither the yanked release nor the one for another Python; the local version is the newest.
    assert site.installed() == {"demo-app": "1.0", "leaf": "1.5+x.1", "extra-dep": "0.1"}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_with_hashes(site: Site, client: Client) -> None:
    requirements = site.home / "requirements.txt"
    requirements.write_text(_pinned([APP, LOCAL]))
    result = site.run(client, "--require-hashes", "-r", requirements, served=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert site.installed() == {"demo-app": "1.0", "leaf": "1.5+x.1"}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_with_a_wrong_hash(site: Site, client: Client) -> None:
    requirements = site.home / "requirements.txt"
    requirements.write_text(_pinned([LOCAL]).replace(blob_of(LOCAL[1]).sha256, "0" * 64))
    result = site.run(client, "--require-hashes", "-r", requirements, served=True)
    assert result.returncode != 0
    assert "hash" in (result.stdout + result.stderr).lower()
    assert site.installed() == {}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_yanked_release_says_why(site: Site, client: Client) -> None:
    result = site.run(client, "leaf==2.0", served=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert 'loses <data> & "more"' in result.stdout + result.stderr


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_changed_wheel_is_noticed(site: Site, client: Client) -> None:
    path = site.mirror.file_path(bundled(LOCAL))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    result = site.run(client, "leaf==1.5+x.1", served=True)
    assert result.returncode != 0
    assert site.installed() == {}


@pytest.mark.parametrize("served", [False, True], ids=["file", "http"])
def test_uv_knows_when_a_file_was_uploaded(site: Site, *, served: bool) -> None:
    uv = CLIENTS[1]
    before = site.run(uv, "leaf", "--exclude-newer", "2025-12-31T00:00:00Z", served=served)
    assert before.returncode != 0
    after = site.run(uv, "leaf", "--exclude-newer", "2026-01-02T00:00:00Z", served=served)
    assert after.returncode == 0, after.stderr


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_with_a_password_and_without(site: Site, client: Client) -> None:
    names = site.home / "names"
    names.write_text(f"ann:{bcrypt.hashpw(b'right', bcrypt.gensalt(8)).decode()}\n")
    refused = site.run(client, "demo-app", served=True, auth=["--auth", names])
    assert refused.returncode != 0
    wrong: list[str | Path] = ["--auth", names, "--as", "ann:wrong"]
    assert site.run(client, "demo-app", served=True, auth=wrong).returncode != 0
    assert site.installed() == {}
    auth: list[str | Path] = ["--auth", names, "--as", "ann:right"]
    result = site.run(client, "demo-app", served=True, auth=auth)
    assert result.returncode == 0, result.stdout + result.stderr
    assert site.installed() == {"demo-app": "1.0", "leaf": "1.5+x.1"}


def test_nothing_else_answers_here(site: Site) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    result = run_isolated([sys.executable, "-c", code], clean_environment(site.home), site.home)
    assert "Network is unreachable" in result.stderr


def _pinned(wheels: list[Wheel]) -> str:
    lines = []
    for filename, data in wheels:
        name = parse_wheel_name(filename)
        digest = blob_of(data).sha256
        lines.append(f"{name.project}==={name.version} --hash=sha256:{digest}\n")
    return "".join(lines)
