"""Clients that others wrote, each in an environment of its own, made once and kept.

They come from the index that this host's pip uses; the folder is kept from run to run. Set
`BUNDLER_CLIENTS` to have it elsewhere.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

WANTED: Mapping[str, Sequence[str]] = {
    "pip-old": ["pip==22.3.1"],  # among the first that read METADATA beside a wheel
    "poetry": ["poetry"],
    # The newest that works with what an index gives for its requirements.
    "pdm": ["pdm==2.26.6", "unearth==0.17.5", "hishel[httpx]==1.1.7"],
    "bandersnatch": ["bandersnatch"],
}


def clients_folder() -> Path:
    """Where they are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Path(os.environ.get("BUNDLER_CLIENTS") or Path(cache) / "bundler-clients") / version


@functools.cache
def make_clients() -> str:
    """Make what is not there yet; why that was not possible, empty when all are there."""
    for name, requirements in WANTED.items():
        folder = clients_folder() / name
        if (folder / "whole").exists():
            continue
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python"]
        made = subprocess.run(
            [*pip, "install", "--quiet", "--disable-pip-version-check", *requirements],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if made.returncode:
            return f"no index gives {' and '.join(requirements)}: {made.stderr.strip()[-300:]}"
        (folder / "whole").touch()
    return ""


def require_clients() -> Path:
    """The folder with all of them; skip the test, with the reason, where they cannot be had."""
    if reason := make_clients():
        pytest.skip(reason)
    return clients_folder()
