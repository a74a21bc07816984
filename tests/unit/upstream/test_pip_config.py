from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from bundler.errors import ProfileError
from bundler.upstream import pip_config
from bundler.upstream.pip_config import IndexUrl, default_index
from bundler.upstream.urls import Credentials


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A host of its own: home, global folders and environment below `tmp_path`."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    return {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_DIRS": f"{tmp_path}/xdg1:{tmp_path}/xdg2",
    }


def ask(environ: dict[str, str]) -> IndexUrl:
    """With an empty folder instead of the real /etc."""
    return pip_config.pip_index_url(environ, etc=Path(environ["HOME"]).parent / "etc")


def write(path: Path, url: str, key: str = "index-url") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[global]\n{key} = {url}\n")
    return path


def test_without_any_configuration_it_is_pips_own(environ: dict[str, str]) -> None:
    assert ask(environ).url == PYPI_SIMPLE_ENDPOINT
    assert ask(environ).credentials is None


def test_each_kind_overrides_those_before(environ: dict[str, str], tmp_path: Path) -> None:
    files = [
        "xdg1/pip/pip.conf",
        "xdg2/pip/pip.conf",
        "etc/pip.conf",
        "home/.pip/pip.conf",
        "home/.config/pip/pip.conf",
        "prefix/pip.conf",
    ]
    for number, name in enumerate(files):
        path = write(tmp_path / name, f"https://example.org/{number}")
        found = ask(environ)
        assert (found.url, found.origin) == (f"https://example.org/{number}/", str(path))
    environ["PIP_INDEX_URL"] = "https://example.org/env/"
    assert ask(environ).url == "https://example.org/env/"
    assert ask(environ).origin == "PIP_INDEX_URL"


def test_an_own_file_replaces_the_users_and_beats_the_others(
    environ: dict[str, str], tmp_path: Path
) -> None:
    write(tmp_path / "home/.pip/pip.conf", "https://example.org/user/")
    own = write(tmp_path / "own.conf", "https://example.org/own/", key="index_url")
    write(tmp_path / "prefix/pip.conf", "https://example.org/site/")
    environ["PIP_CONFIG_FILE"] = str(own)
    assert ask(environ).url == "https://example.org/own/"
    own.write_text("[install]\nindex-url = https://example.org/install/\n")
    assert ask(environ).url == "https://example.org/site/"
    (tmp_path / "prefix/pip.conf").unlink()
    assert ask(environ).url == PYPI_SIMPLE_ENDPOINT
    environ["PIP_CONFIG_FILE"] = str(tmp_path / "none.conf")
    assert ask(environ).url == "https://example.org/user/"


def test_devnull_means_no_file_at_all(environ: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "prefix/pip.conf", "https://example.org/site/")
    environ["PIP_CONFIG_FILE"] = os.devnull
    assert ask(environ).url == PYPI_SIMPLE_ENDPOINT


def test_the_users_folder_may_be_elsewhere(environ: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "cfg/pip/pip.conf", "https://example.org/cfg/")
    environ["XDG_CONFIG_HOME"] = str(tmp_path / "cfg")
    assert ask(environ).url == "https://example.org/cfg/"


def test_credentials_are_kept_apart(environ: dict[str, str]) -> None:
    environ["PIP_INDEX_URL"] = "https://me:secret@example.org/simple"
    found = ask(environ)
    assert found.url == "https://example.org/simple/"
    assert found.credentials == Credentials("me", "secret")
    assert "secret" not in repr(found)


def test_the_default_argument_is_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/here/")
    assert pip_config.pip_index_url().url == "https://example.org/here/"


