from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundler.model.artifact import RemoteFile
from bundler.model.page import ProjectPage
from bundler.model.target import Target, parse_target
from bundler.resolve.select import Shelf, group_releases
from tests.fakes.planning import make_terms

LINUX = parse_target("3.12", "x86_64-manylinux_2_28")


def file(filename: str, *, python: str | None = None, yanked: str | None = None) -> RemoteFile:
    url = f"https://example.org/{filename}"
    return RemoteFile(filename=filename, url=url, requires_python=python, yanked=yanked)


def chosen(filenames: list[RemoteFile], specifier: str = "", target: Target = LINUX) -> list[str]:
    page = ProjectPage(name=canonicalize_name("a"), files=tuple(filenames))
    shelf = Shelf(page.name, group_releases(page), make_terms(target=target))
    return [choice.file.filename for choice in shelf.choices(SpecifierSet(specifier))]


def test_newest_version_first_and_other_files_left_out() -> None:
    files = [
        file("a-1.0-py3-none-any.whl"),
        file("a-1.10-py3-none-any.whl"),
        file("a-1.9-py3-none-any.whl"),
        file("a-2.0.tar.gz"),
        file("a-not_a_version-py3-none-any.whl"),
        file("nonsense.whl"),
        file("a-3.0-py3-none.whl"),
    ]
    assert chosen(files) == [
        "a-1.10-py3-none-any.whl",
        "a-1.9-py3-none-any.whl",
        "a-1.0-py3-none-any.whl",
    ]


def test_wheels_of_other_projects_on_the_page_are_left_out() -> None:
    page = ProjectPage(
        name=canonicalize_name("a-b"),
        files=(
            file("evil-9.0-py3-none-any.whl"),
            file("a-9.0-py3-none-any.whl"),
            file("A.B-1.0-py3-none-any.whl"),
            file("a_b-2.0-py3-none-any.whl"),
        ),
    )
    shelf = Shelf(page.name, group_releases(page), make_terms(target=LINUX))
    assert [str(choice.version) for choice in shelf.choices(SpecifierSet())] == ["2.0", "1.0"]


def test_local_version_may_hold_an_underscore() -> None:
    files = [file("a-1.0+ubuntu_1-py3-none-any.whl"), file("a-1.0_1-py3-none-any.whl")]
    assert chosen(files) == ["a-1.0+ubuntu_1-py3-none-any.whl"]


def test_local_version_beats_its_public_version() -> None:
    files = [file("a-1.0-py3-none-any.whl"), file("a-1.0+cgr.1-py3-none-any.whl")]
    assert chosen(files, "==1.0")[0] == "a-1.0+cgr.1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (("3.12", "x86_64-manylinux_2_28"), "cp312-cp312-manylinux_2_27_x86_64"),
        (("3.12", "x86_64-manylinux_2_17"), "cp311-abi3-manylinux2014_x86_64"),
        (("3.11", "x86_64-manylinux_2_28"), "cp311-abi3-manylinux2014_x86_64"),
        (("3.13t", "x86_64-manylinux_2_28"), "py3-none-any"),
        (("3.12", "aarch64-manylinux_2_28"), "py3-none-any"),
        (("3.12", "x86_64-unknown-linux-musl"), "cp312-cp312-musllinux_1_1_x86_64"),
        (("3.12", "x86_64-pc-windows-msvc"), "cp312-cp312-win_amd64"),
        (("3.12", "i686-pc-windows-msvc"), "py3-none-any"),
        (("3.12", "aarch64-apple-darwin"), "cp312-cp312-macosx_11_0_arm64"),
        (("3.12", "x86_64-apple-darwin"), "cp312-cp312-macosx_10_9_universal2"),
    ],
)
def test_best_wheel_of_a_version_is_the_one_with_the_most_preferred_tag(
    target: tuple[str, str], expected: str
) -> None:
    tags = [
        "py3-none-any",
        "cp311-abi3-manylinux2014_x86_64",
        "cp312-cp312-manylinux_2_27_x86_64",
        "cp312-cp312-manylinux_2_34_x86_64",
        "cp312-cp312-musllinux_1_1_x86_64",
        "cp312-cp312-musllinux_1_3_x86_64",
        "cp312-cp312-win_amd64",
        "cp312-cp312-macosx_10_9_universal2",
        "cp312-cp312-macosx_11_0_arm64",
        "cp312-cp312-macosx_14_0_arm64",
    ]
    found = chosen([file(f"a-1-{tag}.whl") for tag in tags], target=parse_target(*target))
    assert found == [f"a-1-{expected}.whl"]


