"""The pages of a new generation, written into its folder; nothing here makes them live.

A project of which every stream says what it said before has the same pages as before: these are
linked, not written, and nothing of that project is read.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from packaging.utils import NormalizedName

from bundler.disk import make_folder, no_room_explained, set_mode
from bundler.events import Advanced, Finished, Observer, Started
from bundler.mirror.filing import in_threads
from bundler.mirror.generations import Generation
from bundler.mirror.pages import HTML_NAME, JSON_NAME, list_pages, project_pages, read_serials
from bundler.mirror.union import Union, merged
from bundler.mirror.web import record as records
from bundler.mirror.web.readme import Readmes
from bundler.mirror.web.record import Entry, Record
from bundler.mirror.web.write import ProjectPages, other_pages, project_path

_PAGES = "write pages"


def write_pages(
    folder: Path,
    former: Path,
    union: Union,
    generation: Generation,
    record: Record,
    same: Collection[NormalizedName],
    observe: Observer,
) -> None:
    """Write all pages, for installers and for people; the caller makes them safe on disk.

    Args:
        folder: The new generation's.
        former: That of the generation before.
        union: What is shown.
        generation: What it will be.
        record: What the former generation remembers of its pages.
        same: Projects whose pages are as in the former generation; `record` has them.
        observe: Hears about the progress.

    Raises:
        DamagedError, IncompleteError: if a document is not what was signed.
        OSError: if something cannot be written.
    """
    names = union.names()
    observe(Started(_PAGES, len(names), "projects"))
    for inside in ("simple", "web/project"):
        make_folder(folder / inside)
    linked = [name for name in names if name in same and _link(folder, former, name)]
    entries = {name: record.entries[name] for name in linked}
    if linked:
        observe(Advanced(_PAGES, len(linked)))
    with Readmes() as readmes:
        made = ProjectPages(union, readmes, record, first=generation.number == 1)

        def write(name: NormalizedName) -> None:
            page, entries[name] = _write_project(folder, former, name, made, generation.base_url)
            _write(folder / project_path(name), page, former / project_path(name))

        in_threads(
            write,
            [name for name in names if name not in entries],
            lambda: observe(Advanced(_PAGES, 1)),
            # One makes a page while READMEs are rendered; more would only wait for each other.
            threads=readmes.processes + 1,
        )
    in_order = [entries[name] for name in names]
    before = _read_serials(former)
    known = {name: before.get(name, generation.number) for name in linked}
    serials = {name: known.get(name, generation.number) for name in names}
    _write_all(folder / "simple", list_pages(names, serials))
    _write_all(folder, other_pages(union, generation.number, in_order))
    _write_all(folder, {records.NAME: records.to_bytes(in_order)})
    observe(Finished(_PAGES, f"{len(names)} projects"))


def _read_serials(former: Path) -> dict[NormalizedName, int]:
    """In which generation each project's pages were written; nothing where that is not known."""
    try:
        return read_serials((former / "simple" / JSON_NAME).read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write_project(
    folder: Path, former: Path, name: NormalizedName, made: ProjectPages, base_url: str | None
) -> tuple[bytes, Entry]:
    documents = list(made.union.documents(name))
    project = merged(documents)
    simple = folder / "simple" / name
    make_folder(simple)
    for filename, data in project_pages(project, base_url).items():
        _write(simple / filename, data, former / "simple" / name / filename)
    return made.make(name, dict(documents), project)


def _link(folder: Path, former: Path, name: NormalizedName) -> bool:
    """Take a project's pages from the former generation; False where that is not possible."""
    simple = f"simple/{name}"
    pages = (f"{simple}/{HTML_NAME}", f"{simple}/{JSON_NAME}", project_path(name))
    # Plain strings: paths as objects would take most of the time of ten thousand projects.
    inside = f"{folder}/{simple}"
    try:
        os.mkdir(inside)  # noqa: PTH102 - as above
        os.chmod(inside, 0o755)  # noqa: PTH101, S103 - as above; web servers read it
        for page in pages:
            os.link(f"{former}/{page}", f"{folder}/{page}")
    except OSError:  # one is lost, or not every filesystem has links, or one more of them
        for page in pages:
            (folder / page).unlink(missing_ok=True)
        return False
    return True


def _write_all(folder: Path, pages: Mapping[str, bytes]) -> None:
    for path, data in pages.items():
        _write(folder / path, data)


def _write(path: Path, data: bytes, former: Path | None = None) -> None:
    """Write a new file; one that is as it was before is only linked."""
    if former is not None and former.is_file() and former.read_bytes() == data:
        with suppress(OSError):
            os.link(former, path)
            return
    with no_room_explained(path.parent, len(data)), path.open("xb") as file:
        file.write(data)
        set_mode(file, 0o644)
