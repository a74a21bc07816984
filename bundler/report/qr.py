"""QR codes (ISO/IEC 18004), for what must leave a room where no medium may."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import segno

from bundler.errors import BundlerError

LARGEST: Final = 2953
"""Bytes that the largest code holds: version 40 with error correction L."""

SUFFIXES: Final = (".svg", ".png")

_BORDER = 4
_SCALE = 4
# Light modules are drawn: on a dark terminal it is a code as on paper, else one that is inverted,
# which cameras read as well.
_HALVES = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}


def qr_text(data: bytes) -> str:
    """The code in characters, two rows of modules a line.

    Raises:
        BundlerError: if it does not fit into one.
    """
    rows = [list(row) for row in _code(data).matrix_iter(border=_BORDER)]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return "\n".join(_line(upper, lower) for upper, lower in pairs)


def write_qr(data: bytes, path: Path) -> None:
    """Write the code as a picture, of the kind that the file's suffix says: one of `SUFFIXES`.

    Raises:
        BundlerError: if it does not fit, or cannot be written.
    """
    code = _code(data)
    try:
        with path.open("wb") as file:
            code.save(file, kind=path.suffix[1:].lower(), border=_BORDER, scale=_SCALE)
    except OSError as error:
        raise BundlerError(f"{path} cannot be written: {error.strerror or error}") from error


def _line(upper: Sequence[int], lower: Sequence[int]) -> str:
    return "".join(_HALVES[pair] for pair in zip(upper, lower, strict=True))


def _code(data: bytes) -> segno.QRCode:
    try:
        return segno.make_qr(data, error="l", mode="byte", boost_error=False)
    except segno.DataOverflowError as error:
        raise BundlerError(
            f"{len(data)} bytes do not fit into a QR code, which holds {LARGEST} at most",
            hint="name the streams that it is for, in several receipts: --stream NAME",
        ) from error
