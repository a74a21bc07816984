from __future__ import annotations

import html
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import NormalizedName

from bundler.errors import NetworkError
from bundler.model.artifact import RemoteFile, Sha256
from bundler.model.page import ProjectPage
from bundler.upstream.html_page import Anchors
from bundler.upstream.listing import Listing
from bundler.upstream.pages import ACCEPT, JSON_TYPE, parse_page
from tests.fakes.index_pages import html_page, json_page

URL = "https://example.org/root/simple/demo/"
DEMO = NormalizedName("demo")
A = Sha256("a" * 64)
B = Sha256("b" * 64)


def read(body: bytes, kind: str, url: str = URL) -> ProjectPage:
    """The page with all its files made; what is kept of it gives the same."""
    listing = parse_page(body, kind, url, DEMO)
    made, again = (each.page() for each in (listing, Listing.from_bytes(listing.to_bytes())))
    assert listing.names == [file.filename for file in made.files]
    assert tuple(again.files) == tuple(made.files)
    assert replace(again, files=()) == replace(made, files=())
    return replace(made, files=tuple(made.files))


def from_html(body: str, url: str = URL) -> ProjectPage:
    return read(body.encode(), "text/html; charset=utf-8", url)


def anchor(attributes: str = "", href: str = "x-1-py3-none-any.whl") -> RemoteFile:
    (file,) = from_html(f'<a href="{href}" {attributes}>x</a>').files
    return file


def from_json(document: object) -> ProjectPage:
    return read(json.dumps(document).encode(), JSON_TYPE)


def page_with(**entry: Any) -> dict[str, Any]:
    file = {"filename": "x.whl", "url": "x.whl", "hashes": {}} | entry
    return {"meta": {"api-version": "1.1"}, "name": "Demo", "files": [file]}


def entry(**attributes: Any) -> RemoteFile:
    (file,) = from_json(page_with(**attributes)).files
    return file


digests = st.none() | st.text("0123456789abcdef", min_size=64, max_size=64).map(Sha256)
# Surrogates cannot be written as UTF-8; CR and NUL are other characters after HTML parsing.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]))
filenames = st.text("abcXYZ019._+-!~ %&#?;'\"<>é", min_size=1).map(lambda text: f"d-{text}.whl")


@st.composite
def files(draw: st.DrawFn) -> RemoteFile:
    filename = draw(filenames)
    has_metadata = draw(st.booleans())
    quoted = "".join(f"%{byte:02X}" for byte in filename.encode())
    return RemoteFile(
        filename=filename,
        url=f"https://example.org/root/{draw(st.sampled_from(['', 'a/b/']))}{quoted}",
        sha256=draw(digests),
        size=draw(st.none() | st.integers(0, 2**60)),
        requires_python=draw(st.none() | texts.filter(bool)),
        yanked=draw(st.none() | texts),
        upload_time=draw(st.none() | texts.filter(bool)),
        has_metadata=has_metadata,
        metadata_sha256=draw(digests) if has_metadata else None,
    )


pages = st.builds(
    ProjectPage,
    name=st.just(DEMO),
    files=st.lists(files(), max_size=4).map(tuple),
    status=st.sampled_from(["active", "archived", "quarantined", "deprecated"]),
    status_reason=st.none() | texts.filter(bool),
)


@settings(max_examples=150, deadline=None)
@given(pages)
def test_both_forms_say_the_same(page: ProjectPage) -> None:
    # The fake writes links as "../..PATH", and PATH begins with the folder of the root here.
    base = "https://example.org/simple/demo/"
    assert read(html_page(page), "text/html", base) == page
    assert read(json_page(page), JSON_TYPE, base) == page


@settings(max_examples=300, deadline=None)
@given(
    st.binary() | st.text("<>!-[]ahrefms=\"' /&#;bd{}:,").map(str.encode),
    st.sampled_from(["text/html", JSON_TYPE]),
)
def test_any_bytes_are_a_page_or_a_network_error(body: bytes, kind: str) -> None:
    try:
        assert read(body, kind).name == DEMO
    except NetworkError as error:
        message = error.message
    else:
        message = URL + ": "
    assert message.startswith(URL + ": ")


