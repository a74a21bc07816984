"""`bundle history`: what was done to a mirror, and whether its journal is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.console import console
from bundler.cli.options import AsJson, MirrorFolder, Quiet
from bundler.errors import DamagedError
from bundler.model.canonical import Json

if TYPE_CHECKING:
    from bundler.mirror.entry import Chain, Entry

_COLUMNS = ("line", "time", "operator", "phase", "result", "stream", "sequence", "volume")


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """What a journal says.

    Attributes:
        problem: Why it cannot be believed, if it cannot.
        only_verified: Leave the lines out for people.
    """

    mirror: Path
    chain: Chain
    problem: str | None
    only_verified: bool

    def to_json(self) -> Json:
        """Every line, with all its keys, and the digest of the last one."""
        head = self.chain.head
        return {
            "mirror": str(self.mirror),
            "verified": self.problem is None,
            "problem": self.problem,
            "lines": len(self.chain.entries),
            "head": head.sha256 if head else None,
            "torn": len(self.chain.torn),
            "entries": [entry.to_json() for entry in self.chain.entries],
        }

    def to_text(self) -> str:
        """A table, then the head."""
        lines = [] if self.only_verified else _table(self.chain.entries)
        return "\n".join([*lines, *self._verdict()])

    def _verdict(self) -> Iterator[str]:
        if self.problem:
            yield f"NOT TO BE BELIEVED: {self.problem}"
        elif (head := self.chain.head) is None:
            yield f"{self.mirror}: nothing was ever done to it"
        else:
            if self.chain.torn:
                yield f"line {head.number + 1} was torn by a crash; the next command takes it away"
            count = "1 line" if head.number == 1 else f"{head.number} lines"
            yield f"{count}, each as it was written; head {head.sha256}"


def history(
    mirror: MirrorFolder,
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only say whether the journal is whole.")
    ] = False,
    head: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="A head that was noted before must still be in it."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what was done to a mirror, by whom and when.

    With --verify, a journal that was changed is an error. Note the head that it prints elsewhere:
    with --head, a journal that was written anew is found, too.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.mirror.entry import Chain
        from bundler.mirror.journal import read_anyway, read_history
        from bundler.mirror.layout import Mirror

        opened = Mirror.open(mirror)
        try:
            chain = read_history(opened, head)
        except DamagedError as error:
            if verify or head is not None:
                raise
            found = Chain(read_anyway(opened), ())
            out.result(HistoryResult(mirror, found, error.message, only_verified=False))
        else:
            out.result(HistoryResult(mirror, chain, None, only_verified=verify))


def _table(entries: tuple[Entry, ...]) -> list[str]:
    """One row for each line; the note, which may be long, stands below it."""
    rows = [_COLUMNS, *(_row(entry) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines: list[str] = []
    notes = [None, *(entry.note for entry in entries)]
    for row, note in zip(rows, notes, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        if note:
            lines += [f"{'':{widths[0]}}  {part}" for part in note.splitlines()]
    return lines


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        str(entry.number),
        entry.time,
        entry.operator,
        entry.phase,
        entry.result,
        entry.about.stream or "-",
        "-" if entry.about.sequence is None else str(entry.about.sequence),
        # A file's name may hold anything, such as the end of a line and another row.
        (entry.about.volume or "-").encode("unicode_escape").decode("ascii"),
    )
