"""The mirror's own page: streams, sequences, age, and until when their signatures are good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from bundler.errors import BundlerError
from bundler.mirror.layout import Mirror
from bundler.mirror.web.frame import facts, moment, page, part, table
from bundler.mirror.web.markup import Child, Html, element
from bundler.model.artifact import Blob
from bundler.model.manifest import Manifest
from bundler.trust.gate import load_anchor
from bundler.trust.metadata import latest_root, read_metadata

STATUS: Final = "web/status.html"

_TITLES: Final[Mapping[str, str]] = {
    "timestamp": "A newer bundle is due by",
    "targets": "The officers must sign again by",
    "root": "The officers must renew the root by",
}


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream as it is shown.

    Attributes:
        dates: Until when the metadata of a role is good; empty when that is not known.
    """

    manifest: Manifest
    blob: Blob
    dates: Mapping[str, datetime]


def read_dates(mirror: Mirror, manifest: Manifest) -> dict[str, datetime]:
    """Until when what vouches for a sequence is good, as the gate remembers it.

    Empty while the gate has not yet been told that this sequence is live.
    """
    try:
        anchor = load_anchor(mirror.trust, manifest.stream)
        if anchor.sequence != manifest.sequence:
            return {}
        files = anchor.files
        return {
            "timestamp": min(
                read_metadata("timestamp", files["timestamp.json"], Timestamp).signed.expires,
                read_metadata("snapshot", files["snapshot.json"], Snapshot).signed.expires,
            ),
            "targets": read_metadata("targets", files["targets.json"], Targets).signed.expires,
            "root": read_metadata("root", latest_root(files), Root).signed.expires,
        }
    except (BundlerError, KeyError):  # a page is no place to complain: the next unpack will
        return {}


def streams_table(streams: Sequence[StreamStatus]) -> Html:
    """A row for each stream."""
    columns = ["Stream", "Sequence", "Made", "Projects", _TITLES["timestamp"]]
    return table("Streams in this mirror", columns, map(_row, streams))


def status_page(generation: int, streams: Sequence[StreamStatus]) -> bytes:
    """The whole page."""
    return page(
        "Status",
        "../",
        element("h1", None, "Status of this mirror"),
        facts([("Generation", str(generation)), ("Streams", str(len(streams)))]),
        streams_table(streams),
        element(
            "p",
            {"class": "note"},
            "After such a date packages can still be installed, but nobody vouches any more that"
            " there is nothing newer: a stream whose bundles stay away may be held back.",
        ),
        *(_stream(each) for each in streams),
    )


def _row(status: StreamStatus) -> list[Child]:
    manifest, dates = status.manifest, status.dates
    return [
        manifest.stream,
        str(manifest.sequence),
        moment(manifest.created),
        str(len(manifest.projects)),
        _until(dates["timestamp"]) if "timestamp" in dates else "not known yet",
    ]


def _stream(status: StreamStatus) -> Html:
    manifest, inside = status.manifest, status.manifest.contents
    natives = f"{inside.natives}, {inside.covered} of them covered by an SBOM" if inside else None
    return part(
        f"stream-{manifest.stream}",
        f"Stream {manifest.stream}",
        facts(
            [
                ("Sequence", str(manifest.sequence)),
                ("Made", moment(manifest.created)),
                ("Made by", manifest.tool),
                ("Targets", ", ".join(manifest.targets)),
                ("Projects", str(len(manifest.projects))),
                ("Native libraries", natives),
                ("SBOMs in wheels", str(inside.sboms) if inside else None),
                ("Manifest, sha256", element("code", None, status.blob.sha256)),
                *(
                    (title, _until(status.dates[role]))
                    for role, title in _TITLES.items()
                    if role in status.dates
                ),
            ]
        ),
    )


def _until(time: datetime) -> Html:
    """The script adds how long it still is, and warns."""
    return element("span", {"class": "until"}, moment(f"{time:%Y-%m-%dT%H:%M:%SZ}"))
