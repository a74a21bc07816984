"""Commands that a document shows, for tests that run them."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shown:
    """A command behind a prompt, and the lines that it is said to print."""

    command: str
    output: tuple[str, ...]


def section(document: str, heading: str) -> str:
    """What stands between a heading of the second level and the next one."""
    _, found, rest = document.partition(f"\n## {heading}\n")
    assert found, f"no heading {heading}"
    return rest.partition("\n## ")[0]


def blocks(text: str, kind: str) -> list[str]:
    """The code blocks of one kind."""
    return [block for found, block in _BLOCK.findall(text) if found == kind]


def shown_commands(text: str) -> list[Shown]:
    """Every command in the `console` blocks, in order."""
    found: list[tuple[str, list[str]]] = []
    for block in blocks(text, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return [Shown(command, tuple(output)) for command, output in found]


def put_bundle_on_path(folder: Path) -> Path:
    """A folder with a program `bundle` that is the code under test."""
    folder.mkdir()
    program = folder / "bundle"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m bundler "$@"\n')
    program.chmod(0o755)
    return folder
