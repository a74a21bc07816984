"""What the far side asks for again, as a small file or as codes that a person can type.

    bundler resend list 1
    # web-000007.v03.tar.zst: the frame at 120,443,904 (numpy 2.5.5)
    web 7 3fa9c1d2 3:12-14,20 4W8N
    web 7 3fa9c1d2 5 TEHS
    web 7 blob e3b0c442…b855 CSSY

Each code stands for itself: stream, sequence, the first digits of the digest of the volume set, the
volume, its segments, and a word that tells when one of these was mistyped. Capitals or not, O for
0, and I or L for 1 make no difference where digits are meant.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from bundler.model.artifact import Sha256, parse_sha256
from bundler.model.manifest import parse_stream

FIRST_LINE: Final = "bundler resend list 1"

SET_DIGITS: Final = 8
"""So many digits of a set's digest name it: a stream's sequence was packed a few times at most."""

MAX_LIST: Final = 1 << 20
"""Characters of a list that is read."""

# Crockford's base32: without I, L, O, U.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHECK_LENGTH = 4
_LOOKS_LIKE = str.maketrans("oil", "011")
_BLOB = "blob".translate(_LOOKS_LIKE)
_SET = re.compile(rf"[0-9a-f]{{{SET_DIGITS}}}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_COMMENT_LIMIT = 200
_MAX_SEGMENTS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LostVolume:
    """A volume, or segments of one, that did not arrive whole.

    Attributes:
        volumes: The first `SET_DIGITS` digits of the digest of its volume set.
        volume: Its number.
        segments: The numbers of its segments, from 1, sorted; none means all of the volume.
    """

    stream: str
    sequence: int
    volumes: str
    volume: int
    segments: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LostBlob:
    """A blob that the far side lacks, and that no volume which it knows would bring."""

    stream: str
    sequence: int
    sha256: Sha256


Lost: TypeAlias = LostVolume | LostBlob


def write_list(asked: Iterable[tuple[Lost, str]]) -> str:
    """The list of what is asked for; the text beside each is for people, and may be empty."""
    lines = [FIRST_LINE]
    for lost, comment in asked:
        if comment:
            lines.append(f"# {_plain(comment)}")
        lines.append(encode(lost))
    return "\n".join([*lines, ""])


def parse_list(text: str) -> tuple[Lost, ...]:
    """What a list asks for.

    Raises:
        ValueError: naming the line that is wrong.
    """
    if len(text) > MAX_LIST:
        raise ValueError(f"the list has more than {MAX_LIST} characters")
    first, *lines = text.split("\n")
    if first.strip() != FIRST_LINE:
        raise ValueError(f"line 1: not {FIRST_LINE!r}: this is no list that this version reads")
    found: list[Lost] = []
    segments = 0
    for number, line in enumerate(lines, 2):
        code = line.strip()
        if code and not code.startswith("#"):
            try:
                found.append(parse_code(code))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            last = found[-1]
            segments += len(last.segments) if isinstance(last, LostVolume) else 0
            if segments > _MAX_SEGMENTS:  # written in a few bytes, they take megabytes here
                raise ValueError(f"line {number}: more than {_MAX_SEGMENTS} segments")
    if not found:
        raise ValueError("nothing is asked for")
    return tuple(found)


def encode(lost: Lost) -> str:
    """The code: one line, to be typed or copied."""
    if isinstance(lost, LostBlob):
        what = f"blob {lost.sha256}"
    else:
        segments = ",".join(_ranges(lost.segments))
        what = f"{lost.volumes} {lost.volume}{f':{segments}' if segments else ''}"
    code = f"{lost.stream} {lost.sequence} {what}"
    return f"{code} {_check_word(code)}"


def parse_code(code: str) -> Lost:
    """What a code asks for.

    Raises:
        ValueError: if it is none, or was mistyped.
    """
    words = code.lower().split()
    if len(words) != 5:  # noqa: PLR2004 - stream, sequence, set, place, check word
        raise ValueError(f"{code!r:.200} is no code: it has {len(words)} words and not 5")
    stream = parse_stream(words[0])
    sequence, where, what, check = (word.translate(_LOOKS_LIKE) for word in words[1:])
    lost: Lost
    if where == _BLOB:
        lost = LostBlob(stream=stream, sequence=_number(sequence), sha256=parse_sha256(what))
    else:
        volume, colon, segments = what.partition(":")
        lost = LostVolume(
            stream=stream,
            sequence=_number(sequence),
            volumes=_set_digits(where),
            volume=_number(volume),
            segments=_segments(segments) if colon else (),
        )
    if encode(lost).rpartition(" ")[2].lower() != check:
        raise ValueError(f"{code!r:.200} was mistyped: its last word does not fit the rest")
    return lost


def _check_word(code: str) -> str:
    """20 bits of the digest of the code: one mistyped code in a million passes."""
    number = int.from_bytes(hashlib.sha256(code.encode()).digest()[:4]) >> 12
    letters = [_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_CHECK_LENGTH))]
    return "".join(letters)


def _ranges(numbers: Sequence[int]) -> Iterator[str]:
    """`12-14` and `20` for 12, 13, 14, 20."""
    start = 0
    for end in range(1, len(numbers) + 1):
        if end == len(numbers) or numbers[end] != numbers[end - 1] + 1:
            first, last = numbers[start], numbers[end - 1]
            yield str(first) if first == last else f"{first}-{last}"
            start = end


def _segments(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin = _number(first)
        end = _number(last) if dash else begin
        if begin <= (found[-1] if found else 0) or end < begin:
            raise ValueError(f"{text!r:.80}: segments are not in order")
        found += range(begin, end + 1)
    return tuple(found)


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text):
        return int(text)
    raise ValueError(f"{text!r:.80} is not a number from 1 to 999999")


def _set_digits(text: str) -> str:
    if _SET.fullmatch(text):
        return text
    raise ValueError(f"{text!r:.80} is not {SET_DIGITS} digits of a digest")


def _plain(text: str) -> str:
    """One line, printable: file names come from volumes."""
    return "".join(c if c.isprintable() else "?" for c in text[:_COMMENT_LIMIT])
