"""The program in this process, as a user would call it, and a connected host to call it on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from bundler.cli.main import app
from bundler.trust.approval import read_approver
from bundler.trust.keys import fingerprint
from tests.fakes.index import FakeIndex
from tests.fakes.wheels import build_wheel

LINUX = "x86_64-manylinux_2_28"
WINDOWS = "x86_64-pc-windows-msvc"


def bundle(*words: str | Path) -> Result:
    """Run one command; `result.exit_code`, `.stdout`, `.stderr`."""
    return CliRunner().invoke(app, [str(word) for word in words])


def succeed(*words: str | Path) -> Result:
    """Run a command that must end well."""
    result = bundle(*words)
    assert result.exit_code == 0, result.output
    return result


def read_json(result: Result) -> Any:
    """The one document on stdout."""
    return json.loads(result.stdout)


@dataclass(frozen=True, slots=True)
class Site:
    """A connected host with a stream, a profile and an index that it reaches.

    The index has `app` 1.0, which needs `lib`; `lib` has wheels of its own for Linux and Windows.
    """

    folder: Path
    index: FakeIndex

    @property
    def home(self) -> tuple[str, str]:
        """The words that name the home."""
        return "--home", str(self.folder / "home")

    @property
    def profile(self) -> Path:
        """The profile's file."""
        return self.folder / "test.toml"

    @property
    def out(self) -> Path:
        """Where bundles go."""
        return self.folder / "out"

    @property
    def root(self) -> Path:
        """The exported root."""
        return self.folder / "root.json"

    @property
    def mirror(self) -> Path:
        """The mirror that the root is pinned in."""
        return self.folder / "mirror"

    def volume(self, sequence: int = 1) -> Path:
        """A bundle's volume."""
        return self.out / f"test-{sequence:06}.v01.tar.zst"

    def write_profile(
        self, requirements: Sequence[str] = ("app",), platforms: Sequence[str] = (LINUX, WINDOWS)
    ) -> None:
        """Write the profile anew."""
        self.profile.write_text(
            "[profile]\n"
            'name = "test"\n'
            f"requirements = {json.dumps(list(requirements))}\n"
            "[[index]]\n"
            'name = "fake"\n'
            f'url = "{self.index.url}"\n'
            "[targets]\n"
            'python = ["3.12"]\n'
            f"platforms = {json.dumps(list(platforms))}\n"
        )

    def create(self, *options: str) -> Result:
        """`bundle create`."""
        return bundle("create", self.profile, "-o", self.out, *self.home, *options)

    def make_sequences(self, count: int) -> None:
        """Make so many from the first one on, each with another `app` and the same `lib`."""
        for number in range(1, count + 1):
            if number > 1:
                self.index.add(*build_wheel("app", f"{number}.0", requires=["lib>=1"]))
            assert self.create().exit_code == 0

    def beside(self, folder: Path) -> Site:
        """The same host, with a mirror of its own in `folder`."""
        for name in ("home", "out"):
            (folder / name).symlink_to(self.folder / name)
        shutil.copytree(self.mirror, folder / "mirror", symlinks=True)
        return Site(folder, self.index)

    def public_key(self, name: str) -> Path:
        """The file of a key that `bundle keygen` made."""
        (path,) = (self.folder / "home").rglob(f"{name}.pub")
        return path

    def fingerprint(self, name: str) -> str:
        """Of such a key."""
        return fingerprint(read_approver(self.public_key(name)))


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A `Site`: its stream is begun, its root exported and pinned in its mirror."""
    folder.mkdir(exist_ok=True)
    with FakeIndex() as index:
        for arguments in (
            ("app", "1.0", "py3-none-any", ("lib>=1",)),
            ("lib", "1.0", "cp312-cp312-manylinux_2_17_x86_64", ()),
            ("lib", "1.0", "cp312-cp312-win_amd64", ()),
        ):
            name, version, tags, requires = arguments
            index.add(*build_wheel(name, version, tags=tags, requires=requires))
        made = Site(folder, index)
        made.write_profile()
        succeed("keygen", "officer", *made.home)
        succeed("trust", "init", "test", "--key", "officer", *made.home)
        succeed("trust", "export", "test", "-o", made.root, *made.home)
        succeed("trust", "pin", made.root, "--into", made.mirror)
        yield made


def tree(folder: Path) -> dict[str, tuple[str, int, bytes]]:
    """Everything below a folder: kind, time of the last change in ns, and content or link."""
    found: dict[str, tuple[str, int, bytes]] = {}
    for path in sorted(folder.rglob("*")):
        stat, name = path.lstat(), str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = "link", stat.st_mtime_ns, str(path.readlink()).encode()
        elif path.is_dir():
            found[name] = "folder", stat.st_mtime_ns, b""
        else:
            found[name] = "file", stat.st_mtime_ns, path.read_bytes()
    return found


def without_journal(found: dict[str, tuple[str, int, bytes]]) -> dict[str, tuple[str, int, bytes]]:
    """A mirror's `tree` but for its journal, which a refusal makes longer, and that folder's time.

    Refusals are all that a mirror remembers of what was refused.
    """
    return {
        name: value
        for name, value in found.items()
        if name != ".bundler" and not name.startswith(".bundler/journal.")
    }
