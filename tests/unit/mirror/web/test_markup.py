from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.mirror.web.markup import Html, element, is_address, joined, outward, plain, raw, row
from tests.fakes.html import Reader


def _read(html: Html) -> Reader:
    return Reader.of(html.code)


_SHOWN = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp")))


@given(_SHOWN, _SHOWN)
def test_a_text_stays_text_and_a_value_stays_a_value(text: str, value: str) -> None:
    reader = _read(element("p", {"title": value}, text))
    assert reader.tags == [("p", {"title": value or None})]
    assert reader.text == text


@given(st.text())
def test_nothing_hidden_reaches_a_page(text: str) -> None:
    hidden = {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}
    turning = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    for code in (element("p", {"title": text}, text).code, raw(text).code, plain(text)):
        assert not (hidden | turning) & set(code)
        code.encode()  # no lone surrogate either


def test_every_character_that_a_page_must_not_have_is_replaced_also_among_harmless_ones() -> None:
    kept = {9, 10} | {ord(char) for char in "azAZ09 ,.:;/=+_-#()[]{}!?@%*|$^~`\\äß"}
    gone = set("&<>\"'") | {
        chr(code) for code in (*range(32), *range(127, 160)) if code not in kept
    }
    for char in gone:
        assert joined(["a", f"b {char} c"]).code != f"ab {char} c", char
    for code in kept:
        assert joined([f"a {chr(code)} c"]).code == f"a {chr(code)} c"


def test_pieces_are_not_escaped_twice() -> None:
    inner = element("b", None, "<&>")
    assert joined([inner, "<"], " & ").code == "<b>&lt;&amp;&gt;</b> &amp; &lt;"


def test_a_row_of_a_table() -> None:
    cells = '<tr><th scope="row">&lt;</th><td><b>x</b></td><td>&amp;</td></tr>'
    assert row(["<", element("b", None, "x"), "&"]).code == cells
    assert row(["a"]).code == '<tr><th scope="row">a</th></tr>'


def test_attributes_without_value_and_left_out_ones() -> None:
    assert element("input", {"hidden": "", "id": None, "type": "text"}).code == (
        '<input hidden type="text">'
    )


def test_lines_stay_in_text_and_not_in_titles() -> None:
    assert element("pre", None, "a\n\tb").code == "<pre>a\n\tb</pre>"
    assert plain(" a\n\tb\x00 ") == "a b\ufffd"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example.org/x",
        "relative",
        "",
        "https:",
        "https://[broken",
        "https://a.example.org/ b",
        "https://a.example.org/\u202e",
        "https://a.example.org/" + "x" * 2000,
    ],
)
def test_no_link_but_to_the_web(url: str) -> None:
    assert not is_address(url)
    assert outward(url, "<text>").code == "&lt;text&gt;"


@pytest.mark.parametrize("url", ["https://a.example.org/x?y=1&z", "mailto:me@example.org"])
def test_a_link_to_the_web_tells_nothing(url: str) -> None:
    ((_, attributes),) = _read(outward(url, "text")).tags
    assert attributes == {"href": url, "rel": "nofollow noopener noreferrer"}
