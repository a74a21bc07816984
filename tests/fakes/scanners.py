"""Scanners: shell scripts that do what a test wants."""

from __future__ import annotations

from pathlib import Path


def script(folder: Path, text: str, name: str = "scan") -> Path:
    """A program in `folder`; its first argument is what to scan."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path
