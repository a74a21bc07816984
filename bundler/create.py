"""OUTSIDE, one line per step: profile → plan → manifest → fetch → check → pack → prove → sign.

The plan knows digest, size and METADATA of every wheel before any is fetched, so the manifest comes
first. Fetching begins while targets are still being solved, and packing takes the wheels in the
order of the plan and waits for each until it is there and was checked.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import Signer

from bundler import TOOL, describe
from bundler.archive.pack import VolumeWriter, head_reserve
from bundler.archive.store import BlobStore
from bundler.describe import Admitted
from bundler.errors import BundlerError
from bundler.events import Observer
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import Manifest, ProjectDocument
from bundler.model.plan import Plan
from bundler.model.profile import Profile
from bundler.model.volume import VolumeIndex, volume_stem
from bundler.resolve.planner import Planner
from bundler.second_opinion.beside import check_place, program_beside
from bundler.trust.authority import Authority
from bundler.trust.former import read_formers, remember, write_formers
from bundler.trust.policy import check
from bundler.upstream.download import Downloader
from bundler.upstream.transport import Transport
from bundler.upstream.vouching import Vouched, Vouching
from bundler.wheel.findings import Findings, Kept
from bundler.wheel.inspector import WheelInspector
from bundler.wheel.natives import NativeParser

_CONTENTS = "contents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What `create` works with: the seams, all built by the command line.

    Attributes:
        cache: Where downloaded blobs are kept from one run to the next.
        vouching: Fetches attestations, and judges by them.
        found: Where it is kept what is inside wheels that were good.
    """

    planner: Planner
    transport: Transport
    cache: BlobStore
    vouching: Vouching
    found: Kept
    authority: Authority
    signers: Sequence[Signer]
    now: datetime
    observe: Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What a run made; `wheels` is the sum of the wheels' sizes in bytes."""

    volume: Path
    locks: Path
    manifest: Manifest
    index: VolumeIndex
    files: int
    wheels: int


def create(profile: Profile, source: bytes, out: Path, outside: Outside) -> Created:
    """Make the next sequence of the profile's stream in the folder `out`.

    Args:
        profile: What is wanted.
        source: The profile's text as its author wrote it; it travels along.
        out: Made when absent; holds the volume, a folder of locks and `verify.py` afterwards.
        outside: The seams.

    Raises:
        BundlerError: of every kind; nothing is left in `out` then.
    """
    outside.authority.check_signers(outside.signers)
    _sweep(out, profile.stream)
    check_place(out)
    with (
        WheelInspector(profile.accepted(), NativeParser(), Findings(outside.found)) as inspector,
        Downloader(
            outside.transport, outside.cache, check=inspector.check, observer=outside.observe
        ) as downloads,
    ):
        plan = outside.planner.plan(downloads.begin)
        downloads.start(plan.files)
        vouched = outside.vouching.vouch(plan, outside.cache, outside.observe)
        files = [(each.facts, each.verdict) for each in vouched.values()]
        check(files, read_formers(outside.authority.folder), outside.vouching.rules)
        return _pack(profile, source, Admitted(plan, vouched), inspector, downloads, out, outside)


