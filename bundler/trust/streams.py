"""Which streams there are on this host, seen without loading what signs for them."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Final

from bundler.errors import BundlerError

WRITTEN: Final = "authority.json"
"""In the folder of each stream, how its keys were given."""


def require_stream(folder: Path) -> None:
    """See that there is a stream in `folder`.

    Raises:
        BundlerError: if there is none; the hint names one beside it whose name is nearly the same.
    """
    if (folder / WRITTEN).exists():
        return
    others = [path.parent.name for path in folder.parent.glob(f"*/{WRITTEN}")]
    near = get_close_matches(folder.name, sorted(others), n=1)
    begin = f"`bundle trust init {folder.name} --key NAME` begins it"
    raise BundlerError(
        f"there is no stream {folder.name}",
        hint=f"did you mean {near[0]}? if not, {begin}" if near else begin,
    )
