"""`bundle client-config`: settings of pip, uv, Poetry and PDM for a mirror."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from platformdirs import user_config_path

from bundler.cli.console import console
from bundler.cli.options import AsJson, Quiet
from bundler.disk import atomic_write
from bundler.errors import BundlerError
from bundler.model.canonical import Json
from bundler.report.client_config import Settings, Tool, Wanted, index_of, settings

if TYPE_CHECKING:
    from bundler.mirror.layout import Mirror


@dataclass(frozen=True, slots=True)
class Placed:
    """Settings, and the file of this user that they belong in; None where there is none."""

    settings: Settings
    path: Path | None


@dataclass(frozen=True, slots=True)
class ClientConfigResult:
    """What was printed or written.

    Attributes:
        written: Whether the files are there now.
    """

    index: str
    placed: Sequence[Placed]
    written: bool

    def to_json(self) -> Json:
        """Each tool with its text."""
        return {
            "index": self.index,
            "tools": [
                {
                    "tool": each.settings.tool.value,
                    "file": each.settings.file,
                    "path": str(each.path) if each.path else None,
                    "text": each.settings.text,
                    "notes": list(each.settings.notes),
                    "written": self.written and each.path is not None,
                }
                for each in self.placed
            ],
        }

    def to_text(self) -> str:
        """Each tool's text under its place, all else as comments."""
        return "\n".join(map(self._part, self.placed)).rstrip("\n")

    def _part(self, each: Placed) -> str:
        found, place = each.settings, each.path or each.settings.file
        done = self.written and each.path is not None
        head = [f"# {found.tool}: {'written to ' if done else ''}{place}"]
        lines = [*head, *(f"# {note}" for note in found.notes)]
        return "".join(f"{line}\n" for line in lines) + ("" if done else found.text)


def client_config(
    mirror: Annotated[
        str,
        typer.Argument(metavar="MIRROR|URL", help="The mirror's folder, or where it is served."),
    ],
    *,
    tool: Annotated[
        list[Tool] | None, typer.Option("--tool", help="Only for this one; may be repeated.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write this user's files, where there are none yet.")
    ] = False,
    require_hashes: Annotated[
        bool,
        typer.Option("--require-hashes", help="Install nothing that is not pinned by its hash."),
    ] = False,
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="Who vouches for the server's certificate, PEM."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show, or write, the settings with which pip, uv, Poetry and PDM use a mirror.

    A file that says something else is never replaced: then nothing is written.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        wanted = Wanted(_index(mirror), _authority(ca), require_hashes)
        placed = [
            Placed(settings(each, wanted), _place(each)) for each in dict.fromkeys(tool or Tool)
        ]
        if write:
            _write(placed)
        out.result(ClientConfigResult(wanted.index, placed, write))


def _index(mirror: str) -> str:
    if "://" not in mirror:
        return f"{_opened(Path(mirror)).simple.absolute().as_uri()}/"
    try:
        return index_of(mirror)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _opened(root: Path) -> Mirror:
    from bundler.mirror.layout import Mirror

    return Mirror.open(root)


def _authority(ca: Path | None) -> str | None:
    if ca is None:
        return None
    path = str(ca.absolute())
    if not ca.is_file() or not path.isprintable():
        raise BundlerError(f"{ca} is not a file", hint="--ca is a file with certificates, PEM")
    return path


def _place(tool: Tool) -> Path | None:
    """Where a tool looks for the settings of this user, by its documentation."""
    match tool:
        case Tool.PIP:
            return user_config_path("pip") / "pip.conf"
        case Tool.UV:
            home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
            return Path(home) / "uv" / "uv.toml"
        case Tool.PDM:
            return user_config_path("pdm") / "config.toml"
        case Tool.POETRY:
            return None


def _write(placed: Sequence[Placed]) -> None:
    """All files or none; one that has this very text stays.

    Raises:
        BundlerError: if one says something else, or cannot be written.
    """
    wanted = [(each.path, each.settings.text) for each in placed if each.path]
    if not wanted:
        raise BundlerError(
            "Poetry has no file of this user for that, so nothing was written",
            hint="leave --write out, and put what is printed into pyproject.toml",
        )
    missing = []
    for path, text in wanted:
        if not os.path.lexists(path):
            missing.append((path, text))
        elif not path.is_file() or path.read_bytes() != text.encode():
            raise BundlerError(
                f"{path} is there and says something else; nothing was written",
                hint="leave --write out, and put what is printed into it by hand",
            )
    for path, text in missing:
        atomic_write(path, text.encode())
