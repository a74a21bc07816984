"""Make the golden bundles of a format version; they are made once, and read for ever.

    python -m tests.golden.make FOLDER

Keys, times and content are fixed, so the bytes depend on nothing but this program and zstd. The
heads end with zero bytes for what they might have held; whoever stores the files may compress them.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, SSlibKey

from bundler.packable import Shape
from tests.fakes.sender import Sender, wheel
from tests.fakes.trust import make_stream
from tests.fakes.wheels import build_wheel

MADE = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""When all was signed. No signature is good for ever: readers must be told this time."""

SIZE = 150_000
FIRST = [
    wheel("alpha", size=9000),
    wheel("beta", size=30_000),
    build_wheel("gamma", "1.0", tags="cp312-cp312-manylinux_2_17_x86_64"),
    build_wheel("gamma", "1.0", tags="cp312-cp312-win_amd64"),
]
SECOND = [*FIRST[1:], wheel("alpha", "1.1", size=9500)]


def signer(name: str) -> CryptoSigner:
    """An Ed25519 key that everybody can make: it guards nothing."""
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    return CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))


def make(work: Path) -> Mapping[str, list[Path]]:
    """The volumes of each bundle, and the root that they are pinned by."""
    stream = make_stream(
        work / "streams", signers=[signer("officer")], packing=signer("packing"), now=MADE
    )
    sender = Sender(stream, work / "out", clock=lambda: MADE)
    root = work / "root.json"
    root.write_bytes(stream.root)
    return {
        "root": [root],
        "full": sender.send(FIRST),
        "tar": sender.again(FIRST, shape=Shape(form="tar")),
        "files": sender.again(FIRST, shape=Shape(form="files")),
        "set": sender.again(FIRST, volume_size=SIZE),
        "delta": sender.send(SECOND, since=1),
    }


def main(out: Path) -> None:
    """Copy what was made, each bundle into a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        for bundle, volumes in make(Path(name)).items():
            (out / bundle).mkdir(parents=True)
            for volume in volumes:
                copy = shutil.copytree if volume.is_dir() else shutil.copy
                copy(volume, out / bundle / volume.name)


if __name__ == "__main__":
    main(Path(sys.argv[1])) if sys.argv[1:] else sys.exit(__doc__)
