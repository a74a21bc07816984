"""Options that several commands share, so that they are spelt the same everywhere."""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
HomeFolder = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        envvar="BUNDLER_HOME",
        help="Keep keys, streams and cache below this folder.",
        file_okay=False,
    ),
]
MirrorFolder = Annotated[Path, typer.Argument(metavar="MIRROR", help="The mirror's folder.")]
Into = Annotated[Path, typer.Option("--into", metavar="MIRROR", help="The mirror's folder.")]


def now() -> datetime:
    """The time; nothing else in this program reads a clock."""
    return datetime.now(UTC)  # noqa: TID251 - this is the place


def account() -> str:
    """The name of the account that runs this, as the system knows it, whatever is in `USER`."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
