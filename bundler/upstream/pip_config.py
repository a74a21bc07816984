"""The index that pip is configured for on this host, found without running pip.

Order of pip's documentation ("Configuration", "Location" and "Precedence"): each kind overrides
those before it: global files, the user's, that of the environment, PIP_CONFIG_FILE, PIP_INDEX_URL.
"""

from __future__ import annotations

import ast
import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from bundler.errors import ProfileError
from bundler.model.index_url import parse_index_url
from bundler.upstream.urls import Credentials, split_credentials

_KEY: Final = "index-url"
_UNHEEDED: Final = (
    "extra-index-url",
    "no-index",
    "find-links",
    "cert",
    "client-cert",
    "proxy",
    "trusted-host",
)
_OFF: Final = frozenset({"", "0", "false", "f", "no", "n", "off"})


@dataclass(frozen=True, slots=True)
class IndexUrl:
    """An index's address; it holds no secret, and `repr` shows none.

    Attributes:
        url: Without credentials, ending in "/".
        credentials: Those that stood in it, for `Transport(credentials={url: …})`.
        origin: Where it was found, for people.
        ignored: Settings of pip that matter and are not followed: names and places, no values.
    """

    url: str
    credentials: Credentials | None
    origin: str
    ignored: tuple[str, ...] = ()


def pip_index_url(environ: Mapping[str, str] = os.environ, *, etc: Path = Path("/etc")) -> IndexUrl:
    """What `pip download` would use here as its index; of pip's settings, only that is followed.

    Raises:
        ProfileError: if a configuration file cannot be read, or the address is no http address.
    """
    found, origin, ignored = "", "", []
    for path in _files(environ, etc):
        for section, values in _read(path).items():
            if section == "global":
                if values.get(_KEY):
                    found, origin = values[_KEY], str(path)
                ignored += [f"{key} in {path}" for key in _unheeded(values)]
            else:
                names = [*_unheeded(values), *({_KEY} & values.keys())]
                ignored += [f"{key} in [{section}] of {path}" for key in names]
    variables = {
        name.removeprefix("PIP_").lower().replace("_", "-"): value.strip()
        for name, value in environ.items()
        if name.startswith("PIP_")
    }
    if variables.get(_KEY):
        found, origin = variables[_KEY], "PIP_INDEX_URL"
    ignored += ["PIP_" + key.upper().replace("-", "_") for key in _unheeded(variables)]
    if not found:
        found, origin = default_index(), "pip's default"
    return _checked(found, origin, tuple(ignored))


def default_index() -> str:
    """The index that pip uses unless told otherwise, as the package `pypi_simple` has it.

    Its source is read for it: to import the package takes longer than anything else at the start.
    """
    spec = find_spec("pypi_simple")
    if spec is not None and spec.origin is not None:
        for statement in ast.parse(Path(spec.origin).read_bytes()).body:
            match statement:
                case ast.AnnAssign(ast.Name("PYPI_SIMPLE_ENDPOINT"), value=ast.Constant(str(url))):
                    return url
    raise ProfileError("pip's default index is not known", hint="name an index in the profile")


def _unheeded(values: Mapping[str, str]) -> Iterator[str]:
    """Those of pip's settings that change where it looks or whom it trusts."""
    for key in _UNHEEDED:
        if values.get(key, "").lower() not in _OFF:
            yield key


def _checked(text: str, origin: str, ignored: tuple[str, ...]) -> IndexUrl:
    try:
        parse_index_url(text)
    except ValueError as error:
        hint = "give the index's address in the profile"
        raise ProfileError(f"{origin}: {_KEY} {error}", hint=hint) from error
    url, credentials = split_credentials(text)
    return IndexUrl(url.rstrip("/") + "/", credentials, origin, ignored)


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


def _read(path: Path) -> dict[str, dict[str, str]]:
    """The settings by section; the names as pip's options have them."""
    parser = configparser.RawConfigParser()
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # The parser's own message quotes lines, which may hold a password.
        raise ProfileError(f"{path}: pip's configuration cannot be read") from error
    return {
        section: {
            name.replace("_", "-"): (value or "").strip() for name, value in parser.items(section)
        }
        for section in parser.sections()
    }
