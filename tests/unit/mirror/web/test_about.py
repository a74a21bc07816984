from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bundler.mirror.web.about import About, read_about


def _about(*lines: str, body: str = "") -> About:
    return read_about(("\n".join(["Name: x", *lines]) + "\n\n" + body).encode())


def test_all_that_is_shown() -> None:
    found = _about(
        "Summary: süß",
        "License-Expression: MIT",
        "Author: Me",
        "Keywords: a,b",
        "Home-page: https://home.example.org/",
        "Project-URL: Docs, https://docs.example.org/",
        "Project-URL: , https://bare.example.org/",
        "Requires-Dist: leaf>=1",
        "Description-Content-Type: text/markdown",
        body="# hi\n",
    )
    assert found == About(
        summary="süß",
        licence="MIT",
        author="Me",
        keywords="a,b",
        requires=("leaf>=1",),
        links=(
            ("Home page", "https://home.example.org/"),
            ("Docs", "https://docs.example.org/"),
            ("Link", "https://bare.example.org/"),
        ),
        kind="text/markdown",
        readme="# hi",
    )


def test_only_addresses_are_links() -> None:
    found = _about("Home-page: javascript:a()", "Project-URL: x, javascript:a()", "Project-URL: y")
    assert found.links == ()


def test_a_licence_in_one_of_three_places() -> None:
    classifier = "Classifier: License :: OSI Approved :: MIT License"
    assert _about("License: own", classifier).licence == "own"
    assert _about("License: UNKNOWN", classifier, "Classifier: Topic :: X").licence == "MIT License"
    assert _about().licence == ""


def test_a_folded_readme_and_one_that_is_not_known() -> None:
    assert _about("Description: one", "        |two", "        three").readme == "one\ntwo\nthree"
    assert _about("Summary: UNKNOWN", body="UNKNOWN\n\n") == About()
    assert _about("Author-email: me@example.org").author == "me@example.org"


def test_lengths_are_bounded() -> None:
    found = _about("Summary: " + "a" * 1000, *["Requires-Dist: b"] * 100)
    assert (len(found.summary), len(found.requires)) == (400, 30)
    assert read_about(b"A: b\n" * 30_000) == About()


@given(st.binary(max_size=200))
def test_any_bytes_say_something_or_nothing(data: bytes) -> None:
    assert isinstance(read_about(data), About)