def test_a_long_page_is_read_fast() -> None:
    wheel = "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    link = f"https://files.example.org/packages/aa/bb/{A}/{wheel}#sha256={A}"
    one = f'<a href="{link}" data-requires-python="&gt;=3.9" data-core-metadata="sha256={B}">x</a>'
    body = "\n".join([one] * 6800)
    begin = time.process_time()
    assert len(from_html(body).files) == 6800
    # Measured: 0.1 s. Ten times that would be noticed by people.
    assert time.process_time() - begin < 1.0


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("x.whl", "https://example.org/root/simple/demo/x.whl"),
        ("../../f/x.whl", "https://example.org/root/f/x.whl"),
        ("../../../f/x.whl", "https://example.org/f/x.whl"),
        ("../../f/../g/x.whl", "https://example.org/root/g/x.whl"),
        ("/f/x.whl?token=1", "https://example.org/f/x.whl?token=1"),
        ("//other.example/x.whl", "https://other.example/x.whl"),
        ("http://other.example/x.whl", "http://other.example/x.whl"),
        (" https://other.example/@/x.whl#egg=x", "https://other.example/@/x.whl"),
    ],
)
def test_links_are_made_absolute(link: str, url: str) -> None:
    assert anchor(href=link).url == url
    assert entry(url=link.strip()).url == url


def test_the_first_base_counts() -> None:
    head = '<base href="/other/x/"><base href="https://example.net/"><base>'
    page = from_html(f'{head}<a href="y.whl">y</a>')
    assert page.files[0].url == "https://example.org/other/x/y.whl"
    assert from_html('<base><a href="y.whl">y</a>').files[0].url == URL + "y.whl"


@pytest.mark.parametrize(
    "link",
    ["ftp://example.org/x.whl", "mailto:me", "file:///x.whl", "javascript:x"],
)
def test_links_elsewhere_are_refused(link: str) -> None:
    with pytest.raises(NetworkError, match="is not a link to http or https"):
        anchor(href=link)
    with pytest.raises(NetworkError, match="is not a link to http or https"):
        entry(url=link)


def test_links_with_credentials_are_refused_and_not_quoted() -> None:
    with pytest.raises(NetworkError, match="a link with credentials") as caught:
        anchor(href="https://me:secret@example.org/x.whl")
    assert "secret" not in str(caught.value)


def test_a_base_elsewhere_is_refused() -> None:
    with pytest.raises(NetworkError, match="is not a link to http or https"):
        from_html('<base href="ftp://example.org/a/b/"><a href="../../c/x.whl">x</a>')


def test_anchors_that_are_no_files_are_passed_over() -> None:
    page = from_html('<a name="top">x</a><a href="../">up</a><a href="#top">top</a><p>text</p>')
    assert page.files == ()


@pytest.mark.parametrize("name", ["%2E%2E", "a%2Fb.whl", "a%5Cb.whl", "%00", "."])
def test_an_address_without_a_filename_is_refused(name: str) -> None:
    with pytest.raises(NetworkError, match="is no filename"):
        anchor(href=f"https://example.org/{name}")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b.whl", "a\\b.whl", "\0"])
def test_a_filename_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(NetworkError, match="is no filename"):
        entry(filename=name)


def test_digests() -> None:
    assert anchor(href=f"x.whl#egg=x&sha256={A.upper()}").sha256 == A
    assert anchor(href="x.whl#md5=0123").sha256 is None
    assert entry(hashes={"md5": "0", "sha256": B.upper()}).sha256 == B
    with pytest.raises(NetworkError, match=r"x.whl: not a sha256 digest: 'abc'"):
        anchor(href="x.whl#sha256=abc")
    with pytest.raises(NetworkError, match=r"x.whl: not a sha256 digest: 7"):
        entry(hashes={"sha256": 7})


@pytest.mark.parametrize("name", ["data-core-metadata", "data-dist-info-metadata"])
def test_metadata_in_html(name: str) -> None:
    for value, known, digest in [
        (f'="sha256={A}"', True, A),
        ('="true"', True, None),
        ("", True, None),
        ('="md5=00"', True, None),
        ('="false"', False, None),
    ]:
        file = anchor(name + value)
        assert (file.has_metadata, file.metadata_sha256) == (known, digest)


def test_core_metadata_comes_first() -> None:
    both = f'data-dist-info-metadata="sha256={A}" data-core-metadata="sha256={B}"'
    assert anchor(both).metadata_sha256 == B
    old = {"dist-info-metadata": {"sha256": A}}
    assert entry(**old).metadata_sha256 == A
    assert not entry(**old, **{"core-metadata": False}).has_metadata


