"""Where things are kept on the connected host (design: keys, streams, cache)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import platformdirs

_APP = "bundler"


@dataclass(frozen=True, slots=True)
class Home:
    """Three folders.

    Attributes:
        keys: Private keys; nobody else may read it.
        streams: One folder for each stream: its TUF metadata and past manifests. Precious.
        cache: Downloaded blobs; when it is lost, time is lost and nothing else.
    """

    keys: Path
    streams: Path
    cache: Path


def find_home(folder: Path | None) -> Home:
    """The folders below `folder`, or where the operating system wants them."""
    if folder is not None:
        root = folder.absolute()
        return Home(root / "keys", root / "streams", root / "cache")
    dirs = platformdirs.PlatformDirs(_APP, appauthor=False)
    return Home(
        dirs.user_config_path / "keys", dirs.user_data_path / "streams", dirs.user_cache_path
    )
