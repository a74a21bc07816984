from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.archive.galois import (
    POLYNOMIAL,
    WINDOW,
    coefficient,
    divide,
    invert,
    multiply,
    sums,
)
from tests.fakes.documents import ROOT, section
from tests.fakes.volumes import noise

ELEMENTS = st.integers(0, 255)


def long_multiply(left: int, right: int) -> int:
    """As at school: polynomials with coefficients modulo 2, then the remainder."""
    product = 0
    for power in range(8):
        if right >> power & 1:
            product ^= left << power
    for power in range(14, 7, -1):
        if product >> power & 1:
            product ^= POLYNOMIAL << (power - 8)
    return product


def test_products_are_those_of_polynomials() -> None:
    for left in range(256):
        for right in range(256):
            assert multiply(left, right) == long_multiply(left, right)


def test_division_undoes_multiplication() -> None:
    for left in range(256):
        for right in range(1, 256):
            assert divide(multiply(left, right), right) == left


def test_coefficients_are_those_that_the_format_page_shows() -> None:
    shown = [[coefficient(row, column) for column in range(6)] for row in range(4)]
    assert shown == [
        [1, 1, 1, 1, 1, 1],
        [127, 252, 126, 254, 233, 116],
        [226, 255, 230, 253, 180, 133],
        [128, 29, 131, 27, 199, 96],
    ]
    page = section((ROOT / "docs" / "format.md").read_text(), "Parity")
    for number, row in enumerate(shown):
        assert f"\n| {number} | {' | '.join(map(str, row))} |\n" in page


def test_the_first_row_is_plain_xor_however_many_columns() -> None:
    assert {coefficient(0, column) for column in range(254)} == {1}


def has_an_inverse(matrix: list[list[int]]) -> bool:
    """Whether no row is a sum of the others, found by elimination that gives up."""
    try:
        inverse = invert(matrix)
    except StopIteration:
        return False
    return product(matrix, inverse) == identity(len(matrix))


def identity(size: int) -> list[list[int]]:
    return [[int(row == column) for column in range(size)] for row in range(size)]


def product(left: list[list[int]], right: list[list[int]]) -> list[list[int]]:
    found = []
    for row in left:
        out = [0] * len(right[0])
        for factor, other in zip(row, right, strict=True):
            out = [value ^ multiply(factor, one) for value, one in zip(out, other, strict=True)]
        found.append(out)
    return found


def test_any_two_rows_solve_any_two_columns() -> None:
    for rows in range(2, 5):
        highest = 255 - rows
        for one, two in combinations(range(rows), 2):
            ratios = {
                divide(coefficient(one, column), coefficient(two, column))
                for column in range(highest)
            }
            assert len(ratios) == highest  # so no determinant of two columns is 0


@given(data=st.data(), size=st.integers(1, 4))
def test_every_square_of_the_matrix_can_be_inverted(data: st.DataObject, size: int) -> None:
    rows = data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size, unique=True))
    columns = data.draw(st.lists(st.integers(0, 250), min_size=size, max_size=size, unique=True))
    assert has_an_inverse([[coefficient(row, column) for column in columns] for row in rows])


def test_rows_are_exchanged_where_a_zero_leads() -> None:
    matrix = [[0, 1, 7], [1, 0, 0], [0, 0, 5]]
    assert product(matrix, invert(matrix)) == identity(3)
    assert not has_an_inverse([[1, 1], [1, 1]])


@given(
    terms=st.lists(
        st.tuples(st.binary(max_size=20), st.lists(ELEMENTS, min_size=3, max_size=3)), max_size=6
    ),
    length=st.integers(1, 20),
)
def test_sums_are_those_of_single_bytes(terms: list[tuple[bytes, list[int]]], length: int) -> None:
    blocks = [(data[:length], factors) for data, factors in terms]
    expected = [bytearray(length) for _ in range(3)]
    for data, factors in blocks:
        for number, factor in enumerate(factors):
            for place, value in enumerate(data):
                expected[number][place] ^= long_multiply(value, factor)
    assert list(sums(blocks, 3, length)) == [[bytes(total) for total in expected]]


@pytest.mark.parametrize("length", [WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW + 3])
def test_long_blocks_are_summed_window_by_window(length: int) -> None:
    one, two = noise(length, 1), noise(length - 5, 2)
    found = list(sums([(one, [1, 3]), (two, [1, 0])], 2, length))
    assert {len(first) for first, _second in found[:-1]} <= {WINDOW}
    plain = bytes(a ^ b for a, b in zip(one, two + bytes(5), strict=True))
    assert b"".join(first for first, _second in found) == plain
    thrice = bytes(multiply(3, value) for value in range(256))
    assert b"".join(second for _first, second in found) == one.translate(thrice)