def test_metadata_in_json() -> None:
    assert entry(**{"core-metadata": True}).has_metadata
    assert entry(**{"core-metadata": {}}).has_metadata
    assert not entry().has_metadata


def test_yanked() -> None:
    assert anchor("data-yanked").yanked == ""
    assert anchor('data-yanked="a &amp; b"').yanked == "a & b"
    assert entry(yanked=True).yanked == ""
    assert entry(yanked="why").yanked == "why"
    assert entry(yanked=False).yanked is None


def test_size_in_html() -> None:
    assert anchor('data-size="12"').size == 12
    for value in ("", "-1", "1.5", "²"):
        with pytest.raises(NetworkError, match=r"x-1-py3-none-any.whl: data-size is"):
            anchor(f'data-size="{value}"')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": "12"}, r"files\[0\].size: not a number of bytes"),
        ({"size": -1}, r"files\[0\].size: not a number of bytes"),
        ({"size": True}, r"files\[0\].size: not a number of bytes"),
        ({"yanked": []}, r"files\[0\].yanked: neither"),
        ({"hashes": []}, r"files\[0\].hashes: not an object"),
        ({"url": None}, r"files\[0\].url: not a string"),
        ({"url": "//[broken"}, r"Invalid IPv6 URL"),
        ({"filename": 3}, r"files\[0\].filename: not a string"),
        ({"requires-python": 3}, r"files\[0\].requires-python: not a string"),
        ({"upload-time": 3}, r"files\[0\].upload-time: not a string"),
    ],
)
def test_a_wrong_entry_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match="^https://example.org/root/simple/demo/: .*" + message):
        entry(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"meta": None}, "meta: not an object"),
        ({"meta": {}}, "meta.api-version: not a string"),
        ({"meta": {"api-version": "2.0"}}, "API version '2.0'; only 1.x"),
        ({"name": "other"}, "the page is that of 'other', not of demo"),
        ({"files": {}}, "files: not an array"),
        ({"files": [1]}, r"files\[0\]: not an object"),
        ({"project-status": "archived"}, "project-status: not an object"),
    ],
)
def test_a_wrong_page_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        from_json(page_with() | change)


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"[]", b'{"a": ' + b"9" * 5000 + b"}"])
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(NetworkError, match=r"demo/: "):
        parse_page(body, JSON_TYPE, URL, DEMO)


@pytest.mark.parametrize("kind", [JSON_TYPE, "text/html"])
def test_what_is_not_utf8(kind: str) -> None:
    with pytest.raises(NetworkError, match="not UTF-8: invalid start byte"):
        parse_page(b"\xff", kind, URL, DEMO)


@pytest.mark.parametrize(
    ("kind", "named"),
    [("", "'missing'"), ("application/json", "'application/json'"), ("Text/Plain; x", "text/pl")],
)
def test_another_content_type(kind: str, named: str) -> None:
    with pytest.raises(NetworkError, match=f"its content type is .?{named}") as caught:
        parse_page(b"", kind, URL + "?token=secret", DEMO)
    assert "secret" not in str(caught.value)
    assert "index URL" in str(caught.value.hint)


def test_an_unknown_declaration_is_no_crash() -> None:
    message = "not HTML"  # which of both it is depends on the version of Python
    try:
        assert from_html("<![x[").files == ()
    except NetworkError as error:
        message = error.message
    assert "not HTML" in message


def test_status() -> None:
    meta = {"project-status": "archived", "project-status-reason": "a & b"}
    head = "".join(f'<meta name="pypi:{k}" content="{html.escape(v)}">' for k, v in meta.items())
    page = from_html("<meta charset='utf-8'>" + head)
    assert (page.status, page.status_reason) == ("archived", "a & b")
    document = page_with()
    document["meta"]["project-status"] = {"status": "deprecated"}
    assert from_json(document).status == "deprecated"
    assert from_json(document).status_reason is None
    assert from_json(page_with()).status == "active"


def test_another_major_version_in_html() -> None:
    with pytest.raises(NetworkError, match=r"API version '2.0'"):
        from_html('<meta name="pypi:repository-version" content="2.0">')


def test_json_is_asked_for_first() -> None:
    assert ACCEPT.startswith(JSON_TYPE + ",")


