"""Commands for the connected host: init, keygen, create."""

from __future__ import annotations

import os
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import typer

from bundler.cli.console import console
from bundler.cli.examples import example
from bundler.cli.home import Home, find_home
from bundler.cli.options import AsJson, HomeFolder, Quiet
from bundler.cli.planning import Locked, LockUse, Upgrade, direct_planner, locks_folder, planning
from bundler.cli.results import CreatedResult, Said
from bundler.cli.vouching import make_vouching
from bundler.errors import BundlerError
from bundler.events import Observer
from bundler.model.manifest import parse_stream


def init(
    path: Annotated[Path, typer.Argument(help="The profile to write.")] = Path("profile.toml"),
    *,
    from_example: Annotated[
        Literal["quickstart", "web", "data-science", "ops"] | None,
        typer.Option("--example", help="Begin with a complete profile instead."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a commented starter profile."""
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.disk import atomic_write

        name: str = from_example or path.stem.lower().replace("_", "-").replace(".", "-")
        starter = files("bundler.cli") / "starter.toml"
        text = example(from_example) if from_example else starter.read_text()
        try:
            parse_stream(name)
        except ValueError as error:
            raise BundlerError(
                f"{path}: {name!r} cannot be a stream's name",
                hint="name the file with lowercase letters, digits and inner hyphens",
            ) from error
        if os.path.lexists(path):
            raise BundlerError(f"{path} exists", hint="give another name")
        if not path.parent.is_dir():
            raise BundlerError(f"{path.parent} is not a folder", hint="make it first")
        atomic_write(path, text.replace("@NAME@", name).encode())
        said = (
            f"wrote {path}; edit it, then:\n"
            f"  bundle keygen NAME\n"
            f"  bundle trust init {name} --key NAME\n"
            f"  bundle create {path} -o out"
        )
        out.result(Said(said, {"profile": str(path)}))


def keygen(
    name: Annotated[str, typer.Argument(help="The key's name.")],
    kind: Annotated[
        Literal["ed25519", "ecdsa", "ml-dsa"], typer.Option("--type", help="The kind of key.")
    ] = "ed25519",
    *,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a signing key."""
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.trust.keys import generate_key

        pair = generate_key(find_home(home).keys, name, kind)
        out.result(
            Said(
                f"key {name}: {pair.fingerprint}\n"
                f"private  {pair.private} (keep it to yourself)\npublic   {pair.public}",
                {
                    "name": name,
                    "fingerprint": pair.fingerprint,
                    "private": str(pair.private),
                    "public": str(pair.public),
                },
            )
        )


def create(
    profile: Annotated[Path, typer.Argument(help="What is wanted: a TOML file.")],
    out: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write.")],
    *,
    locks: Annotated[
        Path | None,
        typer.Option(
            "--locks", metavar="DIR", help="Where the locks are. [default: PROFILE.locks]"
        ),
    ] = None,
    locked: Locked = False,
    upgrade: Upgrade = False,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Resolve, fetch, check, pack and sign the next bundle of a profile's stream.

    Versions of locks that `bundle lock` wrote are kept where they still fit.
    """
    use = LockUse(folder=locks or locks_folder(profile), exact=locked, upgrade=upgrade)
    with console(as_json=as_json, quiet=quiet) as shown:
        shown.result(_create(profile, out, use, find_home(home), shown.observe))


def _create(path: Path, out: Path, use: LockUse, home: Home, observe: Observer) -> CreatedResult:
    """Build the seams and run."""
    from bundler.resolve.beside import planner_beside
    from bundler.upstream.transport import Transport

    planned = planning(path, use, home, observe)
    stream = planned.profile.stream
    with (
        planner_beside(partial(direct_planner, planned), observe) as planner,
        Transport(credentials=planned.credentials) as transport,
    ):
        # Only now: while these are loaded, the planner asks for the first pages.
        from bundler.create import Outside, create
        from bundler.disk import locked
        from bundler.trust.authority import Authority
        from bundler.trust.keys import load_signers
        from bundler.upstream.entries import Entries

        authority = Authority.open(home.streams / stream)
        signers = load_signers(authority.references, home.keys)
        with locked(home.streams / stream / "lock", f"the stream {stream}"):
            outside = Outside(
                planner=planner,
                transport=transport,
                cache=planned.cache,
                vouching=make_vouching(path, planned, transport),
                found=Entries(home.cache / "found", planned.secret, observe),
                authority=authority,
                signers=signers,
                now=planned.began,
                observe=observe,
            )
            return CreatedResult(create(planned.profile, planned.source, out, outside))