def test_higher_build_tag_wins() -> None:
    files = [file(f"a-1-{build}py3-none-any.whl") for build in ("", "2-", "10-", "9-")]
    assert chosen(files) == ["a-1-10-py3-none-any.whl"]


def test_requires_python_of_the_page_is_obeyed_and_nonsense_ignored() -> None:
    files = [
        file("a-3-py3-none-any.whl", python=">=3.13"),
        file("a-2-py3-none-any.whl", python="nonsense"),
        file("a-1-py3-none-any.whl", python=">=3.8"),
    ]
    assert chosen(files) == ["a-2-py3-none-any.whl", "a-1-py3-none-any.whl"]


def test_prereleases_only_when_named_or_when_nothing_else_fits() -> None:
    files = [
        file("a-1.0-py3-none-any.whl"),
        file("a-2.0rc1-py3-none-any.whl"),
        file("a-1.5-cp39-cp39-win32.whl"),
    ]
    assert chosen(files) == ["a-1.0-py3-none-any.whl"]
    assert chosen(files, ">=2.0rc1") == ["a-2.0rc1-py3-none-any.whl"]
    assert chosen(files, ">1.0") == ["a-2.0rc1-py3-none-any.whl"]


def test_yanked_only_when_pinned_exactly() -> None:
    files = [file("a-2-py3-none-any.whl", yanked=""), file("a-1-py3-none-any.whl")]
    assert chosen(files) == ["a-1-py3-none-any.whl"]
    assert chosen(files, ">=2") == []
    assert chosen(files, "==2.*") == []
    assert chosen(files, "==2") == ["a-2-py3-none-any.whl"]
    assert chosen(files, "===2") == ["a-2-py3-none-any.whl"]


def test_a_yanked_file_is_the_last_resort_of_an_exact_pin() -> None:
    files = [
        file("a-1-py3-none-any.whl"),
        file("a-1-cp312-cp312-manylinux_2_17_x86_64.whl", yanked=""),
        file("a-1+cgr.1-py3-none-any.whl", yanked=""),
    ]
    assert chosen(files, "==1") == ["a-1-py3-none-any.whl"]
    assert chosen(files, "==1+cgr.1") == ["a-1+cgr.1-py3-none-any.whl"]


FILES = [
    file("a-4rc1-py3-none-any.whl"),
    file("a-3-py3-none-any.whl"),
    file("a-2-py3-none-any.whl", yanked="bad"),
    file("a-1-py3-none-any.whl"),
]


def first(
    specifier: str = "", *, unnamed: bool = False, files: list[RemoteFile] = FILES, **known: str
) -> str:
    """The version that is tried first; `known` are those of an earlier lock, or to be shared."""
    page = ProjectPage(name=canonicalize_name("a"), files=tuple(files))
    versions = {field: {page.name: Version(text)} for field, text in known.items()}
    terms = replace(make_terms(target=LINUX), **versions)  # type: ignore[arg-type]
    shelf = Shelf(page.name, group_releases(page), terms)
    found = [
        str(choice.version) for choice in shelf.choices(SpecifierSet(specifier), unnamed=unnamed)
    ]
    assert len(found) == len(set(found))
    return found[0]


def test_what_an_earlier_lock_has_comes_first_where_it_fits() -> None:
    assert first() == "3"
    assert first(preferred="1") == "1"
    assert first(">1", preferred="1") == "3"
    assert first(preferred="0.9") == "3"


def test_a_yanked_version_stays_when_an_earlier_lock_has_it_but_is_not_shared() -> None:
    assert first(preferred="2") == "2"
    assert first(shared="2") == "3"


def test_what_is_shared_comes_before_what_an_earlier_lock_has() -> None:
    assert first(shared="1", preferred="2") == "1"
    assert first(">1", shared="1", preferred="2") == "2"


def test_a_pre_release_comes_first_only_where_one_could_be_taken() -> None:
    assert first(preferred="4rc1") == "3"
    assert first(preferred="4rc1", unnamed=True) == "4rc1"
    assert first(">=3rc1", preferred="4rc1") == "4rc1"
    assert first(">3", preferred="4rc1") == "4rc1"
    several = [*FILES, file("a-4rc2-py3-none-any.whl")]
    assert first(">3", files=several) == "4rc2"
    assert first(">3", files=several, preferred="4rc1") == "4rc1"
