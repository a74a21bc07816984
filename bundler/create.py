"""OUTSIDE, one line per step: profile → plan → vouch → fetch → check → pack → prove → sign.

The plan knows digest, size and METADATA of every wheel before any is fetched, so the documents come
first. Fetching begins while targets are still being solved, and packing takes the wheels in the
order of the plan and waits for each until it is there and was checked. What is inside of them is
known last, and ends the manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from packaging.specifiers import SpecifierSet
from securesystemslib.signer import Signer

from bundler import TOOL, describe
from bundler.archive.store import BlobStore
from bundler.describe import Admitted
from bundler.disk import require_rooms
from bundler.errors import IncompleteError
from bundler.events import Noticed, Observer
from bundler.model.artifact import Blob, RemoteFile
from bundler.model.manifest import Manifest, ProjectDocument
from bundler.model.plan import PlannedFile
from bundler.model.profile import Profile
from bundler.packable import Blobs, Described, Shape
from bundler.packing import Created, Packer, pack, sweep
from bundler.records import documents_of
from bundler.resolve.lock import locked_urls
from bundler.resolve.planner import Planner
from bundler.second_opinion.beside import check_place
from bundler.staging import Approved, Staged, stage
from bundler.trust.authority import Authority
from bundler.trust.former import read_formers
from bundler.trust.policy import check
from bundler.upstream.download import Downloader
from bundler.upstream.transport import Transport
from bundler.upstream.vouching import Vouching
from bundler.wheel.findings import Findings, Kept
from bundler.wheel.inspector import WheelInspector
from bundler.wheel.look import Look

_SOON = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What `create` works with: the seams, all built by the command line.

    Attributes:
        cache: Where downloaded blobs are kept from one run to the next.
        vouching: Fetches attestations, and judges by them.
        look: Looks into wheels.
        found: Where it is kept what is inside wheels that were good.
    """

    planner: Planner
    transport: Transport
    cache: BlobStore
    vouching: Vouching
    look: Look
    found: Kept
    authority: Authority
    signers: Sequence[Signer]
    now: datetime
    observe: Observer


def create(
    profile: Profile,
    source: bytes,
    out: Path,
    outside: Outside,
    shape: Shape = Shape(),  # noqa: B008 - frozen
) -> Created | Staged:
    """Make the next sequence of the profile's stream in the folder `out`.

    Where too few officers' keys are at hand, it is staged for the others to sign.

    Args:
        profile: What is wanted.
        source: The profile's text as its author wrote it; it travels along.
        out: Made when absent; holds the volume and a folder of locks afterwards.
        outside: The seams.
        shape: How the volumes shall be.

    Raises:
        BundlerError: of every kind; nothing is left in `out` then.
    """
    authorised = outside.authority.check_signers(outside.signers, outside.now)
    _remind_of_the_root(outside)
    sweep(out, profile.stream)
    check_place(out)
    inspector = WheelInspector(profile.accepted(), outside.look, Findings(outside.found))
    with (
        Downloader(
            outside.transport, outside.cache, check=inspector.check, observer=outside.observe
        ) as downloads,
        ThreadPoolExecutor(1, "proof") as beside,
    ):
        plan = outside.planner.plan(downloads.begin)
        _require_room(plan.files, outside.cache, out, shape)
        downloads.start(plan.files)
        vouched = outside.vouching.vouch(plan, outside.cache, outside.observe)
        files = [(each.facts, each.verdict) for each in vouched.values()]
        check(files, read_formers(outside.authority.folder), outside.vouching.rules)
        described = _describe(profile, source, Admitted(plan, vouched), outside)
        proven = beside.submit(outside.planner.prove, described.documents)
        packer = Packer(
            authority=outside.authority,
            signers=outside.signers,
            now=outside.now,
            observe=outside.observe,
        )
        inside = _Inside(inspector, downloads, plan.files, outside.cache)
        if authorised:
            blobs = _blobs(described, downloads, lambda _blob: outside.cache)
            return pack(
                described, blobs, out, packer, inside, shape=shape, before_signing=proven.result
            )
        for file in plan.files:
            downloads.path(file.blob)
        proven.result()
        complete = replace(described, manifest=inside.complete(described.manifest))
        return stage(complete, outside.cache, out, packer)


def _require_room(files: Sequence[PlannedFile], cache: BlobStore, out: Path, shape: Shape) -> None:
    """See early that what is fetched fits into the cache, and what is packed into `out`.

    Raises:
        NoRoomError: if it does not.
    """
    missing = sum(file.blob.size for file in files if not cache.has(file.blob))
    packed = sum(file.blob.size for file in files if shape.wanted(file.blob))
    require_rooms([(cache.root, missing), (out, packed + shape.parity_need(packed))])


