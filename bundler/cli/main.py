"""The program: every command, and nothing else."""

from __future__ import annotations

import gc
import signal
from types import FrameType
from typing import Annotated

import typer

from bundler import __version__
from bundler.cli import (
    approval,
    ceremony,
    client_config,
    demo,
    generations,
    history,
    inside,
    lock,
    outside,
    receipt,
    refresh,
    revolume,
    serve,
    target,
    trust,
)
from bundler.cli.usage import Commands

app = typer.Typer(
    name="bundle",
    cls=Commands,
    help="Carry Python packages across an air gap: resolved for every target, signed, verified.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(trust.app, name="trust")
app.add_typer(target.app, name="target")
app.command()(outside.init)
app.command()(outside.keygen)
app.command()(lock.lock)
app.command()(outside.create)
app.command()(ceremony.sign)
app.command()(refresh.refresh)
app.command()(revolume.revolume)
app.command()(inside.inspect)
app.command()(inside.verify)
app.command()(inside.unpack)
app.command()(approval.policy)
app.command()(approval.approve)
app.command()(generations.rollback)
app.command()(generations.prune)
app.command()(serve.serve)
app.command()(client_config.client_config)
app.command()(history.history)
app.command()(receipt.receipt)
app.command()(demo.demo)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's signature
    if wanted:
        typer.echo(f"bundle {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the program; may be called more than once in a process."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    finally:
        # At its end Python looks for cycles once more, among a million objects in a tenth of a
        # second; what is frozen is left out.
        gc.freeze()


def _terminate(number: int, _frame: FrameType | None) -> None:
    """Leave as after Ctrl-C, with nothing half-written; shells expect this exit code."""
    raise SystemExit(128 + number)