def _pack(
    profile: Profile,
    source: bytes,
    admitted: Admitted,
    inspector: WheelInspector,
    downloads: Downloader,
    out: Path,
    outside: Outside,
) -> Created:
    """Describe, pack, prove and sign what was planned."""
    sequence = outside.authority.next_sequence
    plan, described = admitted.plan, list(describe.documents(admitted))
    manifest = _describe(profile, source, plan, described, sequence, outside)
    wanted = list(describe.segments(admitted, manifest))
    roots = outside.authority.root_chain()
    wheels = {file.blob for file in plan.files}
    stem = f"{profile.stream}-{sequence:06}"
    path = out / f"{volume_stem(profile.stream, sequence, 1)}.tar.zst"
    out.mkdir(parents=True, exist_ok=True)
    largest = replace(manifest, contents=inspector.bound(plan.files))
    reserved = _reserve(wanted, largest, outside.authority.head_bounds())
    with (
        program_beside(out, stem),
        _locks_folder(out / f"{stem}.locks", plan.locks) as locks,
        VolumeWriter(path, reserved, observe=outside.observe) as volume,
        ThreadPoolExecutor(1, "proof") as beside,
    ):
        proven = beside.submit(outside.planner.prove, described)
        volume.add(
            wanted,
            lambda blob: downloads.open(blob) if blob in wheels else outside.cache.open(blob),
            downloads.close,
        )
        manifest = _add_contents(manifest, plan, inspector, volume, outside)
        signed = manifest.to_bytes()
        index = volume.finish(
            stream=profile.stream,
            sequence=sequence,
            volume=1,
            volumes=1,
            manifest=_sha256(signed),
            head={name: _sha256(data) for name, data in roots.items()},
        )
        proven.result()
        head = outside.authority.authorise(
            signed, sequence, {index.name: index.to_bytes()}, outside.signers, outside.now
        )
        _remember(outside, sequence, admitted.vouched)
        # First the record, then the name: a crash between them skips a sequence, it never makes
        # two different bundles with the same one.
        outside.authority.record(sequence, signed, head)
        volume.seal({**head, "manifest.json": signed, index.name: index.to_bytes()})
    return Created(
        volume=path,
        locks=locks,
        manifest=manifest,
        index=index,
        files=len(plan.files),
        wheels=sum(file.blob.size for file in plan.files),
    )


def _remember(outside: Outside, sequence: int, vouched: Mapping[str, Vouched]) -> None:
    """Who vouched for what, before this sequence can leave this host."""
    folder = outside.authority.folder
    files = [(each.facts.project, each.facts.sha256, each.verdict) for each in vouched.values()]
    write_formers(folder, remember(read_formers(folder), sequence, files))


def _sweep(out: Path, stream: str) -> None:
    """Remove what a run of this stream that was killed has left in the folder."""
    if not out.exists():
        return
    if not out.is_dir():
        raise BundlerError(f"{out} is not a folder", hint="give a folder with -o")
    leftover = re.compile(
        rf"{stream}-\d{{6,}}\.v\d+\.tar\.zst\.part|\.{stream}-\d{{6,}}\.(locks|verify)\.part"
    )
    for path in out.iterdir():
        if leftover.fullmatch(path.name):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _add_contents(
    manifest: Manifest,
    plan: Plan,
    inspector: WheelInspector,
    volume: VolumeWriter,
    outside: Outside,
) -> Manifest:
    """What was found in the wheels: one more segment, now that all of them were read."""
    documents = inspector.documents(plan.files)
    blobs = {each.project: outside.cache.put(each.to_bytes()) for each in documents}
    if blobs:
        volume.add([(_CONTENTS, sorted(blobs.values()))], outside.cache.open, phase=_CONTENTS)
    return replace(manifest, contents=inspector.summary(documents, blobs))


def _describe(
    profile: Profile,
    source: bytes,
    plan: Plan,
    described: Sequence[ProjectDocument],
    sequence: int,
    outside: Outside,
) -> Manifest:
    """Write the documents into the cache and the manifest over them."""
    return Manifest(
        stream=profile.stream,
        sequence=sequence,
        created=outside.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        tool=TOOL,
        targets=tuple(target.name for target in plan.targets),
        profile=outside.cache.put(source),
        projects={each.name: outside.cache.put(each.to_bytes()) for each in described},
        locks={name: outside.cache.put(data) for name, data in plan.locks.items()},
        trusted_root=outside.cache.put(outside.vouching.root)
        if any(file.provenance for document in described for file in document.files)
        else None,
    )


def _reserve(
    segments: Sequence[tuple[str, Sequence[Blob]]], largest: Manifest, bounds: Mapping[str, int]
) -> int:
    """Room for the head, which is written last and stands first."""
    contents = largest.contents.documents.values() if largest.contents else ()
    return head_reserve(
        [*segments, (_CONTENTS, tuple(contents))],
        {**bounds, "manifest.json": len(largest.to_bytes())},
    )


@contextmanager
def _locks_folder(final: Path, locks: Mapping[str, bytes]) -> Iterator[Path]:
    """Write the locks into a folder that gets its name when all else went well."""
    partial = final.with_name(f".{final.name}.part")
    if final.exists():
        raise BundlerError(f"{final} exists already", hint="give another folder with -o")
    partial.mkdir()
    try:
        for name, data in locks.items():
            (partial / name).write_bytes(data)
        yield final
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sha256(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())
