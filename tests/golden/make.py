"""Make the golden bundles of a format version; they are made once, and read for ever.

    python -m tests.golden.make tests/golden/format-N

Keys, times and content are fixed, so the bytes depend on nothing but this program and zstd. Volumes
are stored with xz around them, since most of a small one is the unused room in its head.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, SSlibKey

from bundler.mirror.layout import Mirror
from bundler.packable import Shape
from bundler.trust.gate import pin
from tests.fakes.sender import Receiver, Sender, wheel
from tests.fakes.trust import make_stream
from tests.fakes.wheels import build_wheel

MADE = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""When all was signed. No signature is good for ever: readers must be told this time."""

SIZE = 110_000
BASES = {"delta": "full"}
"""What must be there before a bundle is unpacked."""

FIRST = [
    wheel("alpha", size=1000),
    wheel("beta", size=2000),
    build_wheel("gamma", "1.0", tags="cp312-cp312-manylinux_2_17_x86_64"),
    build_wheel("gamma", "1.0", tags="cp312-cp312-win_amd64"),
]
SECOND = [*FIRST[1:], wheel("alpha", "1.1", size=1100)]
LARGE = [*SECOND, wheel("delta", size=150_000)]


def signer(name: str) -> CryptoSigner:
    """An Ed25519 key that everybody can make: it guards nothing."""
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    return CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))


@dataclass(frozen=True)
class Golden:
    """The root, and the volumes of each bundle."""

    root: bytes
    bundles: Mapping[str, Sequence[Path]]


def make(work: Path) -> Golden:
    """Sequence 1 in every form, a delta on it, and sequence 3 in volumes."""
    stream = make_stream(
        work / "streams", signers=[signer("officer")], packing=signer("packing"), now=MADE
    )
    sender = Sender(stream, work / "out", clock=lambda: MADE)
    bundles = {
        "full": sender.send(FIRST),
        "tar": sender.again(FIRST, shape=Shape(form="tar")),
        "files": sender.again(FIRST, shape=Shape(form="files")),
        "delta": sender.send(SECOND, since=1),
        "set": sender.send(LARGE, volume_size=SIZE),
    }
    assert len(bundles["set"]) > 2
    return Golden(stream.root, bundles)


def unpacked(golden: Golden, bundle: str, mirror: Path) -> dict[str, str]:
    """The digests of all files and blobs that a mirror has when it has a bundle, by path."""
    receiver = Receiver(Mirror.create(mirror))
    pin(golden.root, receiver.mirror.trust)
    for each in (BASES.get(bundle), bundle):
        receiver.unpack(*golden.bundles[each] if each else ())
    paths = [*receiver.mirror.files.rglob("*"), *receiver.mirror.store.root.rglob("*")]
    return {
        str(path.relative_to(mirror)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.is_file()
    }


def write(golden: Golden, out: Path) -> None:
    """Store them; `stored.json` says what mirrors have of them."""
    (out / "root.json").parent.mkdir(parents=True)
    (out / "root.json").write_bytes(golden.root)
    found = {}
    for bundle, volumes in golden.bundles.items():
        with tempfile.TemporaryDirectory() as name:
            found[bundle] = unpacked(golden, bundle, Path(name, "mirror"))
        (out / bundle).mkdir()
        for volume in volumes:
            if volume.is_dir():
                shutil.copytree(volume, out / bundle / volume.name)
            else:
                (out / bundle / f"{volume.name}.xz").write_bytes(lzma.compress(volume.read_bytes()))
    (out / "stored.json").write_text(json.dumps(found, indent=1) + "\n")


def read(folder: Path, work: Path) -> Golden:
    """What `write` has stored."""
    bundles = {}
    for bundle in json.loads((folder / "stored.json").read_text()):
        (work / bundle).mkdir(parents=True)
        bundles[bundle] = [_read(path, work / bundle) for path in (folder / bundle).iterdir()]
    return Golden((folder / "root.json").read_bytes(), bundles)


def _read(stored: Path, work: Path) -> Path:
    if stored.is_dir():
        return stored
    volume = work / stored.name.removesuffix(".xz")
    volume.write_bytes(lzma.decompress(stored.read_bytes()))
    return volume


def main(out: Path) -> None:
    """Make and store them; what is there already is never made again."""
    with tempfile.TemporaryDirectory() as name:
        write(make(Path(name)), out)


if __name__ == "__main__":
    main(Path(sys.argv[1])) if sys.argv[1:] else sys.exit(__doc__)
