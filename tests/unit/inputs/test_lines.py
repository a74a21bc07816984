from __future__ import annotations

import codecs

import pytest

from bundler.inputs.lines import decode, logical_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a\n\nb\r\n", [(1, "a"), (3, "b")]),
        ("# all\n  # of this\na # b\na#b\n", [(3, "a"), (4, "a#b")]),
        ("a \\\n  b \\\n  c\nd", [(1, "a   b   c"), (4, "d")]),
        ("a \\\n", [(1, "a")]),
        ("a \\", [(1, "a")]),
        ("a \\\n# why\nb", [(1, "a"), (3, "b")]),
        ("a \\\n  b # c \\\n d\ne", [(1, "a   b"), (4, "e")]),
        ("# a \\\nb", [(2, "b")]),
        ("\\\n\\\n a", [(1, "a")]),
        (" \t\x0c\na", [(3, "a")]),
    ],
)
def test_lines_are_joined_and_comments_go(text: str, lines: list[tuple[int, str]]) -> None:
    assert list(logical_lines(text)) == lines


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_decides(mark: bytes, encoding: str) -> None:
    assert decode(mark + "a # ünï".encode(encoding)) == "a # ünï"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("a # ü".encode(), "a # ü"),
        (b"# -*- coding: latin-1 -*-\na # \xfc", "# -*- coding: latin-1 -*-\na # ü"),
        (b"#!x\n# vim: fileencoding=cp1252\n\x80", "#!x\n# vim: fileencoding=cp1252\n€"),
        (b"a\nb\n# coding: latin-1", "a\nb\n# coding: latin-1"),
        (b"a # coding: utf-16", "a # coding: utf-16"),
    ],
)
def test_a_comment_may_name_the_encoding(data: bytes, text: str) -> None:
    assert decode(data) == text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a # \xfc", "not utf-8 text; name its encoding in the first line: # -*- coding: latin-1"),
        (codecs.BOM_UTF16_LE + b"a", "not utf-16-le text"),
        (b"# coding: rot13\n", "there is no text encoding 'rot13'"),
        (b"# coding: morse\n", "there is no text encoding 'morse'"),
    ],
)
def test_other_bytes_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        decode(data)
    assert message in str(caught.value)
