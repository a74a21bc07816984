"""`bundle refresh`: new dates for a bundle that lay too long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.console import console
from bundler.cli.home import find_home
from bundler.cli.options import AsJson, HomeFolder, Quiet, now
from bundler.cli.results import Said
from bundler.cli.secrets import PassphraseFd, ask_secrets
from bundler.errors import IncompleteError, RefusedError
from bundler.events import Noticed, Observer
from bundler.model.canonical import Json

if TYPE_CHECKING:
    from bundler.trust.authority import Authority
    from bundler.trust.signing import Lifetimes


def refresh(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="The stream.")],
    volumes: Annotated[
        list[Path], typer.Argument(metavar="VOLUMES", help="Every volume of its last sequence.")
    ],
    out: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the copies go.")
    ],
    *,
    passphrase_fd: PassphraseFd = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Copy a bundle with new dates; no officer has to sign again.

    For a bundle that lay so long that its signatures have expired, or soon will have.
    """
    with console(as_json=as_json, quiet=quiet) as shown:
        from bundler.archive.medium import meant
        from bundler.disk import locked
        from bundler.packing import Packer
        from bundler.refresh import refresh as refresh_volumes
        from bundler.trust.authority import Authority
        from bundler.trust.holders import load_signers

        folders = find_home(home)
        folder = folders.streams / stream
        authority = Authority.open(folder)
        with locked(folder / "lock", f"the stream {stream}"):
            lifetimes = _lifetimes(authority, shown.observe)
            packer = Packer(
                authority=replace(authority, lifetimes=lifetimes),
                signers=load_signers(
                    authority.references, folders.keys, ask_secrets(passphrase_fd)
                ),
                now=now(),
                observe=shown.observe,
            )
            made = refresh_volumes(meant(volumes), out, packer)
        names = [str(path) for path in made.volumes]
        text = f"sequence {made.manifest.sequence} of {stream} with new dates: {', '.join(names)}"
        fields: dict[str, Json] = {
            "stream": stream,
            "sequence": made.manifest.sequence,
            "volumes": names,
        }
        shown.result(Said(text, fields))


def _lifetimes(authority: Authority, observe: Observer) -> Lifetimes:
    """Those of the profile that the sequence was made from."""
    from bundler.model.manifest import Manifest
    from bundler.model.profile import parse_profile
    from bundler.records import read_document, read_manifest
    from bundler.trust.signing import LIFETIMES

    last = authority.next_sequence - 1
    if not last:
        return LIFETIMES
    try:
        blob = Manifest.from_bytes(read_manifest(authority, last)).profile
        text = read_document(authority, blob, last)
    except (RefusedError, IncompleteError) as error:
        observe(Noticed(f"{error.message}: roles last as by default"))
        return LIFETIMES
    return replace(LIFETIMES, **parse_profile(text, "the profile").expiry.lifetimes())
