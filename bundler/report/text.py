"""Text for people: foreign text without what a terminal would obey."""

from __future__ import annotations

import unicodedata


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
