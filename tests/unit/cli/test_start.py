from __future__ import annotations

import subprocess
import sys

_LOADED = "import sys, bundler.cli.main; print(*sorted(sys.modules))"

LATER = {
    "pydantic": "reads profiles, which only some commands do",
    "httpx": "is for the outside",
    "resolvelib": "is for the outside",
    "sigstore": "judges attestations, where there are any",
    "tuf": "is not needed to print a help",
    "granian": "serves",
}


def test_a_command_loads_what_it_needs_and_no_more() -> None:
    words = [sys.executable, "-c", _LOADED]
    loaded = set(subprocess.check_output(words, text=True).split())
    assert "typer" in loaded
    assert not loaded & LATER.keys()
