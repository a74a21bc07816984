"""Arithmetic in GF(256), the matrix of the parity rows, and sums of many windows of bytes.

The field is that of polynomials over GF(2) modulo x^8 + x^4 + x^3 + x^2 + 1, as in RAID-6 (H. P.
Anvin, "The mathematics of RAID-6"). The matrix is a Cauchy matrix (J. Blömer et al., "An XOR-Based
Erasure-Resilient Coding Scheme", ICSI TR-95-048, 1995), whose square submatrices are all
invertible. Each column is divided by its first element, which changes nothing about that (J. S.
Plank and L. Xu, "Optimizing Cauchy Reed-Solomon Codes", NCA 2006) and makes the first row plain
XOR.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

POLYNOMIAL: Final = 0x11D
"""Its bits are the coefficients; 2, that is x, generates all elements but 0."""

WINDOW: Final = 1 << 16
"""Bytes that are summed at a time: what is added up fits the processor's cache."""

_ORDER: Final = 255


def _powers() -> tuple[int, ...]:
    found, power = [], 1
    for _ in range(_ORDER):
        found.append(power)
        power <<= 1
        if power > _ORDER:
            power ^= POLYNOMIAL
    return tuple(found)


_EXP: Final = _powers()
_LOG: Final = {power: exponent for exponent, power in enumerate(_EXP)}


def multiply(left: int, right: int) -> int:
    """The product of two elements."""
    if not left or not right:
        return 0
    return _EXP[(_LOG[left] + _LOG[right]) % _ORDER]


def divide(left: int, right: int) -> int:
    """The quotient of two elements; `right` is not 0."""
    return _EXP[(_LOG[left] - _LOG[right]) % _ORDER] if left else 0


def coefficient(row: int, column: int) -> int:
    """What a column is multiplied with in a parity row, both counted from 0.

    Any numbers will do as long as no column is as high as 255 less the highest row.
    """
    return divide(_ORDER ^ column, (_ORDER - row) ^ column)


def invert(matrix: Sequence[Sequence[int]]) -> list[list[int]]:
    """The inverse of a square matrix that has one, by Gauss and Jordan."""
    size = len(matrix)
    rows = [
        [*row, *(int(place == number) for place in range(size))]
        for number, row in enumerate(matrix)
    ]
    for place in range(size):
        pivot = next(number for number in range(place, size) if rows[number][place])
        rows[place], rows[pivot] = rows[pivot], rows[place]
        lead = rows[place][place]
        rows[place] = [divide(value, lead) for value in rows[place]]
        for number in range(size):
            factor = rows[number][place]
            if number != place and factor:
                rows[number] = [
                    value ^ multiply(factor, other)
                    for value, other in zip(rows[number], rows[place], strict=True)
                ]
    return [row[size:] for row in rows]


def sums(
    blocks: Sequence[tuple[bytes, Sequence[int]]], count: int, length: int
) -> Iterator[list[bytes]]:
    """`count` sums of blocks of at most `length` bytes, window by window.

    Each block comes with a factor for each sum. One that is shorter goes on with zero bytes.
    """
    for start in range(0, length, WINDOW):
        end = min(start + WINDOW, length)
        windows = ((block[start:end], factors) for block, factors in blocks)
        yield _sums_of_a_window(windows, count, end - start)


def _sums_of_a_window(
    windows: Iterable[tuple[bytes, Sequence[int]]], count: int, length: int
) -> list[bytes]:
    # A factor is a sum of powers of x. So windows are added up for each power on its own, by XOR of
    # long integers, and are multiplied by x at the end: 7 times, however many windows there are.
    by_power = [[0] * 8 for _ in range(count)]
    for window, factors in windows:
        value = int.from_bytes(window, "little")
        for parts, factor in zip(by_power, factors, strict=True):
            for power in range(factor.bit_length()):
                if factor >> power & 1:
                    parts[power] ^= value
    return [_add_powers(parts, length).to_bytes(length, "little") for parts in by_power]


def _add_powers(parts: Sequence[int], length: int) -> int:
    low, high = _masks(length)
    total = 0
    for part in reversed(parts):
        carries = (total & high) >> 7
        total = ((total & low) << 1) ^ carries * (POLYNOMIAL & _ORDER) ^ part
    return total


@lru_cache(maxsize=2)
def _masks(length: int) -> tuple[int, int]:
    """The seven low bits and the highest bit of each of `length` bytes."""
    return int.from_bytes(b"\x7f" * length, "little"), int.from_bytes(b"\x80" * length, "little")
