"""Passphrases and PINs: from a file descriptor, the environment or a prompt; never an argument.

Whatever is on a command line, every user of the host can read.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from bundler.errors import BundlerError

VARIABLE = "BUNDLER_PASSPHRASE"

PassphraseFd = Annotated[
    int | None,
    typer.Option(
        "--passphrase-fd",
        metavar="N",
        min=0,
        help="Read passphrases and PINs from this file descriptor, a line for each key.",
    ),
]

_WAYS = (
    f"run it in a terminal, set {VARIABLE} (or {VARIABLE}_NAME for the key NAME),"
    " or give --passphrase-fd"
)
_LONGEST = 4096


def ask_secrets(descriptor: int | None) -> Callable[[str], str]:
    """How keys get their passphrases in this run; each is asked for once."""
    known: dict[str, str] = {}
    lines = _lines(descriptor) if descriptor is not None else None

    def ask(what: str) -> str:
        if what not in known:
            known[what] = _find(what, lines)
        return known[what]

    return ask


def new_passphrase(name: str, descriptor: int | None) -> str:
    """A passphrase for a key that is about to be made, typed twice when it is typed.

    Raises:
        BundlerError: if there is no way to get one, or it is empty.
    """
    what = f"new passphrase of {name}"
    found = _from_elsewhere(name, _lines(descriptor) if descriptor is not None else None)
    if found is None:
        _check_terminal(what)
        found = typer.prompt(what, hide_input=True, confirmation_prompt=True, err=True)
    return _checked(what, found)


def _find(what: str, lines: list[str] | None) -> str:
    found = _from_elsewhere(_key_of(what), lines)
    if found is None:
        _check_terminal(what)
        found = typer.prompt(what, hide_input=True, err=True)
    return _checked(what, found)


def _from_elsewhere(name: str, lines: list[str] | None) -> str | None:
    if lines is not None:
        if not lines:
            raise BundlerError(
                "the file descriptor of --passphrase-fd has too few lines",
                hint="write a line for each key, in the order in which they are asked for",
            )
        # One line does for all keys.
        return lines.pop(0) if len(lines) > 1 else lines[0]
    return _from_environment(os.environ, name)


def _from_environment(environ: Mapping[str, str], name: str) -> str | None:
    own = f"{VARIABLE}_{re.sub('[^A-Z0-9]', '_', name.upper())}"
    return environ.get(own, environ.get(VARIABLE))


def _key_of(what: str) -> str:
    """The key's name in `passphrase of /home/ana/ana.key`; a token's URI is its own name."""
    where = what.partition(" of ")[2]
    return Path(where).stem if where.endswith(".key") else where


def _lines(descriptor: int) -> list[str]:
    try:
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(_LONGEST).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BundlerError(
            f"no passphrase can be read from file descriptor {descriptor}",
            hint="as in: bundle sign STAGED --key ana --passphrase-fd 3 3< FILE",
        ) from error


def _check_terminal(what: str) -> None:
    if not sys.stdin.isatty():
        raise BundlerError(f"the {what} is needed, and there is nobody to ask", hint=_WAYS)


def _checked(what: str, found: str) -> str:
    if not found:
        raise BundlerError(f"the {what} is empty", hint=_WAYS)
    return found
