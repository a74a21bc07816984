"""Volumes that lie: a real one taken apart, changed, and put together by whoever has which keys."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from packaging.utils import canonicalize_name
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner

from bundler.archive import ustar
from bundler.archive.head import encode_head, head_size, read_head
from bundler.archive.pack import VolumeWriter
from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import canonical
from bundler.model.volume import Form, Slice, VolumeIndex, is_index_name
from bundler.model.volume_set import is_set_name
from tests.fakes.trust import FakeStream, digest, make_manifest
from tests.fakes.volumes import Contents, noise

MANIFEST = "manifest.json"


def make_volume(
    path: Path,
    stream: FakeStream,
    *,
    form: Form = "zst",
    cut: bool = False,
    documents: bool = True,
) -> Path:
    """The next sequence of a stream: a profile, and one project with a file of noise.

    With `cut`, the file is there as two parts; without `documents`, it is alone.
    """
    contents = Contents()
    profile, wheel = contents.add(b"[profile]\n"), contents.add(noise(3000))
    document = contents.add(
        canonical({"files": [{"provenance": None, "sha256": wheel.sha256, "size": wheel.size}]})
    )
    sequence = stream.authority.next_sequence
    manifest = replace(
        make_manifest(stream.authority.stream, sequence),
        projects={canonicalize_name("app"): document},
    )
    segments: Sequence[tuple[str, Sequence[Blob]]] = (
        *((("documents", sorted([profile, document])),) if documents else ()),
        ("app 1.0", [wheel]),
    )
    slices: dict[Sha256, Slice] = {}
    if cut:
        data = contents.by_blob[wheel]
        parts = contents.add(data[:1200]), contents.add(data[1200:])
        slices = {part.sha256: Slice(wheel, at) for part, at in zip(parts, (0, 1200), strict=True)}
        segments = (*segments[:-1], ("app 1.0", parts))
    chain = {name: digest(data) for name, data in stream.authority.root_chain().items()}
    with VolumeWriter(path, 1 << 18, threads=2, form=form) as writer:
        writer.add(segments, contents.open)
        index = writer.finish().index(
            stream=manifest.stream,
            sequence=sequence,
            volume=1,
            volumes=1,
            manifest=digest(manifest.to_bytes()),
            head=chain,
            slices=slices,
        )
        writer.seal(stream.head(manifest, index))
    return path


@dataclass(slots=True)
class Forgery:
    """A volume in parts; `write` makes a file of them again.

    Attributes:
        entries: What the head holds.
        size: Of the head, in bytes.
        rest: Everything behind the head.
        form: "zst" or "tar".
    """

    entries: dict[str, bytes]
    size: int
    rest: bytes
    form: Form = "zst"

    @classmethod
    def of(cls, volume: Path) -> Self:
        """Take a volume apart."""
        data = volume.read_bytes()
        if not data.startswith(b"head.tar\0"):
            head = read_head(io.BytesIO(data))
            return cls(dict(head.entries), head.size, data[head.size :])
        size = ustar.BLOCK + ustar.parse_header(data[: ustar.BLOCK])[1]
        front = struct.pack("<II", 0x184D2A50, size - ustar.BLOCK)
        head = read_head(io.BytesIO(front + data[ustar.BLOCK : size]))
        return cls(dict(head.entries), size, data[size:], "tar")

    @property
    def index_name(self) -> str:
        """The entry of the volume's index."""
        (name,) = filter(is_index_name, self.entries)
        return name

    @property
    def set_name(self) -> str:
        """The entry of the volume's set."""
        (name,) = filter(is_set_name, self.entries)
        return name

    @property
    def index(self) -> VolumeIndex:
        """The volume's index."""
        return VolumeIndex.from_bytes(self.entries[self.index_name])

    def signed(self, role: str) -> Any:
        """What a role's metadata says."""
        return json.loads(self.entries[f"metadata/{role}.json"])["signed"]

    def sign(self, role: str, signed: Any, *signers: CryptoSigner) -> None:
        """Let a role say something."""
        payload = str(encode_canonical(signed)).encode()
        made = [signer.sign(payload) for signer in signers]
        signatures = [{"keyid": each.keyid, "sig": each.signature} for each in made]
        self.entries[f"metadata/{role}.json"] = canonical(
            {"signatures": signatures, "signed": signed}
        )

    def replace(self, name: str, changed: Mapping[str, Any]) -> None:
        """Change keys of the manifest, the index or the set; the set has the size of the index."""
        self.entries[name] = canonical({**json.loads(self.entries[name]), **changed})
        if name == self.index_name and "size" in changed:
            volumes = json.loads(self.entries[self.set_name])["volumes"]
            volumes[json.loads(self.entries[name])["volume"] - 1]["size"] = changed["size"]
            self.replace(self.set_name, {"volumes": volumes})

    def seal(self, packer: CryptoSigner, *officers: CryptoSigner) -> None:
        """Sign what is there now: the manifest where officers are given, and the rest."""
        if officers:
            self._name("targets", "targets", MANIFEST, MANIFEST)
            self.sign("targets", self.signed("targets"), *officers)
        for name in (self.index_name, self.set_name):
            self._name("packing", "targets", name, name)
        self.sign("packing", self.signed("packing"), packer)
        self.seal_snapshot(packer)

    def seal_snapshot(self, packer: CryptoSigner) -> None:
        """Sign what names the metadata."""
        for role in ("targets", "packing"):
            self._name("snapshot", "meta", f"{role}.json", f"metadata/{role}.json")
        self.sign("snapshot", self.signed("snapshot"), packer)
        self._name("timestamp", "meta", "snapshot.json", "metadata/snapshot.json")
        self.sign("timestamp", self.signed("timestamp"), packer)

    def _name(self, role: str, key: str, name: str, entry: str) -> None:
        data = self.entries[entry]
        document = json.loads(self.entries[f"metadata/{role}.json"])
        named = document["signed"][key][name]
        named |= {"length": len(data), "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}
        if entry.startswith("metadata/"):
            named["version"] = json.loads(data)["signed"]["version"]
        self.entries[f"metadata/{role}.json"] = canonical(document)

    def write(self, path: Path) -> Path:
        """Put the volume together; the head keeps its size."""
        needed = head_size({name: len(data) for name, data in self.entries.items()}, self.form)
        assert needed <= self.size
        path.write_bytes(encode_head(self.entries, self.size, self.form) + self.rest)
        return path


def shrunk(volume: Path, path: Path, signer: CryptoSigner) -> Path:
    """The same bundle without unused room in its head, signed by its only key."""
    forged = Forgery.of(volume)
    index = json.loads(forged.entries[forged.index_name])
    # Offsets have fewer digits then, so the head of before has room enough.
    size = head_size({name: len(data) for name, data in forged.entries.items()}) + 64
    shift = forged.size - size
    for segment in (*index["segments"], {"frames": [index["tail"]]}):
        for frame in segment["frames"]:
            frame["offset"] -= shift
    forged.replace(forged.index_name, {**index, "size": index["size"] - shift})
    forged.seal(signer, signer)
    forged.size = size
    return forged.write(path)
