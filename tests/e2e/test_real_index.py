"""The whole way with the index that this host's pip uses: real wheels, real pip, real uv."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bundler.errors import BundlerError
from bundler.model.profile import Profile, parse_profile
from bundler.upstream.pip_config import pip_index_url
from tests.fakes.netns import clean_environment, require_isolation, run_isolated

pytestmark = pytest.mark.real_index

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "profiles" / "quickstart.toml"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def quickstart() -> Profile:
    return parse_profile(PROFILE.read_bytes(), PROFILE.name)


TARGETS = [(target.python.name, target.platform.name) for target in quickstart().parsed_targets()]


@dataclass(frozen=True, slots=True)
class Way:
    """What the commands made of the quickstart profile.

    Attributes:
        index: The index's address, as uv takes it.
        created: What `create` and `unpack` said of themselves.
    """

    folder: Path
    index: str
    created: Any
    unpacked: Any

    @property
    def volume(self) -> Path:
        """The bundle."""
        return Path(self.created["volumes"][0])

    @property
    def mirror(self) -> Path:
        """The mirror."""
        return self.folder / "mirror"

    def lock(self, target: str) -> Any:
        """A target's lock."""
        path = Path(self.created["locks"]) / f"pylock.quickstart-{target}.toml"
        return tomllib.loads(path.read_text())