# The run of plain anchors and html.parser must read every page alike.

_values = st.text(st.sampled_from("ab1.-_ &;#\"'<>=é/%+"), max_size=12)
_attributes = st.lists(
    st.tuples(
        st.sampled_from(["data-yanked", "data-requires-python", "DATA-YANKED", "class", "x"]),
        _values,
        st.sampled_from(['"', "'", ""]),
    ),
    max_size=3,
)
_folders = """
 ../../f/ ../../ ../../a/b/ https://h.example/ http://u@h.example/ //h/ ../../.f/ ../../f/../
 ../../f// /f/ ftp://h/ ../../a\\b/
"""
_hrefs = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", *_folders.split()]),
    st.sampled_from(
        ["a-1.whl", "a-1%2Bcpu.whl", "a-1+cpu.whl", ".whl", "", "a?b.whl", "a b.whl", "..", "a\\b"]
    ),
    st.sampled_from(["", "#", f"#sha256={A}", f"#sha256={A.upper()}", "#sha256=1", "#md5=1"]),
)
_known_values = ["", "1", "x", "&gt;=3", "true", "false", f"sha256={A}", "sha256=1", "a\nb"]
_known = st.lists(
    st.tuples(
        st.sampled_from(["requires-python", "yanked", "upload-time", "provenance", "size"])
        | st.sampled_from(["core-metadata", "dist-info-metadata", "other"]),
        st.sampled_from(
            ["", "1", "x", "&gt;=3", "true", "false", f"sha256={A}", "sha256=1", "a\nb"]
        ),
    ),
    max_size=3,
)
_pieces = st.one_of(
    st.builds(
        lambda href, found: (
            f'<a href="{href}"'
            + "".join(f' data-{name}="{value}"' for name, value in found)
            + ' rel="internal">a-1.whl</a><br/>\n'
        ),
        _hrefs,
        _known,
    ),
    _attributes.map(
        lambda found: (
            '<a href="../../f/a-1-py3-none-any.whl"'
            + "".join(f" {name}={quote}{value}{quote}" for name, value, quote in found)
            + ">a-1-py3-none-any.whl</a><br/>\n"
        )
    ),
    st.sampled_from(
        [
            '<a href="../../f/b-1-py3-none-any.whl">b</a>',
            '<a href="b-2-py3-none-any.whl" data-yanked="x&amp;y">b</a><br>\n',
            "<!-- <a href='x.whl'>x</a> -->",
            "<!--",
            "-->",
            "<script>",
            "</script>",
            '<base href="https://example.org/other/">',
            '<meta name="pypi:project-status" content="archived">',
            "<p>",
            "<a>",
            "text",
        ]
    ),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_pieces, max_size=8).map("".join))
def test_the_quick_way_reads_as_the_parser_does(page: str) -> None:
    def outcome() -> ProjectPage | str:
        try:
            return from_html(page)
        except NetworkError as error:
            return str(error)

    quick = outcome()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Anchors, "take_run", lambda _self, _text, start: start)
        assert outcome() == quick


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            "https://example.org/integrity/x/provenance",
            "https://example.org/integrity/x/provenance",
        ),
        ("https://example.org/a#b", "https://example.org/a"),
        ("/integrity/x/provenance", "https://example.org/integrity/x/provenance"),
        ("https://example.org/a b&amp;c", "https://example.org/a b&c"),
    ],
)
def test_provenance(value: str, expected: str) -> None:
    assert anchor(f'data-provenance="{value}"').provenance == expected
    assert entry(provenance=html.unescape(value)).provenance == expected


def test_a_page_may_say_that_there_is_no_provenance_or_say_nothing() -> None:
    assert entry(provenance=None).provenance == ""
    assert entry(provenance="").provenance == ""
    assert entry().provenance is None
    assert anchor().provenance is None
    assert anchor('data-provenance=""').provenance is None


@pytest.mark.parametrize("value", ["ftp://example.org/x", "https://a:b@example.org/x"])
def test_provenance_that_leads_elsewhere(value: str) -> None:
    message = "is not a link to http|is a link with credentials"
    with pytest.raises(NetworkError, match=message):
        anchor(f'data-provenance="{value}"')
    with pytest.raises(NetworkError, match=message):
        entry(provenance=value)
    with pytest.raises(NetworkError, match=r"files\[0\]\.provenance: not a string"):
        entry(provenance=[value])
