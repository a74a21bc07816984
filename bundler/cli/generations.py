"""`bundle rollback` and `bundle prune`: to what was live before, and how much of it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.approval import ApproverKey, find_approver
from bundler.cli.console import console
from bundler.cli.options import AsJson, HomeFolder, MirrorFolder, Quiet, account, now
from bundler.cli.secrets import PassphraseFd
from bundler.model.amount import counted, human_size
from bundler.model.canonical import Json

if TYPE_CHECKING:
    from bundler.mirror.generations import Shown
    from bundler.mirror.prune import Prunable
    from bundler.mirror.rollback import RolledBack


@dataclass(frozen=True, slots=True)
class RolledBackResult:
    """What is live now."""

    mirror: Path
    done: RolledBack

    def to_json(self) -> Json:
        """Everything that `to_text` says."""
        done = self.done
        return {
            "mirror": str(self.mirror),
            "changed": done.changed,
            "generation": done.generation,
            "as-generation": done.source,
            "before": _sequences(done.before),
            "streams": _sequences(done.after),
            "key": done.key,
        }

    def to_text(self) -> str:
        """A line for each stream that changed."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        done = self.done
        if not done.changed:
            yield f"{self.mirror}: this is live already, as generation {done.generation}"
            return
        by = f", approved by {done.key}" if done.key else ""
        yield (
            f"{self.mirror}: generation {done.generation} is live, as generation {done.source}"
            f" showed it{by}"
        )
        for name in sorted({**done.before, **done.after}):
            was, now_ = done.before.get(name), done.after.get(name)
            if was != now_:
                yield (
                    f"{name}  {_sequence(now_)} is live; {_sequence(was)} was"
                    if now_
                    else f"{name}  is not shown any more; {_sequence(was)} was live"
                )


@dataclass(frozen=True, slots=True)
class PrunableResult:
    """What went, or would go."""

    mirror: Path
    keep: int
    found: Prunable
    done: bool

    def to_json(self) -> Json:
        """With every generation, and every file below `files`."""
        found = self.found
        return {
            "mirror": str(self.mirror),
            "pruned": self.done,
            "kept": [
                {"generation": one.number, "streams": _sequences(one.streams)} for one in found.kept
            ],
            "generations": list(found.generations),
            "leftovers": [path.name for path in found.leftovers],
            "files": list(found.files),
            "blobs": len(found.blobs),
            "bytes": found.size,
        }

    def to_text(self) -> str:
        """What stays, then what goes."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        from bundler.mirror.earlier import words

        found = self.found
        for one in found.kept:
            live = ", live" if one is found.kept[-1] else ""
            word = "kept" if self.done else "stays"
            yield f"{word:7}  generation {one.number}: {words(one.streams)}{live}"
        verb = "removed" if self.done else "goes"
        if not found:
            yield "nothing else is here: nothing to prune"
            return
        for number in found.generations:
            yield f"{verb:7}  generation {number}"
        if found.leftovers:
            yield f"{verb:7}  what was left of {counted(len(found.leftovers), 'generation')}"
        yield (
            f"{verb:7}  {counted(len(found.files), 'file')} that no other generation names, and"
            f" {counted(len(found.blobs), 'blob')}: {human_size(found.size)} in all"
        )
        if self.done:
            yield "whoever has read an older page must read it again before installing from it"
        else:
            yield (
                "nothing was removed; to do it: bundle prune"
                f" {self.mirror} --keep {self.keep} --yes"
            )


def rollback(
    mirror: MirrorFolder,
    *,
    stream: Annotated[
        str | None, typer.Option(metavar="STREAM", help="Only this stream goes back.")
    ] = None,
    to: Annotated[
        int | None,
        typer.Option(metavar="SEQUENCE", min=1, help="To this sequence, of one stream."),
    ] = None,
    generation: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="To all that this generation showed."),
    ] = None,
    key: ApproverKey = None,
    passphrase_fd: PassphraseFd = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make live again what was live before, in one step; the journal says so.

    Where the mirror names approvers, one of them must sign: --key. A newer sequence that was live
    can come back in the same way, or by unpacking its bundle again.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.mirror.earlier import Wish
        from bundler.mirror.journal import Operator
        from bundler.mirror.layout import Mirror
        from bundler.mirror.rollback import roll_back

        if generation is not None and (to is not None or stream is not None):
            raise typer.BadParameter("--generation says it all: give no --to and no --stream")
        done = roll_back(
            Mirror.open(mirror),
            Wish(stream=stream, sequence=to, generation=generation),
            signer=find_approver(key, home, passphrase_fd),
            operator=Operator(account(), now),
            observe=out.observe,
        )
        out.result(RolledBackResult(mirror, done))


def prune(
    mirror: MirrorFolder,
    *,
    keep: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Keep so many generations before the live one."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else it is only shown.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what a mirror would lose if older generations went, and remove it with --yes.

    The live generation stays in any case, and so does what waits for approval or has arrived in
    part. What was removed can come back with a bundle only.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.mirror.journal import Operator
        from bundler.mirror.layout import Mirror
        from bundler.mirror.prune import find_prunable
        from bundler.mirror.prune import prune as remove

        opened = Mirror.open(mirror)
        found = (
            remove(opened, keep, Operator(account(), now), out.observe)
            if yes
            else find_prunable(opened, keep)
        )
        out.result(PrunableResult(mirror, keep, found, yes))


def _sequence(shown: Shown | None) -> str:
    return f"sequence {shown.sequence}" if shown else "nothing"


def _sequences(streams: Mapping[str, Shown]) -> Json:
    return {name: shown.sequence for name, shown in sorted(streams.items())}
