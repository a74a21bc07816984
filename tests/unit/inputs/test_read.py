from __future__ import annotations

from pathlib import Path

import pytest

from bundler.inputs.table import Table, parse_toml
from tests.fakes.documents import ROOT
from tests.fakes.inputs import asked, faults, read, write


def test_a_profile_without_files(tmp_path: Path) -> None:
    inputs = read(tmp_path, requirements=["a>=1"], constraints=["b<2"])
    assert asked(inputs) == ["a>=1 (profile)"]
    assert [str(item.requirement) for item in inputs.constraints] == ["b<2"]
    assert inputs.files == ()


def test_nothing_that_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, a__txt="# nothing yet", b__in="")
    assert faults(tmp_path, '"a.txt"', '"b.in"') == [
        "neither the profile nor a.txt, b.in asks for anything"
    ]


@pytest.mark.parametrize("name", ["poetry.lock", "Pipfile.lock", "setup.py", "a.TOML", "env.yml"])
def test_files_of_other_tools(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f'"{name}"') == [
        (
            f"profile.requirement-files[0]: {name} is not one of pyproject.toml, pylock.toml,"
            " pylock.NAME.toml, uv.lock and requirements files; export one of them"
        )
    ]


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml", "pyproject.toml", "poetry.lock"])
def test_constraints_are_in_requirements_files(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, requirements=["a"], constraint_files=[name]) == [
        f"profile.constraint-files[0]: {name} is no requirements file"
    ]


@pytest.mark.parametrize("more", ['extras = ["x"]', 'groups = ["x"]'])
def test_a_requirements_file_has_no_extras(tmp_path: Path, more: str) -> None:
    assert faults(tmp_path, f'{{path = "a.txt", {more}}}') == [
        "profile.requirement-files[0]: a.txt has neither extras nor groups"
    ]


@pytest.mark.parametrize("name", ["uv.lock", "pylock.web.toml", "pyproject.toml"])
def test_a_file_that_is_not_there_or_not_toml(tmp_path: Path, name: str) -> None:
    (there,) = faults(tmp_path, f'"{name}"')
    assert there == (
        f"profile.requirement-files[0]: {name} cannot be read: No such file or directory"
    )
    (tmp_path / name).write_text("[[project")
    (told,) = faults(tmp_path, f'"{name}"')
    assert told.startswith(f"{name}: not TOML: ")
    (tmp_path / name).write_bytes(b"\xff")
    (told,) = faults(tmp_path, f'"{name}"')
    assert told.startswith(f"{name}: not UTF-8 text: ")


def test_tables_name_the_place_of_a_fault() -> None:
    table = parse_toml(b'a = 1\nb = ["x", 2]\n[c.d]\ne = [1]\nf = "x"\n[[g]]\n[[g]]\nh = "y"\n')
    inner = table.table("c").table("d")
    assert inner.text("f") == inner.optional_text("f") == "x"
    assert inner.optional_text("g") is None
    assert list(table) == ["a", "b", "c", "g"]
    assert [item.optional_text("h") for item in table.tables("g")] == [None, "y"]
    assert [item.place for item in table.tables("c")] == ["c[0]"]
    for message, call in (
        ("a: not a string", lambda: table.text("a")),
        ("x: not a string", lambda: table.text("x")),
        ("b: not an array of strings", lambda: table.texts("b")),
        ("c: not an array of strings", lambda: table.texts("c")),
        ("a: not a table", lambda: table.table("a")),
        ("c.d.e[0]: not a table", lambda: list(inner.tables("e"))),
        ("x: not a table", lambda: Table([], "x")),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        assert str(caught.value) == message


def test_the_faults_of_the_profile_page_are_what_is_said(tmp_path: Path) -> None:
    write(
        tmp_path,
        requirements__txt="# ours\n-r reqs/base.txt\n-e .",
        reqs___base__txt="a @ https://example.org/a.whl",
    )
    page = (ROOT / "docs" / "profile.md").read_text()
    told = faults(tmp_path, '"requirements.txt"')
    assert len(told) == 2
    for line in told:
        assert line in page
