"""What officers do: sign what was staged, change the keys of a stream, take a signed root in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.console import console
from bundler.cli.home import find_home
from bundler.cli.options import AsJson, HomeFolder, Quiet, now
from bundler.cli.secrets import PassphraseFd, ask_secrets
from bundler.cli.trust import (
    Lasts,
    RootFolder,
    app,
    check_names,
    check_packing,
    hold,
    root_lifetime,
    stage_root,
)
from bundler.cli.trust_results import RootResult, StagedResult
from bundler.errors import BundlerError

if TYPE_CHECKING:
    from bundler.staging import Staged

StagedFile = Annotated[
    Path, typer.Argument(metavar="STAGED", help="What waits for signatures: NAME.staged.")
]


def sign(
    staged: StagedFile,
    *,
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="KEY", help="Your key; without one, the file is only shown."),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option("--trust", metavar="ROOT", help="Demand that it is of this root's stream."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask again before signing.")
    ] = False,
    passphrase_fd: PassphraseFd = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what waits for officers' signatures, and add one.

    The file is all that it needs: it works on a machine without any network.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.report.authorisation import describe_proposal
        from bundler.staging import open_staged, sign_staged
        from bundler.trust.holders import cannot_sign

        found = open_staged(staged, trust.read_bytes() if trust else None)
        if keys:
            holders = hold(keys, find_home(home), ask_secrets(passphrase_fd))
            for holder in holders:
                if not holder.signers:
                    raise cannot_sign(holder)
            if not yes and sys.stdin.isatty():
                out.say(describe_proposal(found.proposal)[1])
                typer.confirm("Sign this?", abort=True, err=True)
            signers = [signer for holder in holders for signer in holder.signers]
            found = sign_staged(found, signers)
        out.result(StagedResult(found, _next_step(found)))


@app.command()
def rotate(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="The stream.")],
    *,
    add: Annotated[
        list[str] | None, typer.Option("--add", metavar="KEY", help="A new officer's key.")
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="KEY", help="An officer who leaves: name or fingerprint."),
    ] = None,
    threshold: Annotated[
        int | None, typer.Option(min=1, help="How many officers must sign from now on.")
    ] = None,
    packing_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="The packing host's new key.")
    ] = None,
    out: RootFolder = Path(),
    lasts: Lasts = None,
    passphrase_fd: PassphraseFd = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make the next root: other officers, another threshold, another packing key, or a later date.

    It is signed by the officers of both roots. Where too few of their keys are at hand, it is
    staged for the others. Bundles carry it to every site.
    """
    with console(as_json=as_json, quiet=quiet) as shown:
        from bundler.disk import locked
        from bundler.trust.authority import Authority
        from bundler.trust.holders import load_signers
        from bundler.trust.metadata import read_root
        from bundler.trust.rotation import Change, adopt, propose, remember_keys

        folders = find_home(home)
        authority = Authority.open(folders.streams / stream, lifetimes=root_lifetime(lasts))
        secrets = ask_secrets(passphrase_fd)
        given = hold([*(add or ()), *([packing_key] if packing_key else [])], folders, secrets)
        added, packing = given[: len(add or ())], given[len(add or ()) :]
        check_names(added)
        for holder in packing:
            check_packing(holder)
        change = Change(
            add=added,
            remove=remove or (),
            threshold=threshold,
            packing=packing[0] if packing else None,
        )
        with locked(folders.streams / stream / "lock", f"the stream {stream}"):
            signers = load_signers(authority.references, folders.keys, secrets)
            signers += [signer for holder in added for signer in holder.signers]
            root, wanted = propose(authority, change, signers, now())
            authority = remember_keys(authority, given)
            if any(quorum.lacking for quorum in wanted):
                shown.result(stage_root(authority, root, out))
                return
            adopt(authority, root)
        facts = read_root("the new root", root)
        shown.result(RootResult("made the next root:", facts, _AFTER_ROTATION))


@app.command(name="adopt")
def adopt_root(
    staged: StagedFile,
    *,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Take in a root that enough officers have signed."""
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.archive.proposal import ProposedRoot
        from bundler.disk import locked
        from bundler.staging import open_staged
        from bundler.trust.authority import Authority
        from bundler.trust.metadata import read_root
        from bundler.trust.rotation import adopt

        found = open_staged(staged).proposal
        if not isinstance(found, ProposedRoot):
            raise BundlerError(
                f"{staged} is a bundle, not a root",
                hint="run: bundle create --resume STAGED -o DIR",
            )
        folder = find_home(home).streams / found.stream
        authority = Authority.open(folder)
        root = found.entries[found.name]
        with locked(folder / "lock", f"the stream {found.stream}"):
            adopt(authority, root)
        step = (
            _AFTER_ROTATION
            if found.old
            else f"next: bundle trust export {found.stream} -o root.json"
        )
        out.result(RootResult("adopted", read_root("the new root", root), step))


_AFTER_ROTATION = "the next bundle carries it to every site: bundle create"


def _next_step(staged: Staged) -> str:
    from bundler.archive.proposal import ProposedRoot

    if isinstance(staged.proposal, ProposedRoot):
        return f"bundle trust adopt {staged.path.name}"
    return f"bundle create --resume {staged.path.name} -o DIR"
