from __future__ import annotations

import configparser
import tomllib

import pytest

from bundler.report.client_config import Tool, Wanted, index_of, settings

URL = "https://mirror.example.org/simple/"


@pytest.mark.parametrize(
    "url",
    [
        "https://mirror.example.org",
        "https://mirror.example.org/",
        "https://mirror.example.org/simple",
        "https://mirror.example.org/simple/",
    ],
)
def test_an_index_from_what_people_type(url: str) -> None:
    assert index_of(url) == URL


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://mirror.example.org/", "neither a folder nor"),
        ("https:///simple", "neither a folder nor"),
        ("https://me:secret@mirror.example.org/", "credentials do not belong"),
        ("https://mirror.example.org/?a", "more behind its path"),
        ("https://mirror.example.org/#a", "more behind its path"),
        ("https://mirror.example.org/\nindex-url = x", "is not an address"),
        ("https://mirror.example.org/a b", "is not an address"),
    ],
)
def test_what_is_no_address(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        index_of(url)
    assert "secret" not in str(caught.value)


def _pip(wanted: Wanted) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(settings(Tool.PIP, wanted).text)
    return parser


def test_pip() -> None:
    found = _pip(Wanted(URL, "/etc/ca%s.pem", require_hashes=True))
    assert found["global"]["index-url"] == URL
    assert found["global"]["cert"] == "/etc/ca%s.pem"
    for command in ("install", "download", "wheel"):
        assert found[command]["require-hashes"] == "true"
    assert _pip(Wanted(URL)).sections() == ["global"]


@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        ("localhost", False),
        ("127.0.0.1", False),
        ("[::1]", False),
        ("10.0.0.1", True),
        ("a.b", True),
    ],
)
def test_pip_trusts_a_host_without_tls_only_by_name(host: str, trusted: bool) -> None:  # noqa: FBT001
    wanted = Wanted(f"http://{host}:80/simple/")
    found = _pip(wanted)
    assert found["global"].get("trusted-host") == (host if trusted else None)
    assert bool(settings(Tool.PIP, wanted).notes) is trusted


def test_uv() -> None:
    found = settings(Tool.UV, Wanted(URL, "/ca.pem", require_hashes=True))
    assert tomllib.loads(found.text) == {
        "python-downloads": "never",
        "pip": {"require-hashes": True},
        "index": [{"name": "mirror", "url": URL, "default": True}],
    }
    assert found.notes[0].endswith("SSL_CERT_FILE=/ca.pem")
    assert len(found.notes) == 2
    assert settings(Tool.UV, Wanted(URL)).notes == ()
    assert "pip" not in tomllib.loads(settings(Tool.UV, Wanted(URL)).text)


def test_poetry() -> None:
    found = settings(Tool.POETRY, Wanted(URL, "/ca.pem"))
    source = {"name": "mirror", "url": URL, "priority": "primary"}
    assert tomllib.loads(found.text) == {"tool": {"poetry": {"source": [source]}}}
    assert found.notes[1] == "once: poetry config certificates.mirror.cert /ca.pem"
    assert len(settings(Tool.POETRY, Wanted(URL)).notes) == 1
    local = settings(Tool.POETRY, Wanted("file:///mirror/simple/"))
    assert local.text == ""
    assert "web servers only" in local.notes[0]


def test_pdm() -> None:
    found = tomllib.loads(settings(Tool.PDM, Wanted(URL, "/ca.pem")).text)
    pypi = {"url": URL, "verify_ssl": True, "ca_certs": "/ca.pem"}
    assert found == {"check_update": False, "pypi": pypi}
    assert "ca_certs" not in settings(Tool.PDM, Wanted(URL)).text
