"""Options that say how volumes shall be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bundler.model.volume_size import MEDIA, parse_volume_size

if TYPE_CHECKING:
    from bundler.packable import Shape

_WHAT = "What is carried"

VolumeSize = Annotated[
    str | None,
    typer.Option(
        "--volume-size",
        metavar="SIZE",
        help=f"Make volumes of this size at most: {', '.join(MEDIA)}, or decimal such as 4.7GB.",
        rich_help_panel=_WHAT,
    ),
]
Plain = Annotated[
    bool,
    typer.Option("--plain", help="Make plain .tar volumes, not compressed.", rich_help_panel=_WHAT),
]
AsFiles = Annotated[
    bool,
    typer.Option(
        "--as-files",
        help="Make a folder of plain files, for a guard that looks into each.",
        rich_help_panel=_WHAT,
    ),
]
Parity = Annotated[
    int,
    typer.Option(
        "--parity",
        metavar="N",
        min=0,
        max=4,
        help="Add N volumes from which any N lost ones can be rebuilt.",
        rich_help_panel=_WHAT,
    ),
]


def shape_of(size: str | None, *, plain: bool, as_files: bool, parity: int) -> Shape:
    """What the options ask for.

    Raises:
        typer.BadParameter: if they do not go together.
    """
    from bundler.packable import Shape

    if plain and as_files:
        raise typer.BadParameter("give one of --plain and --as-files")
    if as_files and (size or parity):
        raise typer.BadParameter("a folder of files is one volume: no --volume-size, no --parity")
    try:
        wanted = None if size is None else parse_volume_size(size)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--volume-size") from error
    return Shape(
        size=wanted, form="files" if as_files else "tar" if plain else "zst", parity=parity
    )
