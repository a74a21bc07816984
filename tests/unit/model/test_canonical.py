from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from bundler.model.canonical import canonical, parse_canonical

KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_it_is_what_an_independent_implementation_writes(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    assert parse_canonical(canonical(value), "document") == value


def test_it_sorts_keys_and_writes_no_white_space() -> None:
    assert canonical({"b": [1, None, True], "a": {"é": "ü\n"}}) == (
        '{"a":{"é":"ü\\n"},"b":[1,null,true]}'.encode()
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "document: not JSON: "),
        (b"\xff", "document: not JSON: "),
        (b"[" * 100_000, "document: not JSON: "),
        (b"9" * 5_000, "document: not JSON: "),
        (b"[]", "document: not a JSON object"),
        (b'{"a": 1}', "document: not in canonical form"),
        (b'{"a":1}\n', "document: not in canonical form"),
        (b'{"b":1,"a":1}', "document: not in canonical form"),
        (b'{"a":1,"a":1}', "document: not in canonical form"),
        (b'{"a":"\\u0041"}', "document: not in canonical form"),
        (b'{"a":-0}', "document: not in canonical form"),
        (b'{"a":1e2}', "document: not in canonical form"),
        (b'\xef\xbb\xbf{"a":1}', "document: not in canonical form"),
        ('{"a":1}'.encode("utf-16"), "document: not in canonical form"),
        (b'{"a":NaN}', "document: Out of range float"),
        (b'{"a":"\\ud800"}', "document: .*surrogates not allowed"),
    ],
)
def test_any_other_form_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}"):
        parse_canonical(data, "document")


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value: Any = parse_canonical(data, "document")
    except ValueError as error:
        message = str(error)
    else:
        message = "document: "
        assert canonical(value) == data
    assert message.startswith("document: ")
