"""The pages for people of one generation, written into its folder: `index.html` and `web/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from packaging.utils import NormalizedName

from bundler.disk import atomic_write, read_at_most, sweep_folder
from bundler.events import Noticed, Observer
from bundler.mirror.generations import folder_of, live
from bundler.mirror.layout import Mirror, metadata_path
from bundler.mirror.union import Union, read_contents, union_of
from bundler.mirror.web.about import About, read_about
from bundler.mirror.web.front import front_pages
from bundler.mirror.web.project import project_page
from bundler.mirror.web.readme import Readmes
from bundler.mirror.web.record import Entry, Record, read_record
from bundler.mirror.web.source import source_commit
from bundler.mirror.web.status import STATUS, StreamStatus, read_dates, status_page
from bundler.mirror.web.view import Arrivals, View, file_key, newest, releases, targets
from bundler.model.artifact import Sha256, is_sdist
from bundler.model.contents import WheelContents
from bundler.model.manifest import BundledFile, ProjectDocument
from bundler.model.verdict import Outcome
from bundler.wheel.metadata import MAX_METADATA
from bundler.wheel.sdist import SdistError, read_sdist

ASSETS = ("style.css", "page.js", "search.js")


def project_path(name: NormalizedName) -> str:
    """A project's page, from the generation's folder."""
    return f"web/project/{name}.html"


@dataclass(frozen=True, slots=True)
class ProjectPages:
    """Makes the pages of single projects; for several threads.

    Attributes:
        record: What the former generation remembers.
        first: Whether there is no former generation.
    """

    union: Union
    readmes: Readmes
    record: Record
    first: bool

    def make(
        self,
        name: NormalizedName,
        documents: Mapping[str, ProjectDocument],
        project: ProjectDocument,
    ) -> tuple[bytes, Entry]:
        """A project's page, and what is remembered of it.

        Args:
            name: The project.
            documents: What each stream says of it.
            project: All of it together.
        """
        mirror = self.union.mirror
        ordered = releases(project.files)
        version, files = newest(ordered)
        about = _about(mirror, files)
        arrivals = dict(self._arrivals(name, documents))
        view = View(
            project=project,
            releases=ordered,
            newest=(version, files),
            streams=documents,
            targets=targets(documents.values()),
            contents=self._contents(name),
            about=about,
            readme=self.readmes.render(about.kind, about.readme) if about.readme else None,
            commit=_commit(mirror, files),
            arrivals=arrivals,
        )
        entry = Entry(
            name=name,
            version=str(version),
            summary=about.summary,
            attested=all(file.verdict.outcome is Outcome.VERIFIED for file in files),
            files={stream: len(document.files) for stream, document in documents.items()},
            arrivals=arrivals,
        )
        return project_page(view), entry

    def _arrivals(
        self, name: NormalizedName, documents: Mapping[str, ProjectDocument]
    ) -> Iterator[tuple[str, Arrivals]]:
        before = self.record.entries.get(name)
        for manifest in self.union.manifests:
            if manifest.stream in documents:
                known = before.arrivals.get(manifest.stream, {}) if before else {}
                new = manifest.sequence if self.first or self.record.known else 0
                files = documents[manifest.stream].files
                keys = map(file_key, files)
                yield manifest.stream, {key: known.get(key, new) for key in keys}

    def _contents(self, name: NormalizedName) -> Mapping[Sha256, WheelContents]:
        found: dict[Sha256, WheelContents] = {}
        for manifest in self.union.manifests:
            found |= read_contents(self.union.mirror, manifest, name) or {}
        return found


def other_pages(union: Union, number: int, entries: Sequence[Entry]) -> dict[str, bytes]:
    """All pages but those of single projects, and assets, by their path in the generation."""
    streams = [
        StreamStatus(manifest, blob, read_dates(union.mirror, manifest))
        for manifest, blob in union.shown()
    ]
    assets = resources.files(__package__) / "assets"
    return {
        **front_pages(entries, streams),
        STATUS: status_page(number, streams),
        **{f"web/{name}": (assets / name).read_bytes() for name in ASSETS},
    }


def renew_pages(mirror: Mirror) -> None:
    """Show until when signatures are good, once the gate has been told; the caller holds the lock.

    Only pages that would look otherwise are written, each by a rename.

    Raises:
        BundlerError: if one cannot be written, or what is live is not known.
    """
    shown = live(mirror)
    if shown is None:
        return
    folder = folder_of(mirror, shown.number)
    record = read_record(folder)
    if not record.current:
        return  # written by another version of this program: they stay together
    pages = other_pages(union_of(mirror, shown), shown.number, list(record.entries.values()))
    written = {(folder / path).parent for path in pages}
    sweep_folder(folder, but=[each for each in folder.iterdir() if each not in written])
    for path, data in pages.items():
        page = folder / path
        if not page.is_file() or page.read_bytes() != data:
            atomic_write(page, data)


def link_pages(mirror: Mirror, observe: Observer) -> None:
    """Make `MIRROR/index.html` and `MIRROR/web` lead to the live generation, for good.

    They go by way of `simple`, the one link that is ever renamed: so all change at once. What
    somebody else has put there stays: installers do not need these pages.
    """
    for path, target in ((mirror.front, "simple/../index.html"), (mirror.web, "simple/../web")):
        if path.is_symlink() and str(path.readlink()) == target:
            continue
        try:
            path.symlink_to(target)
        except FileExistsError:
            text = "is not the link that this program makes, so pages for people are not seen there"
            observe(Noticed(f"{path} {text}"))


def _about(mirror: Mirror, files: Sequence[BundledFile]) -> About:
    """From a wheel, if there is one: its METADATA lies beside it."""
    file = min(files, key=lambda file: (is_sdist(file.filename), file.filename))
    path = mirror.file_path(file)
    try:
        if is_sdist(file.filename):
            with path.open("rb") as sdist:
                return read_about(read_sdist(sdist, file.filename).metadata)
        return read_about(read_at_most(metadata_path(path), MAX_METADATA))
    except (OSError, SdistError):  # a page that says less is no reason not to publish
        return About()


def _commit(mirror: Mirror, files: Sequence[BundledFile]) -> str | None:
    for file in files:
        if file.provenance is not None and file.verdict.outcome is Outcome.VERIFIED:
            data = mirror.store.read(file.provenance, file.provenance.size)
            return source_commit(data, file.verdict)
    return None
