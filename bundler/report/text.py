"""Text for people: sizes, counts, and foreign text without what a terminal would obey."""

from __future__ import annotations

import hashlib
import unicodedata

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000


def human_size(size: int) -> str:
    """A size in bytes with a decimal unit, as media are sold: `174.2 MB`."""
    value, unit = float(size), 0
    while value >= _STEP and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{size} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def counted(number: int, noun: str) -> str:
    """`1 wheel`, `2 wheels`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short_digest(data: bytes) -> str:
    """Sixteen digits of the sha256 of `data` in groups, for eyes to compare: labels have it."""
    digits = hashlib.sha256(data).hexdigest()
    return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


def printable(text: str) -> str:
    """`text` with control and formatting characters as escapes; line ends and tabs stay.

    Names and messages come from indexes and from unverified bundles: a terminal must not obey them.
    """
    return "".join(
        char
        if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cf", "Cs"}
        else f"\\u{ord(char):04x}"
        for char in text
    )
