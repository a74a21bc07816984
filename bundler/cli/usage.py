"""Wrong usage, told to programs too: typer tells people, and ends the program with exit code 2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import typer
from typer.core import TyperGroup

from bundler.cli.console import tell_programs

_USAGE: Final = 2
_WORDS: Final = "bundler.words"


class Commands(TyperGroup):
    """All commands; what is wrong with the words is on stdout as well where one is `--json`."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Any = None,  # noqa: ANN401 - the library's own type is private
        **extra: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        """The library's hook: reads the words in front of a command."""
        words = tuple(args)
        with _told(words):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_WORDS] = words
        return context

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as above
        """The library's hook: reads the words behind a command, and runs it."""
        with _told(ctx.meta[_WORDS]):
            return super().invoke(ctx)


@contextmanager
def _told(words: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except typer.TyperException as error:
        if error.exit_code == _USAGE and "--json" in words:
            context = getattr(error, "ctx", None)
            hint = f"{context.command_path} --help" if context else None
            tell_programs(error.format_message(), hint, "usage", _USAGE)
        raise
