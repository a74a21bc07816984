"""`verify.py` beside the volumes, byte for byte as this installation has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from bundler.disk import no_room_explained
from bundler.errors import BundlerError

PROGRAM = "verify.py"


def program() -> bytes:
    """The bytes of the program."""
    return (files("bundler.second_opinion") / PROGRAM).read_bytes()


def check_place(out: Path) -> None:
    """See early that the folder has no `verify.py` of somebody else.

    Raises:
        BundlerError: if it has, or if that cannot be seen.
    """
    path = out / PROGRAM
    title = program().partition(b"\n")[0]
    try:
        ours = not os.path.lexists(path) or path.read_bytes().startswith(title)
    except OSError as error:
        raise BundlerError(f"{path} cannot be read: {error.strerror or error}") from error
    if not ours:
        raise BundlerError(
            f"{path} exists already and is another program", hint="give another folder with -o"
        )


@contextmanager
def program_beside(out: Path, stem: str) -> Iterator[None]:
    """Write the program into the folder; it gets its name when the block went well.

    One of an older version is replaced. Until then it is `.STEM.verify.part`.

    Raises:
        BundlerError: if the disk is full.
    """
    part = out / f".{stem}.verify.part"
    try:
        with no_room_explained(out), part.open("wb") as file:
            file.write(program())
            file.flush()
            os.fsync(file.fileno())
        yield
        part.replace(out / PROGRAM)
    finally:
        part.unlink(missing_ok=True)
