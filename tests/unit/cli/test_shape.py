from __future__ import annotations

import pytest
import typer

from bundler.cli.shape import shape_of
from bundler.packable import Shape


def test_what_options_ask_for() -> None:
    assert shape_of(None, plain=False, as_files=False, parity=0) == Shape()
    assert shape_of("cd", plain=True, as_files=False, parity=2) == Shape(
        size=727_280_000, form="tar", parity=2
    )
    assert shape_of(None, plain=False, as_files=True, parity=0) == Shape(form="files")


@pytest.mark.parametrize(
    ("size", "forms", "parity", "reason"),
    [
        (None, {"plain", "as_files"}, 0, "give one of --plain and --as-files"),
        ("cd", {"as_files"}, 0, "a folder of files is one volume: no --volume-size, no --parity"),
        (None, {"as_files"}, 1, "a folder of files is one volume: no --volume-size, no --parity"),
        ("4 apples", set(), 0, "give a medium"),
        ("", {"as_files"}, 0, "give a medium"),
    ],
)
def test_options_that_do_not_go_together(
    size: str | None, forms: set[str], parity: int, reason: str
) -> None:
    with pytest.raises(typer.BadParameter, match=reason):
        shape_of(size, plain="plain" in forms, as_files="as_files" in forms, parity=parity)
