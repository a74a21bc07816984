"""The officers' word that was staged last, as a stream's folder remembers it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tuf.api.metadata import Targets

from bundler.disk import atomic_write, read_whole
from bundler.trust.metadata import read_metadata

_STAGED: Final = "staged.targets.json"


def remember_draft(folder: Path, word: bytes) -> None:
    """Remember what was staged last, whoever signs it elsewhere.

    Raises:
        BundlerError: if it cannot be written.
    """
    atomic_write(folder / _STAGED, word)


def is_draft(folder: Path, word: bytes) -> bool:
    """Whether this is what was staged last, but for signatures.

    Raises:
        DamagedError: if one of the two cannot be read.
    """
    path = folder / _STAGED
    if not path.exists():
        return False
    last = read_metadata(str(path), read_whole(path), Targets)
    return last.signed == read_metadata("what was staged", word, Targets).signed
