"""`bundle trust`: who may say what enters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.console import console
from bundler.cli.home import find_home
from bundler.cli.options import AsJson, HomeFolder, Into, Quiet, now
from bundler.cli.results import TIME
from bundler.errors import BundlerError
from bundler.model.canonical import Json

if TYPE_CHECKING:
    from bundler.trust.metadata import RootFacts

app = typer.Typer(help="Who may say what enters: roles and keys.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class RootResult:
    """A stream's root: what happened to it, what it says, and what to do next."""

    did: str
    facts: RootFacts
    next_step: str

    def to_json(self) -> Json:
        """What the root says."""
        return {
            "stream": self.facts.stream,
            "root": self.facts.version,
            "fingerprint": self.facts.fingerprint,
            "keys": list(self.facts.keys),
            "threshold": self.facts.threshold,
            "expires": self.facts.expires.strftime(TIME),
        }

    def to_text(self) -> str:
        """Four lines."""
        facts = self.facts
        return (
            f"{self.did} {facts.stream}, root version {facts.version},"
            f" until {facts.expires.strftime(TIME)}\n"
            f"officers     {facts.threshold} of {', '.join(facts.keys)}\n"
            f"fingerprint  {facts.fingerprint}\n"
            f"{self.next_step}"
        )


@app.command()
def init(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="The stream: a profile's name.")],
    keys: Annotated[
        list[str],
        typer.Option("--key", metavar="KEY", help="An officer's key: a name or a .key file."),
    ],
    *,
    threshold: Annotated[
        int, typer.Option(min=1, help="How many officers must sign each bundle.")
    ] = 1,
    packing_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The packing host's key; the first officer's, if absent."),
    ] = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make the authority of a stream: its root and roles."""
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.trust.authority import Authority, KeyHolder
        from bundler.trust.keys import load_signer
        from bundler.trust.metadata import read_root

        folders = find_home(home)

        def hold(key: str) -> KeyHolder:
            # A path is remembered, so it must mean the same from every folder.
            reference = str(Path(key).expanduser().absolute()) if key.endswith(".key") else key
            return KeyHolder(reference, load_signer(reference, folders.keys))

        officers = [hold(key) for key in keys]
        packing = hold(packing_key) if packing_key else None
        authority = Authority.create(
            folders.streams / stream, stream, officers, threshold, now(), packing=packing
        )
        facts = read_root("the new root", authority.root_bytes())
        out.result(RootResult("began", facts, f"next: bundle trust export {stream} -o root.json"))


@app.command()
def export(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="The stream.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the root.")
    ],
    *,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a stream's root to a file, for the disconnected network to pin."""
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.disk import atomic_write
        from bundler.trust.authority import Authority
        from bundler.trust.metadata import read_root

        root = Authority.open(find_home(home).streams / stream).root_bytes()
        if output.exists() and output.read_bytes() != root:
            raise BundlerError(f"{output} exists and is something else", hint="give another name")
        if not output.parent.is_dir():
            raise BundlerError(f"{output.parent} is not a folder", hint="make it first")
        atomic_write(output, root)
        step = f"next, inside: bundle trust pin {output.name} --into MIRROR"
        out.result(RootResult(f"wrote {output}:", read_root(str(output), root), step))


@app.command()
def pin(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="What `trust export` wrote.")],
    into: Into,
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Let a mirror trust a stream from now on; makes the mirror's folder when it is absent.

    Compare the fingerprint with the sender's, by telephone or on paper.
    """
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.mirror.layout import Mirror
        from bundler.trust.gate import pin as pin_root
        from bundler.trust.metadata import read_root

        data = root.read_bytes()
        facts = read_root(str(root), data)
        mirror = Mirror.create(into)
        with mirror.locked():
            pinned = pin_root(data, mirror.trust)
        did = "pinned" if pinned.changed else "pinned already:"
        step = "compare the fingerprint with the sender's before you unpack anything"
        out.result(RootResult(did, facts, step))
