from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bundler.model.artifact import RemoteFile
from bundler.model.page import ProjectPage
from bundler.model.target import Target, parse_target
from bundler.resolve.select import best_wheel, choices, group_releases

LINUX = parse_target("3.12", "x86_64-manylinux_2_28")


def file(filename: str, *, python: str | None = None, yanked: str | None = None) -> RemoteFile:
    url = f"https://example.org/{filename}"
    return RemoteFile(filename=filename, url=url, requires_python=python, yanked=yanked)


def chosen(filenames: list[RemoteFile], specifier: str = "", target: Target = LINUX) -> list[str]:
    page = ProjectPage(name=canonicalize_name("a"), files=tuple(filenames))
    found = choices(group_releases(page), SpecifierSet(specifier), target)
    return [choice.file.filename for choice in found]


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
    found = choices(group_releases(page), SpecifierSet(), LINUX)
    assert [str(choice.version) for choice in found] == ["2.0", "1.0"]


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
    found = best_wheel(tuple(file(f"a-1-{tag}.whl") for tag in tags), parse_target(*target))
    assert found is not None
    assert found.filename == f"a-1-{expected}.whl"


def test_higher_build_tag_wins() -> None:
    files = tuple(file(f"a-1-{build}py3-none-any.whl") for build in ("", "2-", "10-", "9-"))
    found = best_wheel(files, LINUX)
    assert found is not None
    assert found.filename == "a-1-10-py3-none-any.whl"


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
