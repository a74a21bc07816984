"""Real pip and real uv take the files that `bundle client-config` writes, without a network."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundler.events import ignore
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import publish
from tests.fakes.mirrors import blob_of, deliver
from tests.fakes.netns import clean_environment, require_isolation, run_isolated
from tests.fakes.wheels import build_wheel

pytestmark = pytest.mark.netns

APP = build_wheel("demo-app", "1.0")

# A URL is known only when the server runs, so the program runs beside it as well.
_THEN = 'set -e; bundle="$1"; url="$2"; shift 2; $bundle client-config "$url" --write $HASHES; "$@"'


@dataclass(frozen=True)
class Host:
    """A disconnected host with a mirror, an empty environment, and a home without settings."""

    mirror: Mirror
    venv: Path
    home: Path

    def install(
        self, tool: str, *words: str | Path, served: bool, hashes: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Write the settings, and install with nothing on the command line that names an index."""
        python = self.venv / "bin" / "python"
        commands: dict[str, list[str | Path]] = {
            "pip": [sys.executable, "-m", "pip", "--python", python, "install", "-v"],
            "uv": [shutil.which("uv") or "uv", "pip", "install", "--python", python],
        }
        bundle = f"{sys.executable} -m bundler"
        where = "{url}" if served else str(self.mirror.root)
        serving: list[str | Path] = [sys.executable, "-m", "tests.fakes.serving", self.mirror.root]
        argv: list[str | Path] = [
            *(serving if served else []),
            "bash",
            "-c",
            _THEN,
            "-",
            bundle,
            where,
            *commands[tool],
            *words,
        ]
        env = clean_environment(self.home) | {"HASHES": "--require-hashes" if hashes else ""}
        for name in ("PIP_CONFIG_FILE", "UV_NO_CONFIG"):
            del env[name]
        return run_isolated(argv, env, self.home)

    def installed(self) -> list[str]:
        """What the environment holds."""
        folders = map(str, self.venv.glob("lib/*/site-packages"))
        return [each.name for each in importlib.metadata.distributions(path=list(folders))]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    require_isolation()
    mirror = Mirror.create(tmp_path / "mirror")
    publish(mirror, deliver(mirror, [APP]), ignore)
    venv, home = tmp_path / "venv", tmp_path / "home"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    home.mkdir()
    return Host(mirror, venv, home)


@pytest.mark.parametrize("served", [False, True], ids=["file", "http"])
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_client_installs_with_the_written_settings(
    host: Host, tool: str, *, served: bool
) -> None:
    result = host.install(tool, "demo-app", served=served)
    assert result.returncode == 0, result.stdout + result.stderr
    assert host.installed() == ["demo-app"]


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_client_that_wants_hashes_installs_nothing_without(host: Host, tool: str) -> None:
    requirements = host.home / "requirements.txt"
    requirements.write_text("demo-app==1.0\n")
    result = host.install(tool, "-r", requirements, served=True, hashes=True)
    assert result.returncode != 0
    assert "hash" in (result.stdout + result.stderr).lower()
    assert host.installed() == []
    requirements.write_text(f"demo-app==1.0 --hash=sha256:{blob_of(APP[1]).sha256}\n")
    shutil.rmtree(host.home / ".config")
    result = host.install(tool, "-r", requirements, served=True, hashes=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert host.installed() == ["demo-app"]
