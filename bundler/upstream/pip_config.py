"""The index that pip is configured for on this host, found without running pip.

Order of pip's documentation ("Configuration", "Location" and "Precedence"): each kind overrides
those before it: global files, the user's, that of the environment, PIP_CONFIG_FILE, PIP_INDEX_URL.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bundler.errors import ProfileError
from bundler.upstream.urls import Credentials, shown, split_credentials


@dataclass(frozen=True, slots=True)
class IndexUrl:
    """An index's address; it holds no secret, and `repr` shows none.

    Attributes:
        url: Without credentials, ending in "/".
        credentials: Those that stood in it, for `Transport(credentials={url: …})`.
        origin: Where it was found, for people.
    """

    url: str
    credentials: Credentials | None
    origin: str


def pip_index_url(environ: Mapping[str, str] = os.environ, *, etc: Path = Path("/etc")) -> IndexUrl:
    """What `pip download` would use here as its index.

    Raises:
        ProfileError: if a configuration file cannot be read, or the address is no http address.
    """
    found = environ.get("PIP_INDEX_URL", "").strip()
    origin = "PIP_INDEX_URL"
    for path in () if found else _files(environ, etc):
        value = _read(path)
        if value:
            found, origin = value, str(path)
    if not found:
        # Imported here because it costs 0.3 s.
        from pypi_simple import PYPI_SIMPLE_ENDPOINT  # noqa: PLC0415 - as said above

        found, origin = PYPI_SIMPLE_ENDPOINT, "pip's default"
    return _checked(found, origin)


def _checked(text: str, origin: str) -> IndexUrl:
    hint = "give the index's address in the profile"
    try:
        url, credentials = split_credentials(text)
    except ValueError as error:
        raise ProfileError(f"{origin}: index-url is no address", hint=hint) from error
    if not url.startswith(("https://", "http://")):
        raise ProfileError(f"{origin}: index-url {shown(url)} is not http or https", hint=hint)
    return IndexUrl(url.rstrip("/") + "/", credentials, origin)


def _files(environ: Mapping[str, str], etc: Path) -> Iterator[Path]:
    """The configuration files, the most important one last; pip does the same."""
    own = environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return
    for folder in (environ.get("XDG_CONFIG_DIRS") or str(etc / "xdg")).split(os.pathsep):
        yield Path(folder, "pip", "pip.conf")
    yield etc / "pip.conf"
    home = Path(environ.get("HOME") or Path.home())
    if not (own and Path(own).exists()):
        yield home / ".pip" / "pip.conf"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf")
    yield Path(sys.prefix, "pip.conf")
    if own:
        yield Path(own)


def _read(path: Path) -> str:
    """`index-url` of the section `global`, "" when there is none."""
    parser = configparser.RawConfigParser()
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # The parser's own message quotes lines, which may hold a password.
        raise ProfileError(f"{path}: pip's configuration cannot be read") from error
    if not parser.has_section("global"):
        return ""
    values = {name.replace("_", "-"): value for name, value in parser.items("global")}
    return (values.get("index-url") or "").strip()
