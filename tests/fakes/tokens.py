"""A PKCS#11 token in software, SoftHSM2, with keys that OpenSC's tool made in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")
PIN = "123456"


def find_module() -> str | None:
    """Where SoftHSM2's module is on this host."""
    return next((path for path in _MODULES if Path(path).exists()), None)


@dataclass(frozen=True, slots=True)
class Token:
    """An initialised token: its module, its configuration, and its label."""

    module: str
    configuration: Path
    label: str = "officers"

    def uri(self, number: int) -> str:
        """The URI of a key."""
        return f"hsm:{number}?label={self.label}"

    def make_key(self, number: int, curve: str) -> None:
        """Make a key of `prime256v1` or `secp384r1`."""
        _run(
            "pkcs11-tool", "--module", self.module, "--token-label", self.label, "--login",
            "--pin", PIN, "--keypairgen", "--key-type", f"EC:{curve}", "--id", f"{number:02x}",
            "--usage-sign",
        )  # fmt: skip


@contextmanager
def soft_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Token]:
    """A token below `folder`; the test is skipped where the programs are not installed."""
    module = find_module()
    if not (module and shutil.which("softhsm2-util") and shutil.which("pkcs11-tool")):
        pytest.skip("softhsm2 and opensc are not installed")
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    monkeypatch.setenv("PYKCS11LIB", module)
    token = Token(module, configuration)
    _run("softhsm2-util", "--init-token", "--free", "--label", token.label, "--pin", PIN,
         "--so-pin", PIN)  # fmt: skip
    yield token


def _run(*words: str) -> Sequence[str]:
    done = subprocess.run(words, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout.splitlines()
