"""The text of a requirements file: encoding, continuation lines, comments.

As pip does it ("Requirements File Format" in its documentation), with one difference: bytes that
are not UTF-8 and name no encoding are refused, for pip guesses by the settings of the host.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")  # PEP 263
_COMMENT = re.compile(r"(?:^|\s)#.*")
_COMMENT_ALONE = re.compile(r"\s*#")


def decode(data: bytes) -> str:
    """The text, by its byte order mark, by a PEP 263 comment in its first two lines, or as UTF-8.

    Raises:
        ValueError: if the bytes are no text in that encoding, or there is no such encoding.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(data[len(mark) :], encoding)
    for line in data.split(b"\n")[:2]:
        match = _CODING.search(line) if line.startswith(b"#") else None
        if match:
            return _decode(data, match[1].decode("ascii"))
    return _decode(data, "utf-8")


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except LookupError as error:
        raise ValueError(f"there is no text encoding {encoding!r}") from error
    except UnicodeError as error:
        raise ValueError(
            f"not {encoding} text; name its encoding in the first line: # -*- coding: latin-1 -*-"
        ) from error


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Every line that says something, joined and without its comment, with its first number."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        first = first if parts else number
        alone = _COMMENT_ALONE.match(line)
        if line.endswith("\\") and not alone:
            parts.append(line.strip("\\"))
            continue
        # A comment on a line of its own ends what was to be continued.
        parts.append(f" {line}" if alone else line)
        yield from _without_comment(first, "".join(parts))
        parts.clear()
    yield from _without_comment(first, "".join(parts))


def _without_comment(number: int, line: str) -> Iterator[tuple[int, str]]:
    if rest := _COMMENT.sub("", line, count=1).strip():
        yield number, rest
