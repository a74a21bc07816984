"""A stream with several officers, each with a machine of their own, and a packing host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from typer.testing import Result

from tests.fakes.command import Site, bundle, succeed
from tests.fakes.index import FakeIndex
from tests.fakes.wheels import build_wheel

OFFICERS = ("ana", "ben", "cem")


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A packing host (`host`) and the homes of officers, beside each other."""

    host: Site

    @property
    def folder(self) -> Path:
        """What holds everything."""
        return self.host.folder

    @property
    def root_file(self) -> Path:
        """The first root, staged."""
        return self.folder / "test-root-000001.staged"

    def staged(self, sequence: int = 1) -> Path:
        """A bundle, staged."""
        return self.host.out / f"test-{sequence:06}.staged"

    def public(self, name: str) -> Path:
        """An officer's public key."""
        return self.folder / name / "keys" / f"{name}.pub"

    def keygen(self, name: str, *options: str) -> None:
        """An officer's key, on the officer's machine."""
        succeed("keygen", name, *options, "--home", self.folder / name)

    def sign(self, staged: Path, name: str, *options: str | Path) -> Result:
        """An officer signs."""
        home = self.folder / name
        return bundle("sign", staged, "--key", name, "--home", home, *options)

    def init(self, threshold: int, *names: str) -> Result:
        """`trust init` on the packing host, with nothing but public keys of officers."""
        words: list[str | Path] = []
        for name in names:
            words += ["--key", self.public(name)]
        options = ("--threshold", str(threshold), "--packing-key", "host", "-o", self.folder)
        return bundle("trust", "init", "test", *words, *options, *self.host.home)

    def begin(self, threshold: int, *names: str) -> None:
        """Begin the stream, all signing, and pin it."""
        assert self.init(threshold, *names).exit_code == 0
        for name in names[:threshold]:
            assert self.sign(self.root_file, name).exit_code == 0
        succeed("trust", "adopt", self.root_file, *self.host.home)
        succeed("trust", "export", "test", "-o", self.host.root, *self.host.home)
        succeed("trust", "pin", self.host.root, "--into", self.host.mirror)

    def resume(self, sequence: int = 1) -> Result:
        """`create --resume` on the packing host."""
        staged = self.staged(sequence)
        return bundle("create", "--resume", staged, "-o", self.host.out, *self.host.home)

    def authorise(self, sequence: int, *names: str) -> None:
        """Create, have it signed, pack and unpack."""
        assert self.host.create().exit_code == 0
        for name in names:
            assert self.sign(self.staged(sequence), name).exit_code == 0
        assert self.resume(sequence).exit_code == 0
        succeed("unpack", self.host.volume(sequence), "--into", self.host.mirror)


@contextmanager
def ceremony(folder: Path) -> Iterator[Ceremony]:
    """Keys for everyone, an index with `app` and `lib`; no stream yet."""
    folder.mkdir(exist_ok=True)
    with FakeIndex() as index:
        for name, version, tags, requires in (
            ("app", "1.0", "py3-none-any", ("lib>=1",)),
            ("lib", "1.0", "cp312-cp312-manylinux_2_17_x86_64", ()),
            ("lib", "1.0", "cp312-cp312-win_amd64", ()),
        ):
            index.add(*build_wheel(name, version, tags=tags, requires=requires))
        made = Ceremony(Site(folder, index))
        made.host.write_profile()
        succeed("keygen", "host", *made.host.home)
        for officer in OFFICERS:
            made.keygen(officer)
        yield made
