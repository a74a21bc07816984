from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundler.model.target import parse_target
from bundler.resolve.catalogue import Catalogue, Shelves
from bundler.resolve.reasons import why_not_installable
from tests.fakes.planning import LINUX, MemoryIndex, make_terms


def reason(*tags: str, python: str = "3.12", listed_python: str | None = None) -> str:
    index = MemoryIndex()
    for tag in tags:
        index.add("a", "1", tags=tag, listed_python=listed_python)
    terms = make_terms(target=parse_target(python, LINUX))
    shelf = Shelves(Catalogue(index), terms).of(canonicalize_name("a"))
    return why_not_installable(shelf, Version("1"))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["cp312-cp312-win_amd64"], "no wheel for this platform, only for win_amd64"),
        (
            ["cp312-abi3-macosx_11_0_arm64", "cp311-cp311-win32", "py3-none-win32"],
            "no wheel for this platform, only for macosx_11_0_arm64, win32",
        ),
        (
            ["cp39-cp39-win32", "cp310-cp310-win32", "cp313-cp313t-win32", "py2-none-any"],
            "no wheel for this Python, only for py2, cp39, cp310, cp313t",
        ),
        (
            [f"cp3{minor}-cp3{minor}-win32" for minor in range(3, 9)],
            "no wheel for this Python, only for cp33, cp34, cp35, cp36, cp37 and 1 other",
        ),
        (
            [f"cp3{minor}-cp3{minor}-win32" for minor in range(2, 10)],
            "no wheel for this Python, only for cp32, cp33, cp34, cp35, cp36 and 3 others",
        ),
    ],
)
def test_what_wheels_are_for_instead(tags: list[str], expected: str) -> None:
    assert reason(*tags) == expected


def test_the_nearest_reason_is_told() -> None:
    tags = ("py3-none-any", "cp312-cp312-win32")
    assert reason(*tags, listed_python=">=3.13") == "it requires Python >=3.13"


def test_names_that_are_none() -> None:
    index = MemoryIndex()
    index.list_file("a-1-py3-none.whl", b"")
    index.list_file("a-1-cp312-cp312-win32.whl", b"")
    terms = make_terms(target=parse_target("3.12", LINUX))
    shelf = Shelves(Catalogue(index), terms).of(canonicalize_name("a"))
    assert why_not_installable(shelf, Version("1")) == "its name is not that of a wheel"


@pytest.mark.parametrize(("words", "told"), [("", ""), ("bad", " (bad)")])
def test_yanked(words: str, told: str) -> None:
    index = MemoryIndex()
    index.add("a", "1", yanked=words)
    terms = make_terms(target=parse_target("3.12", LINUX))
    shelf = Shelves(Catalogue(index), terms).of(canonicalize_name("a"))
    assert why_not_installable(shelf, Version("1")) == f"yanked{told}; only an exact == takes it"
    assert why_not_installable(shelf, Version("2")) == "a source distribution only, no wheel"
