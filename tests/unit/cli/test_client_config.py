"""`bundle client-config`: what it prints, and what it writes where."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bundler.mirror.layout import Mirror
from tests.fakes.command import bundle, read_json, succeed
from tests.fakes.documents import ROOT

URL = "https://mirror.example.org/"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def test_all_tools_are_printed(home: Path) -> None:
    text = succeed("client-config", URL).stdout
    assert f"# pip: {home}/.config/pip/pip.conf\n[global]\nindex-url = {URL}simple/\n" in text
    assert f"# uv: {home}/.config/uv/uv.toml\n" in text
    assert "# poetry: pyproject.toml of each project\n# Poetry keeps sources" in text
    assert f"# pdm: {home}/.config/pdm/config.toml\n" in text
    assert list(home.iterdir()) == []


def test_a_folder_is_read_from_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Mirror.create(home / "my mirror")
    monkeypatch.chdir(home)
    found = read_json(succeed("client-config", "my mirror", "--tool", "uv", "--json"))
    assert found["index"] == f"{(home / 'my mirror').as_uri()}/simple/"
    (tool,) = found["tools"]
    assert tomllib.loads(tool["text"])["index"][0]["url"] == found["index"]
    assert tool["written"] is False


def test_files_are_written_and_stay(home: Path) -> None:
    first = succeed("client-config", URL, "--write")
    assert f"# pip: written to {home}/.config/pip/pip.conf\n" in first.stdout
    assert "priority" in first.stdout  # Poetry's part must be pasted, so it is shown
    path = home / ".config/pip/pip.conf"
    assert path.read_text() == f"[global]\nindex-url = {URL}simple/\n"
    before = path.stat().st_mtime_ns
    found = read_json(succeed("client-config", URL, "--write", "--json"))
    assert {tool["tool"]: tool["written"] for tool in found["tools"]} == {
        "pip": True,
        "uv": True,
        "poetry": False,
        "pdm": True,
    }
    assert path.stat().st_mtime_ns == before


def test_uv_looks_where_the_environment_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "settings"))
    succeed("client-config", URL, "--write", "--tool", "uv", "--tool", "uv")
    assert [path.name for path in home.iterdir()] == ["settings"]
    assert (home / "settings/uv/uv.toml").is_file()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_nothing_is_written_where_one_file_says_something_else(home: Path, kind: str) -> None:
    path = home / ".config/uv/uv.toml"
    path.parent.mkdir(parents=True)
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    result = bundle("client-config", URL, "--write")
    assert result.exit_code == 1
    assert "says something else; nothing was written" in " ".join(result.stderr.split())
    assert not (home / ".config/pip").exists()


def test_poetry_alone_has_nothing_to_write(home: Path) -> None:
    result = bundle("client-config", URL, "--write", "--tool", "poetry")
    assert result.exit_code == 1
    assert "Poetry has no file of this user" in " ".join(result.stderr.split())
    assert list(home.iterdir()) == []


def test_the_authority_is_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert bundle("client-config", URL, "--ca", "ca.pem").exit_code == 1
    (home / "ca.pem").touch()
    assert f"cert = {home}/ca.pem" in succeed("client-config", URL, "--ca", "ca.pem").stdout


def test_what_is_no_mirror(home: Path) -> None:
    assert bundle("client-config", str(home)).exit_code == 1
    result = bundle("client-config", "https://me:secret@mirror.example.org/")
    assert result.exit_code == 2
    assert "credentials do not belong" in " ".join(result.stderr.split())
    assert "secret" not in result.output


def test_the_walkthrough_names_it() -> None:
    assert "bundle client-config" in (ROOT / "docs" / "air-gap-walkthrough.md").read_text()
