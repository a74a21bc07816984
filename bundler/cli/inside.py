"""Commands for the disconnected network: inspect, verify, unpack."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.console import console
from bundler.cli.options import AsJson, Into, Quiet, account, now
from bundler.cli.results import UnpackedResult, VerifiedResult
from bundler.errors import BundlerError

if TYPE_CHECKING:
    from bundler.mirror.attested import Judge
    from bundler.mirror.layout import Mirror
    from bundler.trust.gate import Anchor

Volumes = Annotated[
    list[Path],
    typer.Argument(
        metavar="VOLUME...",
        help="Volumes in any order: NAME.v01.tar.zst, NAME.v01.tar, a folder of files, a folder"
        " with volumes in it; - is standard input, where volumes may stand one behind the other.",
    ),
]


def inspect(volumes: Volumes, *, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show what is in a bundle, for which targets, signed by whom, until when.

    Nothing is verified: it shows what the bundle says of itself.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.archive.medium import meant, read_heads
        from bundler.report.inspect import inspect_head

        entries: dict[str, bytes] = {}
        for head in read_heads(meant(volumes), sys.stdin.buffer):
            entries = {**head.entries, **entries}
        out.result(inspect_head(entries, verified=False))


def verify(
    volumes: Volumes,
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
    """Check volumes' signatures and every byte of them; nothing is decompressed or written."""
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.archive.medium import meant
        from bundler.mirror.layout import Mirror
        from bundler.receive import verify as verify_volumes
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
        found = verify_volumes(meant(volumes), judge, pipe=sys.stdin.buffer, observe=out.observe)
        out.result(VerifiedResult(tuple(found)))


def unpack(
    volumes: Volumes,
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
    resend_list: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="If not all has come, write here what must be sent again.",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Verify volumes, import them into a mirror and make live what is complete.

    They may come in any order, over days. Until all have, it ends with exit code 5 and says what is
    missing. Where the mirror asks for approval (`bundle policy`), it waits for `bundle approve`.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.archive.medium import meant
        from bundler.mirror.asking import write_resend_list
        from bundler.mirror.journal import Operator
        from bundler.mirror.layout import Mirror
        from bundler.mirror.scanner import parse_scanner
        from bundler.receive import Inside
        from bundler.receive import unpack as unpack_volumes

        inside = Inside(
            make_judge=_judge,
            operator=Operator(account(), now),
            scan=[parse_scanner(scan, scan_timeout)] if scan else [],
            pipe=sys.stdin.buffer,
            observe=out.observe,
        )
        mirror = Mirror.open(into)
        try:
            received = unpack_volumes(meant(volumes), mirror, inside)
        except BundlerError:
            if resend_list is not None:
                write_resend_list(mirror, resend_list, out.observe)
            raise
        out.result(UnpackedResult(into, tuple(received)))


def _judge(root: bytes, profile: bytes) -> Judge:
    """Loaded only for a bundle with attestations: the library behind it is slow to load."""
    from bundler.model.profile import parse_profile
    from bundler.trust.attest import Attestor
    from bundler.trust.rules import pinned_keys

    return Attestor(root, pinned_keys(parse_profile(profile, "the bundle's profile")))
