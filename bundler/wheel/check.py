"""A file against what it was planned with, whichever kind it is."""

from __future__ import annotations

from typing import IO

from bundler.model.artifact import Sha256, is_sdist
from bundler.wheel.metadata import check_wheel
from bundler.wheel.sdist import check_sdist


def check_file(
    file: IO[bytes], filename: str, metadata: Sha256, requires_python: str | None = None
) -> bytes | None:
    """METADATA of a wheel, to be served beside it; None of a source distribution, which has none.

    Raises:
        WheelError: as `check_wheel`.
        SdistError: as `check_sdist`.
    """
    if is_sdist(filename):
        check_sdist(file, filename, metadata, requires_python)
        return None
    return check_wheel(file, filename, metadata, requires_python)