def resume(
    approved: Approved,
    out: Path,
    transport: Transport,
    cache: BlobStore,
    shape: Shape = Shape(),  # noqa: B008 - frozen
) -> Created:
    """Pack what was staged, now that enough officers have signed it.

    What the cache has lost is fetched again, as by `repack`; it was checked when it was staged.

    Raises:
        BundlerError: of every kind; nothing is left in `out` then.
    """
    for data in approved.documents:
        cache.put(data)
    source = Source(transport, cache)
    return repack(
        approved.described, source, out, approved.packer, shape=shape, targets=approved.word
    )


@dataclass(frozen=True, slots=True)
class Source:
    """Where wheels that were planned before are: in the cache, or still on their indexes."""

    transport: Transport
    cache: BlobStore


def repack(
    described: Described,
    source: Source,
    out: Path,
    packer: Packer,
    *,
    shape: Shape,
    targets: bytes | None = None,
) -> Created:
    """Pack what was described before; for the last sequence, no officer is needed.

    What the cache has lost is fetched again from where the locks say, by the digests that officers
    signed; documents are in the stream's folder.

    Raises:
        BundlerError: of every kind; nothing is left in `out` then.
    """
    cache = source.cache
    sweep(out, described.manifest.stream)
    check_place(out)
    files = list(_planned_again(described, cache, shape))
    kept = documents_of(packer.authority)
    with Downloader(source.transport, cache, observer=packer.observe) as downloads:
        downloads.start(files)
        blobs = _blobs(described, downloads, lambda blob: cache if cache.has(blob) else kept)
        return pack(described, blobs, out, packer, shape=shape, targets=targets)


@dataclass(frozen=True, slots=True)
class _Inside:
    """What is inside of the wheels, for the manifest; implements `bundler.packing.Ending`."""

    inspector: WheelInspector
    downloads: Downloader
    files: Sequence[PlannedFile]
    cache: BlobStore

    def largest(self, manifest: Manifest) -> Manifest:
        """See `Ending`."""
        return replace(manifest, contents=self.inspector.bound(self.files))

    def complete(self, manifest: Manifest) -> Manifest:
        """See `Ending`."""
        for file in self.files:  # a delta does not pack them all
            self.downloads.path(file.blob)
        found = self.inspector.documents(self.files)
        blobs = {each.project: self.cache.put(each.to_bytes()) for each in found}
        return replace(manifest, contents=self.inspector.summary(found, blobs))


def _blobs(
    described: Described, downloads: Downloader, documents: Callable[[Blob], BlobStore]
) -> Blobs:
    """Files as they come, documents from where each is."""
    files = {file.blob for file in described.files()}
    return Blobs(
        open=lambda blob: downloads.open(blob) if blob in files else documents(blob).open(blob),
        give_up=downloads.close,
    )


def _planned_again(described: Described, cache: BlobStore, shape: Shape) -> Iterator[PlannedFile]:
    """What was planned then, in the order of the plan, if it is to be packed."""
    urls = {
        filename: url
        for name, data in described.locks.items()
        for filename, url in locked_urls(data, name).items()
    }
    for project, version, file in (
        (project, version, file)
        for project, version, files in described.releases()
        for file in files
        if shape.wanted(file.blob)
    ):
        if file.filename not in urls and not cache.has(file.blob):
            raise IncompleteError(
                f"{file.filename} is not in the cache any more, and no lock says where it is",
                hint="run `bundle create` again, and have it signed again",
            )
        yield PlannedFile(
            project=project,
            version=version,
            remote=RemoteFile(
                filename=file.filename, url=urls.get(file.filename, ""), sha256=file.blob.sha256
            ),
            blob=file.blob,
            metadata=file.metadata,
            requires_python=SpecifierSet(),
            index=file.index,
            targets=file.targets,
            required_by=file.required_by,
        )


def _remind_of_the_root(outside: Outside) -> None:
    """Its officers may need weeks to come together."""
    expires = outside.authority.root.expires
    if expires - outside.now < _SOON:
        stream = outside.authority.stream
        outside.observe(
            Noticed(
                f"the root of {stream} expires on {expires:%Y-%m-%d}; renew it in time:"
                f" bundle trust rotate {stream}"
            )
        )


def _describe(profile: Profile, source: bytes, admitted: Admitted, outside: Outside) -> Described:
    """Write the documents into the cache and the manifest over them."""
    plan, cache, found = admitted.plan, outside.cache, list(describe.documents(admitted))
    manifest = Manifest(
        stream=profile.stream,
        sequence=outside.authority.next_sequence,
        created=outside.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        tool=TOOL,
        targets=tuple(target.name for target in plan.targets),
        profile=cache.put(source),
        projects={each.name: cache.put(each.to_bytes()) for each in found},
        locks={name: cache.put(data) for name, data in plan.locks.items()},
        trusted_root=cache.put(outside.vouching.root) if _is_attested(found) else None,
    )
    return Described(manifest=manifest, documents=found, locks=plan.locks)


def _is_attested(found: Sequence[ProjectDocument]) -> bool:
    return any(file.provenance for document in found for file in document.files)
