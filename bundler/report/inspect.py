"""What the head of a bundle says of itself, whoever made it.

The head may come from anyone, so reading it is total: whatever the bytes are, the outcome is an
`Inspection` or a `DamagedError` that names the document. Whether the signatures in it were checked
is for the caller to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from bundler.errors import DamagedError
from bundler.model.amount import counted, human_size
from bundler.model.canonical import Json
from bundler.model.contents import Accepted
from bundler.model.document import Reader
from bundler.model.manifest import Manifest
from bundler.model.volume import VolumeIndex, is_index_name
from bundler.report.text import printable

_METADATA = re.compile(r"metadata/(?:\d+\.)?([a-z0-9-]+)\.json", re.ASCII)
_KEY_ID_SHOWN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedRole:
    """One TUF role as its newest metadata shows it.

    Attributes:
        threshold: How many signatures it needs; None when nothing in the head says.
        signers: The first 16 digits of each key id that signed it.
        expires: UTC, `YYYY-MM-DDThh:mm:ssZ`.
    """

    name: str
    version: int
    threshold: int | None
    signers: tuple[str, ...]
    expires: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedVolume:
    """One volume: how many blobs it carries, and its bytes before and after decompression."""

    number: int
    volumes: int
    blobs: int
    size: int
    unpacked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedProject:
    """A project of the mirror; the versions that these volumes carry, maybe none.

    Attributes:
        sdists: Those of the versions that have a source distribution among their files.
    """

    name: str
    versions: tuple[str, ...]
    sdists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedContents:
    """What is inside the wheels of the whole mirror; see `Contents` for the attributes."""

    natives: int
    covered: int
    sboms: int
    accepted: tuple[Accepted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A bundle's account of itself; `verified` is the caller's."""

    verified: bool
    stream: str
    sequence: int
    created: str
    tool: str
    targets: tuple[str, ...]
    projects: tuple[InspectedProject, ...]
    volumes: tuple[InspectedVolume, ...]
    roles: tuple[InspectedRole, ...]
    contents: InspectedContents | None

    def to_json(self) -> dict[str, Json]:
        """The same as plain values, for `--json`."""
        return {**asdict(self), "format": 1}

    def to_text(self) -> str:
        """For people: aligned columns, without anything that a terminal would obey."""
        blocks = (
            *(_about(self), _roles(self), _volumes(self)),
            *(_accepted(self), _projects(self)),
        )
        return printable("\n\n".join("\n".join(_aligned(block)) for block in blocks if block))


def inspect_head(entries: Mapping[str, bytes], *, verified: bool) -> Inspection:
    """Read the documents of a head by their names.

    Raises:
        DamagedError: if one cannot be read, or they do not belong together.
    """
    manifest = _manifest(entries)
    indexes = [_index(name, entries[name], manifest) for name in entries if is_index_name(name)]
    return Inspection(
        verified=verified,
        stream=manifest.stream,
        sequence=manifest.sequence,
        created=manifest.created,
        tool=manifest.tool,
        targets=manifest.targets,
        projects=tuple(_inspect_projects(manifest, indexes)),
        volumes=tuple(_inspect_volume(index) for index in sorted(indexes, key=_number)),
        roles=tuple(_inspect_roles(entries)),
        contents=_inspect_contents(manifest),
    )


def _manifest(entries: Mapping[str, bytes]) -> Manifest:
    try:
        return Manifest.from_bytes(entries["manifest.json"])
    except KeyError:
        raise DamagedError("the head of the bundle has no manifest.json") from None
    except ValueError as error:
        raise DamagedError(f"manifest.json in the head is not readable: {error}") from error


def _index(name: str, data: bytes, manifest: Manifest) -> VolumeIndex:
    try:
        index = VolumeIndex.from_bytes(data)
    except ValueError as error:
        raise DamagedError(f"{name} in the head is not readable: {error}") from error
    if (index.stream, index.sequence) != (manifest.stream, manifest.sequence):
        raise DamagedError(f"{name} in the head belongs to another bundle")
    return index


def _number(index: VolumeIndex) -> int:
    return index.volume


def _unpacked(index: VolumeIndex) -> int:
    return sum(frame.length for frame in index.frames())


def _inspect_volume(index: VolumeIndex) -> InspectedVolume:
    return InspectedVolume(
        number=index.volume,
        volumes=index.volumes,
        blobs=sum(len(segment.blobs) for segment in index.segments),
        size=index.size,
        unpacked=_unpacked(index),
    )


def _inspect_projects(
    manifest: Manifest, indexes: Iterable[VolumeIndex]
) -> Iterator[InspectedProject]:
    """Versions stand in the labels of the segments: `numpy 2.5.5`, `docopt 0.6.2 sdist`."""
    carried: dict[str, set[str]] = {}
    sdists: dict[str, set[str]] = {}
    for index in indexes:
        for segment in index.segments:
            name, _, label = segment.label.partition(" ")
            version, _, kind = label.partition(" ")
            if version:
                carried.setdefault(name, set()).add(version)
            if kind == "sdist":
                sdists.setdefault(name, set()).add(version)
    for name in sorted(manifest.projects):
        yield InspectedProject(
            name=name,
            versions=tuple(sorted(carried.get(name, ()))),
            sdists=tuple(sorted(sdists.get(name, ()))),
        )


