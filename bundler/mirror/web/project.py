"""The page of one project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from packaging.version import Version

from bundler.mirror.pages import file_url
from bundler.mirror.web.frame import facts, listed, moment, page, part, table
from bundler.mirror.web.inside import inside
from bundler.mirror.web.markup import Child, Html, element, joined, outward
from bundler.mirror.web.view import View, file_key
from bundler.model.amount import counted, human_size
from bundler.model.artifact import is_sdist
from bundler.model.manifest import BundledFile
from bundler.model.publisher import Identity
from bundler.model.verdict import Verdict

ROOT = "../../"
"""From a project's page to the mirror's root."""

_PROFILE = "profile"


def project_page(view: View) -> bytes:
    """The whole page."""
    name = view.project.name
    version, files = view.newest
    return page(
        name,
        ROOT,
        element("h1", None, name, " ", element("span", {"class": "version"}, str(version))),
        element("p", {"class": "summary"}, view.about.summary) if view.about.summary else "",
        *_warnings(view, files),
        _badge(view, files),
        _facts(view),
        part("install", "Install it", *_install(name, version, files)),
        part("versions", "Versions and targets", _matrix(view)),
        part("why", "Why it is here", *_why(view)),
        part("files", "Files", _files(view), *_yanked(view)),
        *([part("inside", "Inside the wheels", *found)] if (found := inside(view)) else []),
        part("arrived", "What came with which sequence", *_arrived(view)),
        *([_readme(view.readme)] if view.readme is not None else []),
    )


def _warnings(view: View, files: Sequence[BundledFile]) -> Iterator[Html]:
    project = view.project
    if project.status != "active":
        reason = f": {project.status_reason}" if project.status_reason else ""
        text = f"The index calls this project {project.status}{reason}"
        yield element("p", {"class": "warning"}, text)
    if all(file.yanked is not None for file in files):
        yield element("p", {"class": "warning"}, "Every release here was yanked by its authors.")


def _badge(view: View, files: Sequence[BundledFile]) -> Html:
    """Who built the newest release, as far as that was proven."""
    verdicts = [file.verdict for file in files]
    proven = [(each, each.identity) for each in verdicts if each.identity is not None]
    if not proven:
        text = f"Nobody has attested where {view.newest[0]} comes from."
        return element("p", {"class": "badge"}, "Not attested. ", text)
    distinct = {str(identity): (verdict, identity) for verdict, identity in proven}
    word = "Verified" if len(proven) == len(files) else "In part verified"
    count = f"{len(proven)} of {counted(len(files), 'file')} of {view.newest[0]} attested"
    return element(
        "div",
        {"class": "badge verified" if word == "Verified" else "badge"},
        element("p", None, element("strong", None, word), ": ", count),
        *(_identity(*each) for each in distinct.values()),
        facts([("Source commit", element("code", None, view.commit) if view.commit else None)]),
    )


def _identity(verdict: Verdict, identity: Identity) -> Html:
    who = identity.publisher
    words = [(name.replace("-", " ").capitalize(), word) for name, word in who.words]
    return facts(
        [
            ("Built by", who.kind),
            *words,
            ("Certificate for", element("code", None, identity.subject)),
            ("Signed", moment(verdict.signed) if verdict.signed else None),
            ("Log entry", None if verdict.log_index is None else str(verdict.log_index)),
        ]
    )


def _facts(view: View) -> Html:
    about = view.about
    links = listed(outward(url, label) for label, url in about.links) if about.links else None
    needs = listed(element("code", None, each) for each in about.requires)
    pythons = {file.requires_python for file in view.newest[1]} - {None}
    return facts(
        [
            ("Licence", about.licence),
            ("Author", about.author),
            ("Keywords", about.keywords),
            ("Python", ", ".join(sorted(each for each in pythons if each))),
            ("Links", links),
            ("Needs", needs if about.requires else None),
        ]
    )


def _install(name: str, version: Version, files: Sequence[BundledFile]) -> Iterator[Html]:
    """Lines to copy; the script adds where the mirror is."""
    lines = [
        ("pip", f"python -m pip install {name}=={version}"),
        ("uv", f"uv pip install {name}=={version}"),
        (
            "A line of requirements.txt, with hashes",
            " \\\n    ".join(
                [f"{name}=={version}", *(f"--hash=sha256:{file.blob.sha256}" for file in files)]
            ),
        ),
    ]
    for title, text in lines:
        kind = "command" if "install" in text else None
        yield element("h3", None, title)
        yield element(
            "div",
            {"class": "copied"},
            element("pre", {"tabindex": "0"}, element("code", {"data-copy": kind or "text"}, text)),
        )
    yield element(
        "p",
        {"class": "note"},
        "This needs a client that knows this mirror: ",
        element("code", None, "bundle client-config"),
        " prints its settings.",
    )


def _matrix(view: View) -> Html:
    targets = sorted(frozenset().union(*view.targets.values()))
    rows = [_version_row(view, targets, *release) for release in view.releases]
    return table("Files of each version for each target", ["Version", *targets], rows)


def _version_row(
    view: View, targets: Sequence[str], version: Version, files: Sequence[BundledFile]
) -> list[Child]:
    yanked = all(file.yanked is not None for file in files)
    cells: list[Child] = [f"{version} (yanked)" if yanked else str(version)]
    for target in targets:
        found = [file for file in files if target in view.targets[file.filename]]
        cells.append(joined(map(_cell, found), " ") if found else "-")
    return cells


def _cell(file: BundledFile) -> Html:
    word = "source" if is_sdist(file.filename) else "wheel"
    attributes = {"href": file_url(file), "aria-label": f"{word} {file.filename}"}
    return element("a", attributes, word)


def _why(view: View) -> Iterator[Html]:
    for stream, document in view.streams.items():
        askers = sorted({asker for file in document.files for asker in file.required_by})
        asked: list[Child] = []
        if _PROFILE in askers:
            asked.append(
                joined(["The profile of ", element("strong", None, stream), " asks for it"])
            )
        asked += [
            joined(
                [
                    element("a", {"href": f"{asker}.html"}, asker),
                    " needs it, in ",
                    element("strong", None, stream),
                ]
            )
            for asker in askers
            if asker != _PROFILE
        ]
        yield listed(asked)


def _files(view: View) -> Html:
    columns = ["File", "Size", "Built for", "From", "Uploaded", "Attested", "sha256"]
    rows = (_file_row(view, file) for _version, files in view.releases for file in files)
    return table("All files", columns, rows)


def _file_row(view: View, file: BundledFile) -> list[Child]:
    source = f"{file.index}, passed through" if file.passed_through else file.index
    return [
        element("a", {"href": file_url(file)}, file.filename),
        human_size(file.blob.size),
        ", ".join(sorted(view.targets[file.filename])),
        source,
        (file.upload_time or "-")[:10],
        _attested(file.verdict),
        element("code", None, file.blob.sha256),
    ]


def _attested(verdict: Verdict) -> str:
    return "no" if verdict.identity is None else f"by {verdict.identity.publisher}"


def _yanked(view: View) -> Iterator[Html]:
    reasons = [
        joined([element("code", None, file.filename), ": ", file.yanked or "no reason was given"])
        for file in view.project.files
        if file.yanked is not None
    ]
    if reasons:
        yield element("h3", None, "Yanked")
        yield listed(reasons)


def _arrived(view: View) -> Iterator[Html]:
    for stream, document in view.streams.items():
        known = view.arrivals.get(stream, {})
        came: defaultdict[int, list[BundledFile]] = defaultdict(list)
        for file in document.files:
            came[known.get(file_key(file), 0)].append(file)
        yield table(
            f"Files from the stream {stream}",
            ["Sequence", "Files"],
            (
                [str(sequence) if sequence else "not known", listed(f.filename for f in files)]
                for sequence, files in sorted(came.items(), reverse=True)
            ),
        )


def _readme(readme: Html) -> Html:
    words = element(
        "p", {"class": "note"}, "Written by the project's authors. Images are left out."
    )
    return part(
        "readme", "What it says of itself", words, element("div", {"class": "readme"}, readme)
    )
