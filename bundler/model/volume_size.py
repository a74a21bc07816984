"""The size of a volume: of a medium by its name, or a decimal number of bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping

_FILESYSTEM = 10_000_000
"""Bytes that a medium keeps for its file system, and for what lies beside the volume."""

# In bytes: an 80-minute CD-R; what DVD-R and DVD+R both have; BD-R and BD-R XL by their names.
MEDIA: Mapping[str, int] = {
    "cd": 737_280_000 - _FILESYSTEM,
    "dvd": 4_700_000_000 - _FILESYSTEM,
    "dvd-dl": 8_540_000_000 - _FILESYSTEM,
    "bd25": 25_000_000_000 - _FILESYSTEM,
    "bd50": 50_000_000_000 - _FILESYSTEM,
    "bd100": 100_000_000_000 - _FILESYSTEM,
}
"""How large a volume for a medium is, in bytes."""

_SIZE = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,6})?) ?(?P<unit>[kMGT]?B)", re.ASCII)
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_volume_size(text: str) -> int:
    """Read `dvd`, `4.7GB`, `650 MB`; in bytes. Units are decimal, as those of media are.

    Raises:
        ValueError: if it is none of these.
    """
    if text in MEDIA:
        return MEDIA[text]
    if found := _SIZE.fullmatch(text):
        whole, _, part = found["number"].partition(".")
        unit = _UNITS[found["unit"]]
        size = int(whole) * unit + int(part.ljust(6, "0") or "0") * unit // 10**6
        if size:
            return size
    raise ValueError(
        f"give a medium ({', '.join(MEDIA)}) or a decimal size such as 4.7GB, not {text!r:.40}"
    )
