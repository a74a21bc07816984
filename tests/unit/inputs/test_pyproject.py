from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.inputs import asked, faults, read, write

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "Web.App"
version = "1.0"
dynamic = ["readme"]
dependencies = [
    "fastapi[standard]>=0.115",
    "tzdata; sys_platform == 'win32'",
]
[project.optional-dependencies]
dev = ["pytest", "web-app[Doc_s,db]; python_version >= '3.11'"]
"doc.s" = ["mkdocs; sys_platform == 'linux' or sys_platform == 'darwin'", "web_app[dev]"]
db = ["psycopg[binary]"]

[dependency-groups]
test = ["hypothesis", {include-group = "Lint"}, "web-app[db]"]
lint = ["ruff==0.14.*"]

[tool.uv.sources]
torch = { index = "special" }
tools = { workspace = true }
Own_Lib = [
    { index = "special", marker = "sys_platform == 'linux'" },
    { git = "https://example.org/own", marker = "sys_platform != 'linux'" },
]
"""


def test_dependencies_alone(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml=PROJECT)
    inputs = read(tmp_path, '"pyproject.toml"')
    assert asked(inputs) == [
        "fastapi[standard]>=0.115 (pyproject.toml, project.dependencies[0])",
        'tzdata; sys_platform == "win32" (pyproject.toml, project.dependencies[1])',
    ]
    assert [file.name for file in inputs.files] == ["pyproject.toml"]


def test_extras_that_name_each_other(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml=PROJECT)
    found = asked(read(tmp_path, '{path = "pyproject.toml", extras = ["DEV"]}'))
    place = "(pyproject.toml, project.optional-dependencies.dev"
    new = 'python_version >= "3.11"'
    assert found[2:] == [
        f"pytest {place}[0])",
        f"psycopg[binary]; {new} {place}[1])",
        f'mkdocs; {new} and (sys_platform == "linux" or sys_platform == "darwin") {place}[1])',
    ]


def test_groups(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml=PROJECT)
    found = asked(read(tmp_path, '{path = "pyproject.toml", groups = ["Test"]}'))
    assert found[2:] == [
        "hypothesis (pyproject.toml, dependency-groups.Test)",
        "ruff==0.14.* (pyproject.toml, dependency-groups.Test)",
        "psycopg[binary] (pyproject.toml, dependency-groups.Test)",
    ]


def test_groups_without_a_project(tmp_path: Path) -> None:
    write(tmp_path, sub___pyproject__toml='[dependency-groups]\na = ["b"]\n')
    found = read(tmp_path, '{path = "sub/pyproject.toml", groups = ["a"]}')
    assert asked(found) == ["b (sub/pyproject.toml, dependency-groups.a)"]


def test_a_dependency_from_another_index(tmp_path: Path) -> None:
    write(tmp_path, pyproject__toml=PROJECT.replace("tzdata", "torch"))
    assert asked(read(tmp_path, '"pyproject.toml"'))[1].startswith("torch; ")


@pytest.mark.parametrize(
    ("old", "new", "more", "message"),
    [
        (
            'dynamic = ["readme"]',
            'dynamic = ["dependencies"]',
            "",
            (
                "pyproject.toml: project.dependencies is dynamic: only a build could tell, and"
                " none is run; lock the project and name the lock instead"
            ),
        ),
        (
            'dynamic = ["readme"]',
            'dynamic = ["optional-dependencies"]',
            'extras = ["dev"]',
            (
                "pyproject.toml: project.optional-dependencies is dynamic: only a build could"
                " tell, and none is run; lock the project and name the lock instead"
            ),
        ),
        (
            "",
            "",
            'extras = ["gui"]',
            "pyproject.toml: it has no extra 'gui'; it has: dev, doc-s, db",
        ),
        (
            "web_app[dev]",
            "web_app[gui]",
            'extras = ["doc-s"]',
            (
                "pyproject.toml: project.optional-dependencies.doc.s[1]: it has no extra 'gui'; it"
                " has: dev, doc-s, db"
            ),
        ),
        (
            "",
            "",
            'groups = ["gui"]',
            "pyproject.toml: dependency-groups: Dependency group 'gui' not found",
        ),
        (
            "ruff==",
            "ruff=>",
            'groups = ["lint"]',
            (
                "pyproject.toml: dependency-groups: Expected semicolon (after name with no version"
                " specifier) or end"
            ),
        ),
        (
            "ruff==0.14.*",
            "tools",
            'groups = ["lint"]',
            (
                "pyproject.toml: dependency-groups.lint: [tool.uv.sources] takes tools from"
                " elsewhere,"
                " and no index vouches for it; build a wheel and put it onto your index, or name"
                " uv.lock instead"
            ),
        ),
        (
            "tzdata",
            "own-lib",
            "",
            (
                "pyproject.toml: project.dependencies[1]: [tool.uv.sources] takes own-lib from"
                " elsewhere, and no index vouches for it; build a wheel and put it onto your"
                " index, or name uv.lock instead"
            ),
        ),
        (
            "tzdata; sys_platform == 'win32'",
            "x @ git+https://u:s3cret@example.org/x",
            "",
            (
                "pyproject.toml: project.dependencies[1]: a URL requirement comes from no index;"
                " name the project and a version"
            ),
        ),
        ('name = "Web.App"', "", "", "pyproject.toml: project.name: not a string"),
        (
            "[project]",
            "[tool.poetry]",
            "",
            "pyproject.toml: it has no [project] table, the only one that is read; name groups",
        ),
    ],
)
def test_each_fault_names_its_place(
    tmp_path: Path, old: str, new: str, more: str, message: str
) -> None:
    text = PROJECT.replace(old, new, 1)
    if "poetry" in new:
        text = text.replace("[project.optional", "[tool.poetry.optional")
    write(tmp_path, pyproject__toml=text)
    comma = ", " if more else ""
    assert faults(tmp_path, f'{{path = "pyproject.toml"{comma}{more}}}') == [message]


def test_a_fault_does_not_hide_another(tmp_path: Path) -> None:
    text = '[project]\nname = "a"\ndependencies = ["b ==> 1", "ok", "./c"]\n'
    write(tmp_path, pyproject__toml=text)
    first, second = faults(tmp_path, '"pyproject.toml"')
    assert first.startswith("pyproject.toml: project.dependencies[0]: 'b ==> 1': ")
    assert second.startswith("pyproject.toml: project.dependencies[2]: a path comes from no index")
