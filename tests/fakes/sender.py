"""A connected host that packs any wheels in any shape, and a mirror that awaits them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NoReturn

from bundler.events import Event, ignore
from bundler.mirror.generations import live
from bundler.mirror.layout import Mirror
from bundler.model.artifact import Blob
from bundler.model.manifest import Manifest
from bundler.model.volume_set import Base
from bundler.packable import Blobs, Described, Shape
from bundler.packing import Created, Packer, pack
from bundler.portion import since
from bundler.receive import Inside, Received, unpack
from bundler.trust.gate import pin
from tests.fakes.journals import OPERATOR
from tests.fakes.mirrors import bundled, documents_of
from tests.fakes.trust import FakeStream, blob, make_stream, the_time
from tests.fakes.volumes import noise
from tests.fakes.wheels import build_wheel

Wheel = tuple[str, bytes]


def wheel(name: str, version: str = "1.0", size: int = 1000) -> Wheel:
    """A wheel with so many bytes that do not compress."""
    files = {f"{name}/data.bin": noise(size, seed=hash_of(name + version))}
    return build_wheel(name, version, files=files)


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    return int.from_bytes(text.encode(), "big") % 1_000_003


@dataclass(slots=True)
class Sender:
    """A stream, and all blobs that it ever sent."""

    stream: FakeStream
    folder: Path
    contents: dict[Blob, bytes] = field(default_factory=dict)
    sent: int = 0
    clock: Callable[[], datetime] = the_time

    def describe(self, wheels: Sequence[Wheel], sequence: int) -> Described:
        """The documents of a mirror with these wheels."""
        documents = documents_of(bundled(each) for each in wheels)
        locks = {"pylock.test-cp312-linux.toml": b'lock-version = "1.0"\n'}
        profile = b"[profile]\n"
        parts = [profile, *locks.values(), *(each.to_bytes() for each in documents.values())]
        for data in (*parts, *(data for _, data in wheels)):
            self.contents[blob(data)] = data
        manifest = Manifest(
            stream=self.stream.authority.stream,
            sequence=sequence,
            created="2026-01-31T12:00:00Z",
            tool="bundler 0",
            targets=("cp312-linux",),
            profile=blob(profile),
            projects={name: blob(each.to_bytes()) for name, each in documents.items()},
            locks={name: blob(data) for name, data in locks.items()},
        )
        return Described(
            manifest=manifest,
            documents=[documents[name] for name in manifest.projects],
            locks=locks,
        )

    def open(self, one: Blob) -> BinaryIO:
        """A blob's bytes."""
        return io.BytesIO(self.contents[one])

    def pack(self, described: Described, shape: Shape = Shape()) -> Created:  # noqa: B008 - frozen
        """Pack into a folder of its own."""
        self.sent += 1
        packer = Packer(
            authority=self.stream.authority,
            signers=self.stream.signers,
            now=self.clock(),
            observe=ignore,
        )
        blobs = Blobs(open=self.open, give_up=lambda: None)
        return pack(described, blobs, self.folder / str(self.sent), packer, shape=shape)

    def send(
        self,
        wheels: Sequence[Wheel],
        *,
        volume_size: int | None = None,
        since: int | None = None,
        base: Base | None = None,
        shape: Shape = Shape(),  # noqa: B008 - frozen
    ) -> list[Path]:
        """The volumes of the next sequence; a delta where `since` names a base."""
        described = self.describe(wheels, self.stream.authority.next_sequence)
        return self.shaped(described, volume_size, since, base, shape)

    def again(
        self,
        wheels: Sequence[Wheel],
        *,
        volume_size: int | None = None,
        shape: Shape = Shape(),  # noqa: B008 - frozen
    ) -> list[Path]:
        """The last sequence, packed once more."""
        described = self.describe(wheels, self.stream.authority.next_sequence - 1)
        return self.shaped(described, volume_size, None, None, shape)

    def shaped(
        self,
        described: Described,
        volume_size: int | None,
        base_sequence: int | None,
        base: Base | None,
        shape: Shape,
    ) -> list[Path]:
        """Pack what was described."""
        shape = replace(shape, size=volume_size)
        if base_sequence is not None:
            found = since(self.stream.authority, base_sequence)
            shape = replace(shape, kind="delta", base=base or found.base, wanted=found.wanted)
        return list(self.pack(described, shape).volumes)


def no_judge(root: bytes, profile: bytes) -> NoReturn:
    """There are no attestations."""
    raise AssertionError((root, profile))


@dataclass(slots=True)
class Receiver:
    """A mirror, and what it heard."""

    mirror: Mirror
    heard: list[Event] = field(default_factory=list)

    def unpack(self, *volumes: Path, pipe: bytes = b"") -> list[Received]:
        """`bundle unpack`."""
        inside = Inside(
            make_judge=no_judge,
            operator=OPERATOR,
            pipe=io.BytesIO(pipe),
            observe=self.heard.append,
        )
        return unpack(volumes, self.mirror, inside)

    @property
    def live(self) -> int:
        """The sequence that is shown; 0 before the first."""
        found = live(self.mirror)
        return found.streams["web"].sequence if found else 0

    def served(self) -> Mapping[str, bytes]:
        """Everything that is served, by path."""
        paths = [*self.mirror.files.rglob("*"), *self.mirror.simple.rglob("*")]
        return {
            str(path.relative_to(self.mirror.root)): path.read_bytes()
            for path in paths
            if path.is_file()
        }


def make_sender(folder: Path) -> Sender:
    """A fresh stream."""
    return Sender(make_stream(folder / "streams"), folder / "out")


def make_receiver(sender: Sender, folder: Path) -> Receiver:
    """A mirror in which the sender's root is pinned."""
    mirror = Mirror.create(folder)
    pin(sender.stream.root, mirror.trust)
    return Receiver(mirror)


def damage(path: Path, at: Callable[[bytes], int]) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at(bytes(data))] ^= 1
    path.write_bytes(data)
