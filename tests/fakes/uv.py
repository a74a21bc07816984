"""uv, asked what it would install."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_PIN = re.compile(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)


def uv_command(index_url: str, python: str, platform: str, cache: Path) -> list[str]:
    """The command line that resolves standard input for one target, with wheels only.

    The running Python is named, or uv looks at every Python of this host, which takes longer.
    """
    return [
        *("uv", "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--no-config"),
        *("--only-binary", ":all:", "--python", sys.executable, "--python-version", python),
        *("--python-platform", platform, "--index-url", index_url, "--cache-dir", str(cache)),
    ]


def uv_resolve(
    requirements: Sequence[str], *, index_url: str, python: str, platform: str, cache: Path
) -> dict[str, str] | None:
    """What uv resolves `requirements` to for a target; None when it finds no solution.

    Raises:
        RuntimeError: when it fails for another reason.
    """
    done = subprocess.run(
        uv_command(index_url, python, platform, cache),
        input="\n".join(requirements),
        text=True,
        capture_output=True,
        check=False,
        env=uv_environment(),
    )
    if done.returncode == 0:
        return dict(_PIN.findall(done.stdout))
    if "No solution found" in done.stderr:
        return None
    raise RuntimeError(done.stderr)


def uv_environment() -> dict[str, str]:
    """The environment without any setting of uv or pip: no other index, no downloads of Pythons."""
    rest = {
        name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))
    }
    no_proxy = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))
    return {**rest, "UV_PYTHON_DOWNLOADS": "never", "NO_PROXY": no_proxy}
