"""Native libraries and SBOMs on a project's page, as the signed documents state them."""

from __future__ import annotations

from collections.abc import Iterator

from bundler.mirror.web.frame import listed, table
from bundler.mirror.web.markup import Child, Html, element, joined
from bundler.mirror.web.view import View
from bundler.model.amount import counted, human_size
from bundler.model.contents import Native, WheelContents
from bundler.model.manifest import BundledFile

MOST = 500
"""So many libraries are listed of one wheel, and so many on the whole page."""


def inside(view: View) -> list[Html]:
    """A folded part for each wheel with something of note, the newest release first."""
    left = MOST
    found = []
    for _version, files in view.releases:
        for file in files:
            if contents := view.contents.get(file.blob.sha256):
                found.append(_wheel(file, contents, left))
                left = max(0, left - len(contents.natives))
    return found


def _wheel(file: BundledFile, contents: WheelContents, most: int) -> Html:
    natives, sboms = contents.natives, contents.sboms
    covered = sum(native.sbom is not None for native in natives)
    parts = []
    if natives:
        parts.append(f"{_libraries(len(natives))}, {covered} covered by an SBOM")
    if sboms:
        parts.append(counted(len(sboms), "SBOM"))
    return element(
        "details",
        None,
        element("summary", None, file.filename, ": ", "; ".join(parts)),
        *_listed(file, contents, most),
    )


def _listed(file: BundledFile, contents: WheelContents, most: int) -> Iterator[Html]:
    if contents.sboms:
        yield listed(
            joined([element("code", None, sbom.path), f", {human_size(sbom.blob.size)}"])
            for sbom in contents.sboms
        )
    shown = contents.natives[:most]
    if shown:
        columns = ["Path", "Kind", "Machine", "Needs", "SBOM"]
        yield table(f"Native libraries in {file.filename}", columns, map(_row, shown))
    if left := len(contents.natives) - len(shown):
        more = "One more native library is" if left == 1 else f"{left} more native libraries are"
        yield element("p", {"class": "note"}, f"{more} not listed here.")


def _row(native: Native) -> list[Child]:
    return [
        element("code", None, native.path),
        f"{native.role} ({native.format})",
        ", ".join(native.architectures) or "not known",
        ", ".join(native.needed) or "-",
        element("code", None, native.sbom) if native.sbom else "none",
    ]


def _libraries(number: int) -> str:
    return "1 native library" if number == 1 else f"{number} native libraries"
