"""The profiles that ship with the program."""

from __future__ import annotations

from pathlib import Path

EXAMPLES = ("quickstart", "web", "data-science", "ops")


def example(name: str) -> str:
    """The text of one of `EXAMPLES`."""
    package = Path(__file__).parent.parent
    # An installed copy carries the folder inside the package, a checkout beside it.
    folders = (package / "profiles", package.parent / "profiles")
    folder = next(folder for folder in folders if folder.is_dir())
    return (folder / f"{name}.toml").read_text()