def _inspect_contents(manifest: Manifest) -> InspectedContents | None:
    found = manifest.contents
    if found is None:
        return None
    return InspectedContents(
        natives=found.natives,
        covered=found.covered,
        sboms=found.sboms,
        accepted=found.accepted,
    )


def _inspect_roles(entries: Mapping[str, bytes]) -> Iterator[InspectedRole]:
    newest: dict[str, _Metadata] = {}
    for name, data in entries.items():
        if match := _METADATA.fullmatch(name):
            found, role = _metadata(name, data), match[1]
            if role not in newest or found.version > newest[role].version:
                newest[role] = found
    thresholds = {
        role: threshold
        for metadata in newest.values()
        for role, threshold in metadata.thresholds.items()
    }
    # In the order of a ceremony: what the officers sign first, then what a host signs.
    for role in sorted(newest, key=lambda name: (name not in ("root", "targets"), name)):
        yield InspectedRole(
            name=role,
            version=newest[role].version,
            threshold=thresholds.get(role),
            signers=newest[role].signers,
            expires=newest[role].expires,
        )


@dataclass(frozen=True, slots=True)
class _Metadata:
    version: int
    expires: str
    signers: tuple[str, ...]
    thresholds: Mapping[str, int]


def _metadata(name: str, data: bytes) -> _Metadata:
    """The few values of a TUF document (TUF 1.0 §4.3) that are shown."""
    try:
        value = json.loads(data)
        document = Reader(value, name)
        signed = document.object("signed")
        signatures = [item.text("keyid") for item in document.objects("signatures")]
        return _Metadata(
            version=signed.positive("version"),
            expires=signed.time("expires"),
            signers=tuple(sorted(printable(keyid[:_KEY_ID_SHOWN]) for keyid in signatures)),
            thresholds=dict(_thresholds(signed, delegates="delegations" in value["signed"])),
        )
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{name} in the head is not TUF metadata: {error}") from error


def _thresholds(signed: Reader, *, delegates: bool) -> Iterator[tuple[str, int]]:
    if signed.text("_type") == "root":
        for role, keys in signed.members("roles"):
            yield role, keys.positive("threshold")
    elif delegates:
        for keys in signed.object("delegations").objects("roles"):
            yield keys.text("name"), keys.positive("threshold")


def _about(found: Inspection) -> list[tuple[str, ...]]:
    trust = "verified" if found.verified else "NOT VERIFIED: anyone may have written this"
    first, *more = found.targets or ("none",)
    return [
        ("stream", found.stream),
        ("sequence", str(found.sequence)),
        ("trust", trust),
        ("created", found.created),
        ("tool", found.tool),
        ("targets", first),
        *(("", target) for target in more),
        *([("inside", _inside(found.contents))] if found.contents else []),
    ]


def _inside(contents: InspectedContents) -> str:
    natives, covered = contents.natives, contents.covered
    share = f" ({covered / natives:.0%})" if natives else ""
    return (
        f"{natives} native {'library' if natives == 1 else 'libraries'},"
        f" {covered}{share} covered by embedded SBOMs; {counted(contents.sboms, 'embedded SBOM')}"
    )


def _accepted(found: Inspection) -> list[tuple[str, ...]]:
    """Wheels that break rules, and why they are here."""
    rows = [
        (each.filename, ", ".join(each.rules), each.reason)
        for each in (found.contents.accepted if found.contents else ())
    ]
    return [("accepted wheel", "breaks", "reason"), *rows] if rows else []


def _roles(found: Inspection) -> list[tuple[str, ...]]:
    rows = [
        (
            role.name,
            str(role.version),
            role.expires,
            f"{len(role.signers)}, needs {role.threshold or '?'}",
            ", ".join(role.signers),
        )
        for role in found.roles
    ]
    return [("role", "version", "expires", "signatures", "keys"), *rows] if rows else []


def _volumes(found: Inspection) -> list[tuple[str, ...]]:
    rows = [
        (
            f"{volume.number} of {volume.volumes}",
            str(volume.blobs),
            human_size(volume.size),
            human_size(volume.unpacked),
        )
        for volume in found.volumes
    ]
    return [("volume", "blobs", "packed", "unpacked"), *rows] if rows else []


def _projects(found: Inspection) -> list[tuple[str, ...]]:
    rows = [(project.name, _versions(project)) for project in found.projects]
    return [("project", "versions"), *rows] if rows else []


def _versions(project: InspectedProject) -> str:
    shown = (
        f"{version} (source distribution)" if version in project.sdists else version
        for version in project.versions
    )
    return ", ".join(shown) or "(not in these volumes)"


def _aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Rows of one length, in columns."""
    # One row is one line, so what would break it is gone before widths are taken.
    clean = [[printable(" ".join(cell.split())) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in clean) for column in range(len(clean[0]))]
    for row in clean:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