def run(folder: Path, *words: str | Path) -> Any:
    """Run a command of ours in a process; what it says as JSON."""
    argv = [sys.executable, "-m", "bundler", *map(str, words), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


def index_url() -> str:
    """The index of this host's pip; skips the test where it does not answer."""
    try:
        found = pip_index_url()
    except BundlerError as error:
        pytest.skip(f"pip's configuration: {error.message}")
    try:
        with urllib.request.urlopen(f"{found.url}pip/", timeout=20) as answer:  # noqa: S310 - http(s), checked by pip_index_url
            answer.read(1)
    except urllib.error.HTTPError as error:
        if error.code != 401:  # it answers; the credentials are the commands' own business
            pytest.skip(f"the index that pip uses answers {error.code}")
        error.close()
    except OSError as error:
        pytest.skip(f"the index that pip uses does not answer: {error}")
    if found.credentials is None:
        return found.url
    scheme, rest = found.url.split("://", 1)
    return f"{scheme}://{found.credentials.user}:{found.credentials.password}@{rest}"


@pytest.fixture(scope="session")
def way(tmp_path_factory: pytest.TempPathFactory) -> Way:
    """One real bundle of some 180 MB of wheels, unpacked into one mirror."""
    index, folder = index_url(), tmp_path_factory.mktemp("way")
    home = ("--home", "home")
    run(folder, "keygen", "demo", *home)
    run(folder, "trust", "init", "quickstart", "--key", "demo", *home)
    run(folder, "trust", "export", "quickstart", "-o", "root.json", *home)
    run(folder, "trust", "pin", "root.json", "--into", "mirror")
    created = run(folder, "create", PROFILE, "-o", folder / "out", *home)
    unpacked = run(folder, "unpack", created["volumes"][0], "--into", "mirror")
    return Way(folder, index, created, unpacked)


def test_what_was_made(way: Way) -> None:
    assert (way.created["stream"], way.created["sequence"]) == ("quickstart", 1)
    assert len(way.created["targets"]) == len(TARGETS) == 8
    assert way.created["volumes-size"] == way.volume.stat().st_size
    # Wheels are compressed already; sharing between platforms still has to save something.
    assert way.created["volumes-size"] < 0.95 * way.created["wheels-size"]
    assert way.unpacked["sequences"][0]["changed"] is True
    (unpacked,) = way.unpacked["sequences"]
    assert unpacked["new-files"] == unpacked["files"] == way.created["files"]


# uv's own locks


def uv_versions(way: Way, python: str, platform: str) -> dict[str, str]:
    """What uv resolves the profile's requirements to, from wheels only."""
    uv = shutil.which("uv") or pytest.fail("uv is not on PATH")
    words = [
        uv, "pip", "compile", "-", "--only-binary", ":all:", "--python-platform", platform,
        "--python-version", python, "--default-index", way.index, "--no-header", "--no-annotate",
        "--quiet",
    ]  # fmt: skip
    own = {
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(way.folder / "uv-cache"),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    result = subprocess.run(
        words, input="\n".join(quickstart().profile.requirements), env=kept | own,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = [Requirement(line) for line in result.stdout.splitlines() if line.strip()]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in found}


@pytest.mark.parametrize(("python", "platform"), TARGETS)
def test_uv_comes_to_the_same_versions(way: Way, python: str, platform: str) -> None:
    lock = way.lock(f"cp{python.replace('.', '')}-{platform}")
    ours = {package["name"]: package["version"] for package in lock["packages"]}
    theirs = uv_versions(way, python, platform)
    assert {"numpy", "cryptography", "fastapi", "requests", "sqlalchemy"} <= set(ours)
    assert ours == theirs


# Real installers, with no network but loopback

CLIENTS = {
    "pip": [sys.executable, "-m", "pip", "--isolated", "--python", "{python}", "install"],
    "uv": ["uv", "pip", "install", "--python", "{python}"],
}
OPTIONS = {
    "pip": ["--quiet", "--no-cache-dir", "--only-binary", ":all:", "--index-url"],
    "uv": ["--quiet", "--no-cache", "--only-binary", ":all:", "--default-index"],
}
SERVE_AND = """
import json, subprocess, sys
mirror, *command = sys.argv[1:]
words = [sys.executable, "-m", "bundler", "serve", mirror, "--port", "0", "--json"]
words += ["--user", "root"]  # whoever is root in this namespace only
with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
    said = ""
    while not said.endswith("}\\n"):
        said += server.stdout.readline() or sys.exit("the server has ended")
    index = json.loads(said)["index"]
    code = subprocess.run([word.replace("{index}", index) for word in command]).returncode
    server.terminate()
    sys.exit(code or server.wait(20))
"""
TRY_THEM = """
import cryptography, numpy
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.linalg import solve
secret = AESGCM(bytes(32)).encrypt(bytes(12), b"air", None)
assert AESGCM(bytes(32)).decrypt(bytes(12), secret, None) == b"air"
assert solve(numpy.eye(3) * 2, numpy.ones(3)).tolist() == [0.5, 0.5, 0.5]
print(cryptography.__version__, numpy.__version__)
"""


@pytest.mark.netns
@pytest.mark.skipif(
    HERE not in {python for python, _ in TARGETS} or sys.platform != "linux",
    reason="the quickstart profile has no target for the Python that runs the tests",
)
@pytest.mark.parametrize("served", [False, True], ids=["file", "http"])
@pytest.mark.parametrize("client", CLIENTS)
def test_install_without_a_network(way: Way, tmp_path: Path, client: str, *, served: bool) -> None:
    require_isolation()
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = str(venv / "bin" / "python")
    index = "{index}" if served else f"{way.mirror.as_uri()}/simple/"
    install = [word.replace("{python}", python) for word in CLIENTS[client]]
    argv = [*install, *OPTIONS[client], index, *quickstart().profile.requirements]
    if served:
        argv = [sys.executable, "-c", SERVE_AND, str(way.mirror), *argv]
    result = run_isolated(argv, clean_environment(tmp_path), tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    tried = run_isolated([python, "-c", TRY_THEM], clean_environment(tmp_path), tmp_path)
    assert tried.returncode == 0, tried.stderr
    found = [way.lock(name) for name in way.created["targets"] if HERE.replace(".", "") in name]
    locked = {package["name"]: package["version"] for package in found[0]["packages"]}
    assert tried.stdout.split() == [locked["cryptography"], locked["numpy"]]


# Ordinary tools


def test_ordinary_tools_read_the_volume(way: Way, tmp_path: Path) -> None:
    subprocess.run(["zstd", "--test", "--quiet", way.volume], check=True)
    listing = subprocess.run(
        ["tar", "--zstd", "-tf", way.volume], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(listing) == len(set(listing)) > way.created["files"]
    assert {name.rpartition("/")[0] for name in listing} == {"blobs/sha256"}
    sample = listing[:: len(listing) // 10]
    subprocess.run(["tar", "--zstd", "-xf", way.volume, "-C", tmp_path, *sample], check=True)
    lines = subprocess.run(
        ["sha256sum", *sample], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(lines) == len(sample) >= 10
    for line in lines:
        digest, name = line.split()
        assert name == f"blobs/sha256/{digest}"
        kind = (tmp_path / name).lstat()
        assert (kind.st_mode & 0o7777, int(kind.st_mtime)) == (0o644, 0)


def test_every_wheel_of_the_mirror_is_what_its_folder_says(way: Way) -> None:
    wheels = list(way.mirror.glob("files/*/*/*.whl"))
    assert len(wheels) == way.created["files"]
    for wheel in wheels:
        with wheel.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == wheel.parent.name


# Again, and all at once


def test_a_second_create_gives_the_same_frames_and_downloads_nothing(way: Way) -> None:
    argv = [sys.executable, "-m", "bundler", "create", str(PROFILE), "-o", "again",
            "--home", "home", "--json"]  # fmt: skip
    result = subprocess.run(
        argv, cwd=way.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert f"{way.created['files']} from the cache" in result.stderr
    second = json.loads(result.stdout)
    assert second["sequence"] == 2
    with way.volume.open("rb") as one, (way.folder / second["volumes"][0]).open("rb") as two:
        for file in (one, two):
            head = file.read(8)
            file.seek(8 + int.from_bytes(head[4:8], "little"))
        assert one.tell() == two.tell()
        assert (
            hashlib.file_digest(one, "sha256").digest()
            == hashlib.file_digest(two, "sha256").digest()
        )


def test_demo(tmp_path: Path, way: Way) -> None:
    assert way.created["files"]  # the index answers
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name != "BUNDLER_HOME"}
    # Only the index that pip uses is the host's; folders are those of a user who is new here.
    environment = {
        **{name: value for name, value in kept.items() if not name.startswith("XDG_")},
        "HOME": str(home),
        "PIP_INDEX_URL": way.index,
        "PYTHONPATH": str(ROOT),
    }
    result = subprocess.run(
        [sys.executable, "-m", "bundler", "demo"], cwd=tmp_path, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout == "installed from bundle-demo/mirror into bundle-demo/venv\n"
    for line in (
        "$ bundle keygen demo --home home",
        "$ bundle create quickstart.toml -o out --home home",
        "$ bundle trust pin root.json --into mirror",
        "$ bundle unpack out/quickstart-000001.v01.tar.zst --into mirror",
        "$ python -m venv venv",
    ):
        assert line in result.stderr.splitlines()
    installed = dict(
        line.lower().split() for line in result.stderr.splitlines() if len(line.split()) == 2
    )
    for name in ("numpy", "cryptography", "fastapi", "requests", "sqlalchemy"):
        assert name in installed
    # What demo makes is in its folder. (pip asks rustc for its version, which may leave a folder.)
    assert {path.name for path in home.iterdir()} <= {".rustup"}