def test_a_file_that_cannot_be_read_is_named_and_not_quoted(
    environ: dict[str, str], tmp_path: Path
) -> None:
    path = write(tmp_path / "prefix/pip.conf", "https://example.org/")
    path.write_text("https://me:secret@example.org/\n")
    with pytest.raises(
        ProfileError, match=r"prefix/pip.conf: pip's configuration cannot"
    ) as caught:
        ask(environ)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///s3/cret", "index-url does not begin with https:// or http://"),
        ("me:s3cret@example.org/simple", "index-url does not begin with https:// or http://"),
        ("https://[me:s3cret@example.org", "index-url is no address: its host or its port"),
        ("https://me:s3/cret@example.org/", "index-url is no address: its host or its port"),
        ("https://me:8080/s3cret@example.org/", 'index-url has an "@" in its path'),
        ("https://me/s3cret@example.org/", 'index-url has an "@" in its path'),
        ("https://me:s3#cret@example.org/", r'index-url has a "\?" or "#" in it'),
        ("https://me:s3?cret@example.org/", r'index-url has a "\?" or "#" in it'),
        ("https://example.org/?token=s3cret", r'index-url has a "\?" or "#" in it'),
        ("https://me:s3 cret@example.org/", "index-url has a space or a control character"),
        ("https://me:s3\ncret@example.org/", "index-url has a space or a control character"),
        ("https://me:s3cret@/", "index-url names no host"),
    ],
)
def test_an_address_that_cannot_be_used_is_not_quoted(
    environ: dict[str, str], tmp_path: Path, url: str, message: str
) -> None:
    environ["PIP_INDEX_URL"] = url
    with pytest.raises(ProfileError, match="^PIP_INDEX_URL: " + message) as caught:
        ask(environ)
    assert caught.value.hint == "give the index's address in the profile"
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)
    if "\n" not in url:
        del environ["PIP_INDEX_URL"]
        path = write(tmp_path / "etc/pip.conf", url)
        with pytest.raises(ProfileError, match=f"^{path}: {message}"):
            ask(environ)


def test_what_pip_would_heed_and_we_do_not_is_listed_without_values(
    environ: dict[str, str], tmp_path: Path
) -> None:
    path = write(tmp_path / "etc/pip.conf", "https://example.org/simple/")
    path.write_text(
        "[global]\nindex-url = https://example.org/simple/\nextra_index_url = s3cret\n"
        "no-index = false\nfind-links =\ntimeout = 3\n"
        "[install]\nindex-url = s3cret\nno-index = yes\nuser = 1\n"
    )
    environ |= {"PIP_CERT": "s3cret", "PIP_EXTRA_INDEX_URL": "s3cret", "PIP_NO_INDEX": "0"}
    found = ask(environ)
    assert found.url == "https://example.org/simple/"
    assert found.ignored == (
        f"extra-index-url in {path}",
        f"no-index in [install] of {path}",
        f"index-url in [install] of {path}",
        "PIP_EXTRA_INDEX_URL",
        "PIP_CERT",
    )
    environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_CERT": "", "PIP_EXTRA_INDEX_URL": " "}
    assert ask(environ).ignored == ()


def test_the_global_folder_has_a_default(environ: dict[str, str], tmp_path: Path) -> None:
    del environ["XDG_CONFIG_DIRS"]
    write(tmp_path / "etc/xdg/pip/pip.conf", "https://example.org/xdg/")
    assert ask(environ).url == "https://example.org/xdg/"


def test_pip_agrees(environ: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "home/.config/pip/pip.conf", "https://example.org/user/")
    write(tmp_path / "home/.pip/pip.conf", "https://example.org/legacy/")
    write(tmp_path / "xdg2/pip/pip.conf", "https://example.org/two/")
    write(tmp_path / "xdg1/pip/pip.conf", "https://example.org/one/")
    for gone in ("none", "home/.config/pip/pip.conf", "home/.pip/pip.conf"):
        (tmp_path / gone).unlink(missing_ok=True)
        told = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"],
            env={**environ, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        )
        ours = pip_config.pip_index_url(environ).url
        assert f"global.index-url='{ours}'" in told.stdout.splitlines()


def test_the_default_index_is_read_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_index() == PYPI_SIMPLE_ENDPOINT
    other = tmp_path / "pypi_simple.py"
    other.write_text("PYPI_SIMPLE: str = 'https://example.org/simple/'\n")
    spec = ModuleSpec("pypi_simple", None, origin=str(other))
    for found in (spec, None):
        monkeypatch.setattr(pip_config, "find_spec", lambda _name, found=found: found)
        with pytest.raises(ProfileError, match="pip's default index is not known") as caught:
            default_index()
        assert caught.value.hint == "name an index in the profile"
