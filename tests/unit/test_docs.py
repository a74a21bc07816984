"""The documentation against the code: links, commands, names of tests, sizes, the schema."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer import Typer

from bundler import __version__
from bundler.archive.frame import FRAME_LIMIT, MAX_WINDOW_LOG
from bundler.archive.head import HEAD_LIMIT
from bundler.archive.staged import STAGED_LIMIT
from bundler.cli.main import app
from bundler.errors import BundlerError
from bundler.mirror.union import MAX_DOCUMENT
from bundler.model.document import FORMAT
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument
from bundler.model.platforms import NAMES, OLDEST_GLIBC, parse_platform
from bundler.model.profile import Profile, parse_profile
from bundler.model.profile_faults import KEYS_HINT
from bundler.model.pythons import parse_python
from bundler.model.target import MARKERS
from bundler.wheel.metadata import MAX_METADATA
from tests.fakes.documents import ROOT, blocks, section, shown_commands

README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ROW_COMMAND = re.compile(r"^\|.*?`bundle ([^`]+)`", re.MULTILINE)
_ANY_COMMAND = re.compile(r"\bbundle ((?:trust |target )?[a-z]+)(?![\w-])")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def commands(app: Typer, prefix: str = "") -> Iterator[str]:
    """The words of every command."""
    for command in app.registered_commands:
        callback = command.callback
        assert callback is not None
        yield prefix + (command.name or typer.main.get_command_name(callback.__name__))
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{prefix}{group.name} ")


COMMANDS = set(commands(app))


def options(command: str) -> set[str]:
    """The options of a command, as its help names them."""
    found = typer.main.get_command(app)
    for word in command.split():
        found = found.commands[word]  # type: ignore[attr-defined] # a group, on the way down
    return {name for parameter in found.params for name in parameter.opts if name.startswith("-")}


def without_code(text: str) -> str:
    return _BLOCK.sub("", text)


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_command_is_known() -> None:
    assert {"create", "unpack", "trust init", "trust export", "trust pin", "demo"} <= COMMANDS


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize(
    ("heading", "line"),
    [
        ("Try it", ".venv/bin/pip install --quiet . && .venv/bin/bundle demo"),
        ("Test it", ".venv/bin/pip install --quiet --editable '.[dev]' && .venv/bin/pytest --cov"),
    ],
)
def test_one_command_to_try_and_one_to_test(heading: str, line: str) -> None:
    assert _BLOCK.findall(section(README, heading)) == [
        ("sh", f"python3.11 -m venv .venv && {line}\n")
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_resolve(path: Path) -> None:
    text = path.read_text()
    for link in _LINK.findall(without_code(text)):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.is_relative_to(ROOT), link
        assert there.exists(), link
        if anchor:
            assert anchor in {slug(found) for found in _HEADING.findall(there.read_text())}, link


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_tables_exist(path: Path) -> None:
    for words in _ROW_COMMAND.findall(path.read_text()):
        name = next((name for name in COMMANDS if f"{words} ".startswith(f"{name} ")), None)
        assert name or words.startswith("COMMAND"), words


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_code_exist(path: Path) -> None:
    text = path.read_text()
    code = "\n".join(
        [
            *re.findall(r"(?<!`)`(bundle [^`\n]+)`", text),
            *blocks(text, "sh"),
            *(shown.command for shown in shown_commands(text)),
        ]
    )
    for words in _ANY_COMMAND.findall(re.sub(r"\S+/bundle\b", "bundle", code)):
        assert words in COMMANDS, words


def test_the_readme_names_every_command_and_only_options_that_there_are() -> None:
    table = section(README, "Commands")
    named: set[str] = set()
    for line in table.splitlines():
        if match := _ROW_COMMAND.match(line):
            name = max((name for name in COMMANDS if match[1].startswith(name)), key=len)
            named.add(name)
            assert set(re.findall(r"`(-[\w-]+)", line)) <= options(name), line
    assert named == COMMANDS
    for name in COMMANDS:
        assert {"--json", "--quiet"} <= options(name), name
    with_home = {name for name in COMMANDS if "--home" in options(name)}
    inside = {
        "inspect",
        "verify",
        "unpack",
        "prune",
        "serve",
        "history",
        "receipt",
        "trust pin",
        "client-config",
    }
    anywhere = {"init", "demo", "target list", "target show", "target detect"}
    assert with_home == COMMANDS - inside - anywhere


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.name)
def test_decisions_are_short_and_numbered(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    assert text.startswith(f"# {path.name[:4]}: ")
    for heading in ("Context and problem statement", "Considered options", "Decision outcome"):
        assert section(text, heading).strip()


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = [path.name[:4] for path in ADRS]
    assert numbers == [f"{number:04}" for number in range(1, len(ADRS) + 1)]


def test_the_tests_that_are_named_exist() -> None:
    pages = ("threat-model.md", "attacks-trust.md")
    text = "".join((ROOT / "docs" / page).read_text() for page in pages)
    named = set(re.findall(r"`(test_\w+)`", text))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }
    assert len(named) > 30
    assert named <= there, sorted(named - there)


def test_every_attack_has_a_row() -> None:
    table = section((ROOT / "docs" / "threat-model.md").read_text(), "Attacks on the import")
    rows = [line.split(" | ") for line in table.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row[0].strip("| ")) for row in rows] == list(range(1, 29))
    for row in rows:
        assert len(row) == 4
        assert "`test_" in row[3] or row[3] == "later |"


def test_the_errors_of_attacks_are_those_of_their_tests() -> None:
    """Each piece of an error between two `…` stands in the test that is named beside it."""
    rows = re.findall(
        r"^\| .+ \| `(test_\w+)` \| (.+) \| [1-6] \|$",
        (ROOT / "docs" / "attacks.md").read_text(),
        re.MULTILINE,
    )
    texts = _texts_of_tests()
    assert len(rows) > 15
    for name, error in rows:
        for piece in filter(None, map(str.strip, error.split("…"))):
            assert any(piece in text for text in texts[name]), (name, piece)


def _texts_of_tests() -> dict[str, list[str]]:
    """Every string in each test, adjacent ones joined."""
    found: dict[str, list[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                constants = [each for each in ast.walk(node) if isinstance(each, ast.Constant)]
                found.setdefault(node.name, []).extend(
                    " ".join(each.value.split())
                    for each in constants
                    if isinstance(each.value, str)
                )
    return found


def test_the_schema_is_up_to_date() -> None:
    path = ROOT / "docs" / "profile.schema.json"
    assert path.read_text() == json.dumps(Profile.model_json_schema(), indent=2) + "\n"


def test_the_changelog_has_this_version() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert any(__version__ in heading for heading in headings)


def test_the_examples_of_profiles_are_profiles() -> None:
    text = (ROOT / "docs" / "profile.md").read_text()
    examples = blocks(text, "toml")
    assert len(examples) >= 3
    for example in examples:
        assert parse_profile(example.encode(), "example").parsed_targets()


def test_the_platforms_of_the_table_are_known() -> None:
    table = section((ROOT / "docs" / "profile.md").read_text(), "Platforms")
    names = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([\w-]+)`", line.split("|")[1])
        if not name.startswith("_")
    }
    assert set(NAMES) < names
    assert {parse_platform(name).machine for name in names} >= set(OLDEST_GLIBC)


def test_the_pythons_of_the_table_are_known() -> None:
    table = section((ROOT / "docs" / "profile.md").read_text(), "Pythons")
    words = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
    assert len(words) >= 9
    for word in words:
        assert parse_python(word).name == word


def test_the_markers_of_the_profile_page_are_all_there_are() -> None:
    text = section((ROOT / "docs" / "profile.md").read_text(), "Markers")
    listed = re.search(r"^`implementation_name`.*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
    assert listed is not None
    assert tuple(re.findall(r"`(\w+)`", listed[0])) == MARKERS


def test_the_faults_of_the_profile_page_are_what_is_said() -> None:
    text = (ROOT / "docs" / "profile.md").read_text()
    bad = (
        '[profile]\nname = "Web Team"\nrequirements = ["a"]\ncutof = "7 days"\n'
        '[[index]]\nurl = "https://a:b@example.org/"\n'
        '[targets]\npython = ["3.12"]\nplatforms = ["linux"]\n'
    )
    worse = (
        '[profile]\nname = "web"\nrequirements = ["a"]\n'
        '[targets]\npython = ["3.7"]\nplatforms = ["linux64"]\n'
    )
    for profile in (bad, worse):
        with pytest.raises(BundlerError) as caught:
            parse_profile(profile.encode(), "web.toml")
        for line in str(caught.value).splitlines():
            assert line in text
    assert f"\nhint: {KEYS_HINT}\n" in text


def test_the_format_page_has_every_key_and_limit() -> None:
    text = (ROOT / "docs" / "format.md").read_text()
    for kind in (Manifest, ProjectDocument, BundledFile):
        for name in kind.__dataclass_fields__:
            if name != "blob":
                assert f"`{name.replace('_', '-')}`" in text, name
    for number in (FRAME_LIMIT, HEAD_LIMIT, STAGED_LIMIT, MAX_DOCUMENT, MAX_METADATA):
        assert f"{number:,}" in text
    assert f"2^{MAX_WINDOW_LOG} bytes" in text
    assert f"\n| {FORMAT} | {__version__} |" in section(text, "Changes")


def _own_exit_codes(kind: type[BundlerError]) -> Iterator[int]:
    yield kind.exit_code
    for below in kind.__subclasses__():
        yield from _own_exit_codes(below)


def test_every_exit_code_is_explained() -> None:
    page = (ROOT / "docs" / "air-gap-walkthrough.md").read_text()
    table = section(page, "When something goes wrong")
    explained = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert explained == {0, 2, 130, *_own_exit_codes(BundlerError)}


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.strip().startswith("Apache License\n")
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.encode()) == 11358
