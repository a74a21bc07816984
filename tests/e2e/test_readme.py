"""The README's round trip, run as it stands there, against the index that pip uses on this host."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.documents import ROOT, Shown, put_bundle_on_path, section, shown_commands
from tests.fakes.serving import AS_ROOT

pytestmark = pytest.mark.real_index

PORT = "8080"
NETWORK = 6
_SECONDS = 120


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """This host's environment, with `bundle` on the path and a home of its own."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    programs = put_bundle_on_path(tmp_path / "programs")
    found["PATH"] = f"{programs}{os.pathsep}{found['PATH']}"
    found["BUNDLER_HOME"] = str(tmp_path / "home")
    return found


def without_other_indexes(environ: dict[str, str]) -> dict[str, str]:
    """For pip inside: nothing on this host may name a second source."""
    plain = {name: value for name, value in environ.items() if not name.startswith("PIP_")}
    return {**plain, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def general(line: str) -> str:
    """A line without its numbers and digests, which differ from run to run."""
    return re.sub(r"\b[0-9a-f]{4,}\b|\d+", "#", line)


def compare(shown: Shown, output: str) -> None:
    """Every line that the README shows is printed, but for numbers."""
    printed = [general(line) for line in output.splitlines()]
    for line in shown.output:
        assert any(general(line) in other for other in printed), (shown.command, line, output)


@contextmanager
def running(shown: Shown, folder: Path, environ: dict[str, str]) -> Iterator[str]:
    """A command that ends with "&", until the block ends; gives its first line."""
    command = " ".join([shown.command.removesuffix("&").strip(), *AS_ROOT])
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline()
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(_SECONDS) == 0


def run(shown: Shown, folder: Path, environ: dict[str, str]) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", shown.command],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode == NETWORK:
        pytest.skip(f"no package index answers: {done.stdout}")
    assert done.returncode == 0, (shown.command, done.stdout)
    compare(shown, done.stdout)


@pytest.mark.skipif(shutil.which("python3.11") is None, reason="the README's Python is not here")
def test_the_round_trip_of_the_readme(tmp_path: Path, environ: dict[str, str]) -> None:
    *before, serve, install = (
        Shown(shown.command.replace(PORT, port), shown.output)
        for port in (free_port(),)
        for shown in shown_commands(section((ROOT / "README.md").read_text(), "The round trip"))
    )
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    for shown in before:
        run(shown, folder, environ)
    assert serve.command.startswith("bundle serve ")
    with running(serve, folder, environ) as line:
        compare(serve, line)
        run(install, folder, without_other_indexes(environ))
    assert (folder / "app" / "lib" / "python3.11" / "site-packages" / "fastapi").is_dir()
