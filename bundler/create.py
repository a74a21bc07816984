"""OUTSIDE, one line per step: profile → plan → manifest → fetch → check → pack → prove → sign.

The plan knows digest, size and METADATA of every wheel before any is fetched, so the manifest comes
first. Fetching begins while targets are still being solved, and packing takes the wheels in the
order of the plan and waits for each until it is there and was checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from securesystemslib.signer import Signer

from bundler import __version__
from bundler.archive.store import BlobStore
from bundler.errors import IncompleteError
from bundler.events import Noticed, Observer
from bundler.model.artifact import RemoteFile
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument
from bundler.model.plan import Plan, PlannedFile
from bundler.model.profile import Profile
from bundler.packing import Blobs, Created, Described, Packer, pack, sweep
from bundler.resolve.index import Index
from bundler.resolve.lock import Locks, locked_urls
from bundler.resolve.plan import find_resolution, plan_of
from bundler.resolve.proof import BundledIndex, prove_closure
from bundler.resolve.request import Request
from bundler.staging import Approved, Staged, stage
from bundler.trust.authority import Authority
from bundler.upstream.download import Downloader
from bundler.upstream.transport import Transport
from bundler.wheel.check import check_file

TOOL = f"bundler {__version__}"

_SOON = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What `create` works with: the seams, all built by the command line.

    Attributes:
        request: What the profile asks for, its files read.
        locks: To take exactly what they have; None to resolve.
        cache: Where downloaded blobs are kept from one run to the next.
    """

    index: Index
    request: Request
    locks: Locks | None
    transport: Transport
    cache: BlobStore
    authority: Authority
    signers: Sequence[Signer]
    now: datetime
    observe: Observer


def create(profile: Profile, source: bytes, out: Path, outside: Outside) -> Created | Staged:
    """Make the next sequence of the profile's stream in the folder `out`.

    Where too few officers' keys are at hand, it is staged for the others to sign.

    Args:
        profile: What is wanted.
        source: The profile's text as its author wrote it; it travels along.
        out: Made when absent; holds the volume and a folder of locks afterwards.
        outside: The seams.

    Raises:
        BundlerError: of every kind; nothing is left in `out` then.
    """
    authorised = outside.authority.check_signers(outside.signers, outside.now)
    _remind_of_the_root(outside)
    sweep(out, profile.stream)
    with Downloader(
        outside.transport, outside.cache, check=_check_download, observer=outside.observe
    ) as downloads:
        resolution = find_resolution(
            outside.request, outside.locks, outside.index, outside.observe, downloads.begin
        )
        plan = plan_of(resolution, TOOL, outside.observe)
        outside.index.close()
        downloads.start(plan.files)
        documents = list(_documents(plan))
        manifest = _describe(profile, source, plan, documents, outside)
        described = Described(manifest=manifest, documents=documents, locks=plan.locks)
        packer = Packer(
            authority=outside.authority,
            signers=outside.signers,
            now=outside.now,
            observe=outside.observe,
        )
        with ThreadPoolExecutor(1, "proof") as beside:
            bundled = BundledIndex(documents, plan.metadata)
            proven = beside.submit(prove_closure, resolution, bundled)
            if authorised:
                blobs = _blobs(described, downloads, outside.cache)
                return pack(described, blobs, out, packer, before_signing=proven.result)
            for file in plan.files:
                downloads.path(file.blob)
            proven.result()
        return stage(described, outside.cache, out, packer)


def resume(approved: Approved, out: Path, transport: Transport, cache: BlobStore) -> Created:
    """Pack what was staged, now that enough officers have signed it.

    What the cache has lost is fetched again from where the locks say.

    Raises:
        BundlerError: of every kind; nothing is left in `out` then.
    """
    described, packer = approved.described, approved.packer
    sweep(out, described.manifest.stream)
    for data in approved.documents:
        cache.put(data)
    files = list(_planned_again(described, cache))
    with Downloader(transport, cache, check=_check_download, observer=packer.observe) as downloads:
        downloads.start(files)
        blobs = _blobs(described, downloads, cache)
        return pack(described, blobs, out, packer, targets=approved.word)


def _blobs(described: Described, downloads: Downloader, cache: BlobStore) -> Blobs:
    """Files as they come, documents from the cache."""
    files = {file.blob for file in described.files()}
    return Blobs(
        open=lambda blob: downloads.open(blob) if blob in files else cache.open(blob),
        give_up=downloads.close,
    )


def _planned_again(described: Described, cache: BlobStore) -> Iterator[PlannedFile]:
    """What was planned when it was staged, in the order of the plan."""
    urls = {
        filename: url
        for name, data in described.locks.items()
        for filename, url in locked_urls(data, name).items()
    }
    for project, version, file in (
        (project, version, file)
        for project, version, files in described.releases()
        for file in files
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


def _check_download(file: PlannedFile, path: Path) -> None:
    """A file counts as fetched when it is also what it was planned as."""
    with path.open("rb") as opened:
        check_file(opened, file.remote.filename, file.metadata)


def _describe(
    profile: Profile,
    source: bytes,
    plan: Plan,
    documents: Sequence[ProjectDocument],
    outside: Outside,
) -> Manifest:
    """Write the documents into the cache and the manifest over them."""
    return Manifest(
        stream=profile.stream,
        sequence=outside.authority.next_sequence,
        created=outside.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        tool=TOOL,
        targets=tuple(target.name for target in plan.targets),
        profile=outside.cache.put(source),
        projects={each.name: outside.cache.put(each.to_bytes()) for each in documents},
        locks={name: outside.cache.put(data) for name, data in plan.locks.items()},
    )


def _documents(plan: Plan) -> Iterator[ProjectDocument]:
    for project, files in groupby(plan.files, key=lambda file: file.project):
        yield _project_document(project, tuple(files), plan)


def _project_document(
    project: NormalizedName, files: Sequence[PlannedFile], plan: Plan
) -> ProjectDocument:
    status, reason = plan.statuses.get(project, ("active", None))
    listed = (
        BundledFile(
            filename=file.remote.filename,
            blob=file.blob,
            metadata=file.metadata,
            index=file.index,
            targets=file.targets,
            required_by=file.required_by,
            requires_python=str(file.requires_python) or None,
            upload_time=file.remote.upload_time,
            yanked=file.remote.yanked,
        )
        for file in files
    )
    return ProjectDocument(
        name=project,
        files=tuple(sorted(listed, key=lambda file: file.filename)),
        status=status,
        status_reason=reason,
    )
