"""Where things are kept on the connected host (design: keys, streams, cache)."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from bundler.disk import atomic_write
from bundler.errors import BundlerError

_APP = "bundler"
_SECRET_SIZE: Final = 32


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


def cache_secret(home: Home) -> bytes:
    """What proves that this program wrote an entry of the cache; it lies beside the streams.

    Made when there is none. If it is lost or cannot be kept, the cache is as good as empty.
    """
    path = home.streams.parent / "cache.secret"
    with suppress(OSError):
        found = path.read_bytes()
        if len(found) == _SECRET_SIZE:
            return found
    secret = secrets.token_bytes(_SECRET_SIZE)
    with suppress(BundlerError):
        atomic_write(path, secret, 0o600)
    return secret
