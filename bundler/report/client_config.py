"""Settings with which pip, uv, Poetry and PDM use a mirror and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import tomli_w

_SIMPLE: Final = "simple"


class Tool(StrEnum):
    """A client."""

    PIP = "pip"
    UV = "uv"
    POETRY = "poetry"
    PDM = "pdm"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings shall say.

    Attributes:
        index: The address of the mirror's `simple/`, see `index_of`.
        ca: The path of a file with the authority that vouches for the server (PEM).
        require_hashes: Install nothing whose digest is not in the requirements.
    """

    index: str
    ca: str | None = None
    require_hashes: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """For one tool.

    Attributes:
        file: What the text is for, as people call it.
        text: Empty where the tool cannot use this mirror.
        notes: What else is to be known or done.
    """

    tool: Tool
    file: str
    text: str
    notes: tuple[str, ...] = ()


def index_of(url: str) -> str:
    """The index of a mirror that is served at `url`, with or without `simple/`.

    Raises:
        ValueError: if it is no address of a web server, or has credentials in it.
    """
    if not url.isprintable() or " " in url:
        raise ValueError(f"{url!r:.120} is not an address")
    split = urlsplit(url)
    if split.scheme not in {"http", "https"} or not split.hostname:
        raise ValueError(f"{url!r:.120} is neither a folder nor an http(s) address")
    if "@" in split.netloc:
        raise ValueError("credentials do not belong in these files: pip, uv and PDM read ~/.netrc")
    if split.query or split.fragment:
        raise ValueError(f"{url!r:.120} has more behind its path than an index has")
    base = url.rstrip("/")
    return f"{base}/" if base.rpartition("/")[2] == _SIMPLE else f"{base}/{_SIMPLE}/"


def settings(tool: Tool, wanted: Wanted) -> Settings:
    """The settings of one tool."""
    return _MAKERS[tool](wanted)


def _pip(wanted: Wanted) -> Settings:
    """As pip documents its configuration files; nothing in a value is interpolated."""
    host = urlsplit(wanted.index).hostname
    lines = ["[global]", f"index-url = {wanted.index}"]
    notes = []
    if wanted.ca:
        lines.append(f"cert = {wanted.ca}")
    if wanted.index.startswith("http:") and host and not _is_loopback(host):
        lines.append(f"trusted-host = {host}")
        notes.append("without TLS, anyone between here and the server can change what arrives")
    if wanted.require_hashes:
        for command in ("install", "download", "wheel"):
            lines += ["", f"[{command}]", "require-hashes = true"]
    return Settings(Tool.PIP, "pip.conf", "".join(f"{line}\n" for line in lines), tuple(notes))


def _uv(wanted: Wanted) -> Settings:
    # Otherwise it would ask for Pythons where there is no network.
    document: dict[str, object] = {"python-downloads": "never"}
    if wanted.require_hashes:
        document["pip"] = {"require-hashes": True}
    index = _entry("index", {"name": "mirror", "url": wanted.index, "default": True})
    notes = [f"uv reads the authority from its environment: SSL_CERT_FILE={wanted.ca}"]
    if wanted.require_hashes:
        notes.append("`uv sync` always holds files against the hashes in uv.lock")
    used = notes[0 if wanted.ca else 1 :]
    return Settings(Tool.UV, "uv.toml", f"{tomli_w.dumps(document)}\n{index}", tuple(used))


def _poetry(wanted: Wanted) -> Settings:
    file = "pyproject.toml of each project"
    if not wanted.index.startswith("http"):
        note = "Poetry reads indexes from web servers only: `bundle serve`, or any other one"
        return Settings(Tool.POETRY, file, "", (note,))
    source = {"name": "mirror", "url": wanted.index, "priority": "primary"}
    text = _entry("tool.poetry.source", source)
    notes = ["Poetry keeps sources in projects, and always checks the hashes in poetry.lock"]
    if wanted.ca:
        notes.append(f"once: poetry config certificates.mirror.cert {wanted.ca}")
    return Settings(Tool.POETRY, file, text, tuple(notes))


def _pdm(wanted: Wanted) -> Settings:
    pypi: dict[str, object] = {"url": wanted.index, "verify_ssl": True}
    if wanted.ca:
        pypi["ca_certs"] = wanted.ca
    text = tomli_w.dumps({"check_update": False, "pypi": pypi})
    note = "PDM always checks the hashes in pdm.lock"
    return Settings(Tool.PDM, "config.toml", text, (note,))


_MAKERS: Final = {Tool.PIP: _pip, Tool.UV: _uv, Tool.POETRY: _poetry, Tool.PDM: _pdm}


def _entry(name: str, values: Mapping[str, object]) -> str:
    """A table of an array of tables, which may be put behind others."""
    return f"[[{name}]]\n{tomli_w.dumps(values)}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
