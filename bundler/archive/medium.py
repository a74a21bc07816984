"""Where volumes come from: files, folders, and a pipe in which one stands behind the other."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from bundler.archive.failures import Failures
from bundler.archive.folder_source import Folder
from bundler.archive.head import HEAD_FILE, Head, read_head
from bundler.archive.source import Source
from bundler.errors import BundlerError, DamagedError
from bundler.model.volume import VolumeIndex

PIPE: Final = Path("-")
"""Stands for standard input among the volumes of a command."""

_VOLUME: Final = re.compile(r"[a-z0-9-]+-\d{6,}\.v\d{2,}(?:\.tar(?:\.zst)?)?", re.ASCII)


def meant(named: Iterable[Path]) -> list[Path]:
    """The volumes that a command names: of a folder that is none itself, all that lie in it.

    Raises:
        BundlerError: if a folder cannot be read.
    """
    found: list[Path] = []
    for path in named:
        inside: list[Path] = []
        if path.is_dir() and not os.path.lexists(path / HEAD_FILE):
            try:
                inside = [each for each in path.iterdir() if _is_volume(each)]
            except OSError as error:
                raise BundlerError(f"{path}: {error.strerror or error}".lower()) from error
        found += sorted(inside) or [path]
    return found


def _is_volume(path: Path) -> bool:
    whole = path / HEAD_FILE if path.is_dir() else path
    return _VOLUME.fullmatch(path.name) is not None and whole.is_file()


@contextmanager
def opened(volume: Path) -> Iterator[Source]:
    """A volume that is a file or a folder, for reading only.

    Raises:
        BundlerError: if it cannot be opened.
    """
    if volume.is_dir():
        with Folder(volume) as folder:
            yield folder
        return
    try:
        file = volume.open("rb")
    except OSError as error:
        raise BundlerError(f"{volume}: {error.strerror or error}".lower()) from error
    with file:
        yield Source(file)


def head_of(source: Source) -> Head:
    """Read the head of a volume of any form; the source then stands behind it.

    Raises:
        DamagedError, BundlerError: as `read_head`.
    """
    return source.head() if isinstance(source, Folder) else read_head(source)


def check_form(source: Source, head: Head, index: VolumeIndex) -> None:
    """Refuse a volume that does not look as its index says.

    Raises:
        DamagedError: if it does not.
    """
    if head.form != index.form:
        raise DamagedError(
            f"{source.name} has the form {head.form!r}; {index.form!r} was signed",
            hint="have the volume sent again",
        )


def sources(volumes: Iterable[Path], pipe: BinaryIO, failures: Failures) -> Iterator[Source]:
    """The volumes of a command, each once; those that cannot be opened are failures."""
    for volume in dict.fromkeys(volumes):
        with ExitStack() as stack:
            found: Iterable[Source] = ()
            with failures.collected():
                found = (
                    volumes_in(pipe) if volume == PIPE else [stack.enter_context(opened(volume))]
                )
            yield from found


def volumes_in(stream: BinaryIO) -> Iterator[Source]:
    """The volumes in a pipe, one behind the other.

    After one that could not be read to its end, whatever follows cannot be told apart: it is left.
    """
    pipe = io.BufferedReader(stream)  # type: ignore[type-var] # any stream that can be read
    try:
        number = 0
        while pipe.peek(1) or not number:  # of an empty pipe, the head says that it is empty
            number += 1
            source = Source(pipe, name=f"standard input, volume {number}", piped=True)
            yield source
            if not source.done:
                return
    finally:
        pipe.detach()


def read_heads(volumes: Iterable[Path], pipe: BinaryIO) -> list[Head]:
    """The heads of volumes; nothing of them is verified.

    Raises:
        DamagedError: if a file is not a bundle volume, or they are not all of one bundle.
    """
    found: list[Head] = []
    failures = Failures()
    for source in sources(volumes, pipe, failures):
        with failures.collected():
            head = head_of(source)
            if found and head.entries.get("manifest.json") != found[0].entries.get("manifest.json"):
                raise DamagedError(
                    f"{source.name} is of another bundle than the volumes before it",
                    hint="inspect the volumes of one bundle at a time",
                )
            found.append(head)
    failures.raise_all()
    return found
