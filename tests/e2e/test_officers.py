"""The pages about officers and the life of keys, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.command import LINUX, Site
from tests.fakes.documents import ROOT, Shown, put_bundle_on_path, shown_commands
from tests.fakes.index import FakeIndex
from tests.fakes.keyless import identity_token, sigstore_instance
from tests.fakes.tokens import find_module
from tests.fakes.wheels import build_wheel

_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder with a profile, its index on loopback, and `bundle` on the path."""

    folder: Path
    environ: dict[str, str]

    def run(self, page: str) -> None:
        """Run every command of a page and compare what it prints."""
        for shown in shown_commands((ROOT / "docs" / page).read_text()):
            output = run_command(shown.command, self.folder, self.environ)
            compare(shown, output.replace(str(self.folder), "~"))

    def copy(self, folder: Path) -> Desk:
        """The same at another place."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Desk(folder, self.environ)


def run_command(command: str, folder: Path, environ: dict[str, str]) -> str:
    """What a command prints; it must end well."""
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout)
    return done.stdout


def general(text: str) -> list[str]:
    """Lines without their numbers and digests, which differ from run to run."""
    return [re.sub(r"\b[0-9a-f]{4,}\b|\d+", "#", line).rstrip() for line in text.splitlines()]


def compare(shown: Shown, output: str) -> None:
    """Exactly the lines that the page shows are printed, but for numbers."""
    assert general(output) == general("\n".join(shown.output)), shown.command


def make_desk(folder: Path, index: FakeIndex) -> Desk:
    """A desk with nothing on it but the profile `web.toml`."""
    index.add(*build_wheel("app", "1.0", requires=("lib>=1",)))
    index.add(*build_wheel("lib", "1.0", tags="cp312-cp312-manylinux_2_17_x86_64"))
    desk = folder / "desk"
    desk.mkdir()
    site = Site(desk, index)
    site.write_profile(("app",), (LINUX,))
    text = site.profile.read_text().replace('name = "test"', 'name = "web"')
    (desk / "web.toml").write_text(text)
    site.profile.unlink()
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    programs = put_bundle_on_path(folder / "programs")
    environ["PATH"] = f"{programs}{os.pathsep}{environ['PATH']}"
    environ["BUNDLER_HOME"] = "host"
    return Desk(desk, environ)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with FakeIndex() as index:
        yield make_desk(tmp_path, index)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Where the first page ends."""
    with FakeIndex() as index:
        made = make_desk(tmp_path_factory.mktemp("officers"), index)
        made.run("officers.md")
        yield made


@pytest.mark.parametrize(
    "page", ["key-lost-packing.md", "key-lost-officer.md", "key-compromised.md"]
)
def test_the_life_of_keys(begun: Desk, tmp_path: Path, page: str) -> None:
    begun.copy(tmp_path / "desk").run(page)


def test_hybrid_keys(desk: Desk) -> None:
    desk.run("key-hybrid.md")


def test_an_identity_instead_of_a_key(desk: Desk) -> None:
    with sigstore_instance(desk.folder):
        (desk.folder / "get-token").write_text(f"#!/bin/sh\necho {identity_token()}\n")
        (desk.folder / "get-token").chmod(0o755)
        desk.run("key-sigstore.md")


def test_keys_in_a_token(desk: Desk, tmp_path: Path) -> None:
    module = find_module()
    if not (module and shutil.which("softhsm2-util") and shutil.which("pkcs11-tool")):
        pytest.skip("softhsm2 and opensc are not installed")
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    more = {"SOFTHSM2_CONF": str(configuration), "PYKCS11LIB": module}
    Desk(desk.folder, desk.environ | more).run("key-token.md")
