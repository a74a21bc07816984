"""Commands for the disconnected network: inspect, verify, unpack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.console import console
from bundler.cli.options import AsJson, Into, Quiet, account, now
from bundler.cli.results import UnpackedResult, VerifiedResult

if TYPE_CHECKING:
    from bundler.mirror.attested import Judge
    from bundler.mirror.layout import Mirror
    from bundler.trust.gate import Anchor

Volume = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="The bundle's volume: NAME.v01.tar.zst.")
]


def inspect(volume: Volume, *, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show what is in a bundle, for which targets, signed by whom, until when.

    Nothing is verified: it shows what the bundle says of itself.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.receive import read_volume_head
        from bundler.report.inspect import inspect_head

        out.result(inspect_head(read_volume_head(volume).entries, verified=False))


def verify(
    volume: Volume,
    *,
    trust: Annotated[
        Path | None, typer.Option("--trust", metavar="ROOT", help="Judge by this root file.")
    ] = None,
    mirror: Annotated[
        Path | None,
        typer.Option("--mirror", metavar="MIRROR", help="Judge by the root pinned in a mirror."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check a bundle's signatures and every byte of it; nothing is decompressed or written."""
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.mirror.layout import Mirror
        from bundler.receive import verify as verify_volume
        from bundler.trust.gate import anchor_from_root
        from bundler.trust.metadata import read_root

        if trust is not None and mirror is None:
            root = trust.read_bytes()
            read_root(str(trust), root)
            judge: Anchor | Mirror = anchor_from_root(root)
        elif mirror is not None and trust is None:
            judge = Mirror.open(mirror)
        else:
            raise typer.BadParameter("give one of --trust ROOT and --mirror MIRROR")
        out.result(VerifiedResult(volume, verify_volume(volume, judge, observe=out.observe)))


def unpack(
    volume: Volume,
    into: Into,
    *,
    scan: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Run this on what is new before it goes live: with {file} once for each file, with"
            " {folder} once for all. Another exit code than 0 quarantines the bundle.",
        ),
    ] = None,
    scan_timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="How long one run of it may take.")
    ] = 3600,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Verify a bundle, import it into a mirror and make it live.

    Where the mirror asks for approval (`bundle policy`), it waits for `bundle approve` instead.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.mirror.journal import Operator
        from bundler.mirror.layout import Mirror
        from bundler.mirror.scanner import parse_scanner
        from bundler.receive import unpack as unpack_volume

        received = unpack_volume(
            volume,
            Mirror.open(into),
            make_judge=_judge,
            operator=Operator(account(), now),
            scan=[parse_scanner(scan, scan_timeout)] if scan else [],
            observe=out.observe,
        )
        out.result(UnpackedResult(into, received))


def _judge(root: bytes, profile: bytes) -> Judge:
    """Loaded only for a bundle with attestations: the library behind it is slow to load."""
    from bundler.model.profile import parse_profile
    from bundler.trust.attest import Attestor
    from bundler.trust.rules import pinned_keys

    return Attestor(root, pinned_keys(parse_profile(profile, "the bundle's profile")))
