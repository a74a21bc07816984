"""Commands in an empty network namespace: with loopback, and nothing else that could answer."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

# Loopback is down in a new namespace. SIOCGIFFLAGS, SIOCSIFFLAGS and IFF_UP of <linux/sockios.h>
# and <linux/if.h>: as `ip link set lo up`, which not every host has.
_UP = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    flags = struct.unpack("16sh", fcntl.ioctl(probe, 0x8913, struct.pack("16sh", b"lo", 0)))[1]
    fcntl.ioctl(probe, 0x8914, struct.pack("16sh", b"lo", flags | 1))
os.execvpe(sys.argv[1], sys.argv[1:], os.environ)
"""
_UNSHARE = ("unshare", "--net", "--map-root-user")


@functools.cache
def isolation_error() -> str:
    """Why no namespace can be made here; empty when one can."""
    if not shutil.which("unshare"):
        return "there is no unshare command"
    argv = [*_UNSHARE, sys.executable, "-c", _UP, "true"]
    probe = subprocess.run(argv, capture_output=True, text=True, check=False)
    return "" if probe.returncode == 0 else f"unshare is not permitted: {probe.stderr.strip()}"


def require_isolation() -> None:
    """Skip the test, with the reason, where no namespace can be made."""
    if reason := isolation_error():
        pytest.skip(reason)


def clean_environment(home: Path) -> dict[str, str]:
    """An environment without any setting of this host for pip, uv or a proxy."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_CACHE_DIR": str(home / "pip-cache"),
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(home / "uv-cache"),
        "PYTHONPATH": str(Path(__file__).parents[2]),  # the server's code
    }


def run_isolated(
    argv: Sequence[str | Path], env: Mapping[str, str], cwd: Path, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command in an empty network namespace and wait for it; output is text."""
    command = [*_UNSHARE, sys.executable, "-c", _UP, *map(str, argv)]
    return subprocess.run(
        command,
        env=dict(env),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
