"""A set of wheels that is packed again and again, without an index: for the benches of transfer.

    python -m tests.bench.transfer_set prepare WORK FOLDER     with all wheels below FOLDER
    python -m tests.bench.transfer_set prepare WORK BYTES      with wheels of noise
    python -m tests.bench.transfer_set pack WORK OUT [SIZE]    in volumes of SIZE bytes at most

The wheels are in WORK/wheels, their blobs in WORK/store, and the stream in WORK/streams/bench.
"""

from __future__ import annotations

import hashlib
import pickle
import random
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from packaging.utils import NormalizedName

from bundler.archive.store import BlobStore
from bundler.events import ignore
from bundler.model.artifact import Blob, Sha256, parse_file_name
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument
from bundler.packable import Blobs, Described, Shape
from bundler.packing import Created, Packer, pack
from bundler.trust.authority import Authority
from bundler.trust.holders import KeyHolder, load_signers
from bundler.trust.keyfiles import generate_key
from tests.fakes.wheels import build_wheel

STREAM = "bench"


def prepare(work: Path, wheels: Iterator[tuple[str, bytes]]) -> int:
    """Put wheels into the store and begin the stream; the sum of their sizes in bytes."""
    store, total = BlobStore(work / "store", durable=False), 0
    (work / "wheels").mkdir(parents=True)
    for name, data in wheels:
        blob = store.put(data)
        (work / "wheels" / name).hardlink_to(store.path(blob.sha256))
        total += blob.size
    # What a plan knows: to find it out is no part of packing.
    known = [_file(path) for path in sorted((work / "wheels").iterdir())]
    (work / "known").write_bytes(pickle.dumps(known))
    (work / "keys").mkdir()
    generate_key(work / "keys", "k", "ed25519", None)
    (signer,) = load_signers(("k",), work / "keys", _no_passphrase)
    folder = work / "streams" / STREAM
    Authority.create(folder, STREAM, [KeyHolder.of("k", signer)], 1, _now())
    return total


def copies(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The wheels that are filed in a mirror."""
    for path in sorted(folder.rglob("*.whl")):
        yield path.name, path.read_bytes()


def synthetic(total: int, each: int = 20_000_000) -> Iterator[tuple[str, bytes]]:
    """Wheels of `each` bytes that do not compress, `total` bytes in all."""
    for number in range(total // each):
        noise = random.Random(number).randbytes(each)  # noqa: S311 - test data
        yield build_wheel(f"project{number:04}", "1.0", files={"noise/data.bin": noise})


def pack_again(work: Path, out: Path, size: int | None) -> Created:
    """Pack the next sequence of the same wheels."""
    store = BlobStore(work / "store", durable=False)
    authority = Authority.open(work / "streams" / STREAM)
    found: dict[NormalizedName, list[BundledFile]] = {}
    known: list[BundledFile] = pickle.loads((work / "known").read_bytes())  # noqa: S301 - our own
    for file in known:
        found.setdefault(parse_file_name(file.filename).project, []).append(file)
    documents = [
        ProjectDocument(name=name, files=tuple(sorted(files, key=lambda file: file.filename)))
        for name, files in sorted(found.items())
    ]
    manifest = Manifest(
        stream=STREAM,
        sequence=authority.next_sequence,
        created=f"{_now():%Y-%m-%dT%H:%M:%SZ}",
        tool="bench",
        targets=("any",),
        profile=store.put(b"[profile]\n"),
        projects={each.name: store.put(each.to_bytes()) for each in documents},
        locks={},
    )
    described = Described(manifest=manifest, documents=documents, locks={})
    packer = Packer(
        authority=authority,
        signers=load_signers(("k",), work / "keys", _no_passphrase),
        now=_now(),
        observe=ignore,
    )
    blobs = Blobs(open=store.open, give_up=lambda: None)
    return pack(described, blobs, out, packer, shape=Shape(size=size))


def _file(path: Path) -> BundledFile:
    with zipfile.ZipFile(path) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = hashlib.sha256(archive.read(name)).hexdigest()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return BundledFile(
        filename=path.name,
        blob=Blob(Sha256(digest), path.stat().st_size),
        metadata=Sha256(metadata),
        index="bench",
        targets=("any",),
        required_by=("profile",),
    )


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - as the command line does


def _no_passphrase(_name: str) -> str:
    raise AssertionError


def main(action: str, work: Path, what: str, size: int | None) -> None:
    """Do one of the two."""
    if action == "pack":
        pack_again(work, Path(what), size)
    else:
        print(prepare(work, synthetic(int(what)) if what.isdigit() else copies(Path(what))))


if __name__ == "__main__":
    main(
        sys.argv[1],
        Path(sys.argv[2]),
        sys.argv[3],
        int(sys.argv[4]) if len(sys.argv) > 4 else None,
    )
