"""A sheet of labels for the media of a set: one page of HTML to print, cut and stick on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from html import escape

from bundler.model.amount import human_size
from bundler.model.volume import VolumeIndex
from bundler.model.volume_set import VolumeSet

_STYLE = (
    "body{font:12pt sans-serif;margin:1cm}"
    "ul{list-style:none;margin:0;padding:0;display:grid;grid-template-columns:1fr 1fr;gap:0}"
    "li{border:1px dashed #888;padding:5mm;break-inside:avoid}"
    "b{font-size:16pt}code{font-size:13pt}p{margin:1mm 0}"
)


def short_digest(index: VolumeIndex) -> str:
    """Sixteen digits of the digest of a volume's index, in groups: what stands on its label."""
    digits = hashlib.sha256(index.to_bytes()).hexdigest()[:16]
    return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


def label_sheet(volumes: VolumeSet, indexes: Sequence[VolumeIndex], created: str) -> bytes:
    """The sheet: name, sequence, number, size and short digest of each volume.

    `created` is the manifest's time.
    """
    labels = "".join(_label(volumes, index, created) for index in indexes)
    title = escape(volumes.label)
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        "<p>The digest is that of the volume's signed index; <code>bundle inspect</code> shows it."
        f"</p><ul>{labels}</ul></body></html>\n"
    )
    return page.encode()


def _label(volumes: VolumeSet, index: VolumeIndex, created: str) -> str:
    parity = volumes.volumes[index.volume - 1].parity
    kinds = {
        "full": "complete",
        "delta": f"on sequence {volumes.base.sequence if volumes.base else 0}",
        "resend": "sent again",
    }
    return (
        f"<li><p><b>{escape(volumes.stream)}</b> sequence {volumes.sequence}</p>"
        f"<p><b>volume {index.volume} of {index.volumes}</b>{' (parity)' if parity else ''}</p>"
        f"<p>{kinds[volumes.kind]}, {human_size(index.size)}, {escape(created[:10])}</p>"
        f"<p><code>{short_digest(index)}</code></p></li>"
    )
