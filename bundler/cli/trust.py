"""`bundle trust`: who may say what enters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.console import console
from bundler.cli.home import Home, find_home
from bundler.cli.options import AsJson, HomeFolder, Into, Quiet, now
from bundler.cli.secrets import PassphraseFd, ask_secrets
from bundler.cli.trust_results import RolesResult, RootResult, StagedResult
from bundler.errors import BundlerError

if TYPE_CHECKING:
    from bundler.trust.authority import Authority
    from bundler.trust.holders import KeyHolder
    from bundler.trust.keyfiles import Secrets
    from bundler.trust.signing import Lifetimes

_KEY_HELP = "a name, a .key or .pub file, or a URI such as hsm:2?label=ANA; NAME=KEY names it."

Lasts = Annotated[
    str | None,
    typer.Option(
        "--lasts", metavar="AGE", help='How long the root is good. [default: "1825 days"]'
    ),
]
RootFolder = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="DIR", help="Where a root goes that others must sign."),
]

app = typer.Typer(help="Who may say what enters: roles and keys.", no_args_is_help=True)


@app.command()
def init(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="The stream: a profile's name.")],
    keys: Annotated[
        list[str], typer.Option("--key", metavar="KEY", help=f"An officer's key: {_KEY_HELP}")
    ],
    *,
    threshold: Annotated[
        int | None,
        typer.Option(min=1, help="How many officers must sign each bundle. [default: 1]"),
    ] = None,
    packing_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The packing host's key; the first officer's, if absent."),
    ] = None,
    out: RootFolder = Path(),
    lasts: Lasts = None,
    passphrase_fd: PassphraseFd = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make the authority of a stream: its root and roles.

    Where too few of the officers' keys are at hand, the root is staged for the others to sign.
    """
    with console(as_json=as_json, quiet=quiet) as shown:
        from bundler.trust.authority import Authority
        from bundler.trust.metadata import read_root

        folders = find_home(home)
        given = [*keys, *([packing_key] if packing_key else [])]
        everyone = hold(given, folders, ask_secrets(passphrase_fd))
        officers, packing = everyone[: len(keys)], everyone[len(keys) :]
        check_names(officers)
        check_packing(packing[0] if packing else officers[0])
        authority = Authority.create(
            folders.streams / stream,
            stream,
            officers,
            threshold or 1,
            now(),
            packing=packing[0] if packing else None,
            lifetimes=root_lifetime(lasts),
        )
        if root := authority.pending:
            shown.result(stage_root(authority, root, out))
            return
        facts = read_root("the new root", authority.root_bytes())
        shown.result(RootResult("began", facts, f"next: bundle trust export {stream} -o root.json"))


@app.command()
def show(
    stream: Annotated[
        str | None, typer.Argument(metavar="[STREAM]", help="The stream; all, if absent.")
    ] = None,
    *,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="FILE", help="Show this root instead.")
    ] = None,
    mirror: Annotated[
        Path | None, typer.Option("--mirror", metavar="MIRROR", help="Show what a mirror trusts.")
    ] = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show every role, its keys, how many must sign, its version and when it expires."""
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.mirror.layout import Mirror
        from bundler.trust.metadata import latest_root, read_root
        from bundler.trust.roles import role_facts
        from bundler.trust.streams import require_stream

        if root is not None:
            found = {str(root): {"1.root.json": root.read_bytes()}}
        else:
            folder = Mirror.open(mirror).trust if mirror else find_home(home).streams
            if stream is not None and mirror is None:
                require_stream(folder / stream)
            found = _metadata_of(folder, stream)
        out.result(
            RolesResult(
                [
                    (read_root(name, latest_root(files)), role_facts(name, files))
                    for name, files in found.items()
                ]
            )
        )


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

    The next version of a pinned root is taken if the pinned one's officers have signed it. Else
    compare the fingerprint with the sender's, by telephone or on paper.
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
        if pinned.succeeds:
            did, step = "took the next root:", "the officers of the root before it have signed it"
        out.result(RootResult(did, facts, step))


def hold(keys: list[str], folders: Home, secrets: Secrets) -> list[KeyHolder]:
    """The keys that were given."""
    from bundler.trust.holders import load_holder

    return [load_holder(key, folders.keys, secrets) for key in keys]


def root_lifetime(text: str | None) -> Lifetimes:
    """How long a root is good that is made now."""
    from bundler.model.cutoff import parse_lifetime
    from bundler.trust.signing import Lifetimes

    if text is None:
        return Lifetimes()
    try:
        return Lifetimes(root=parse_lifetime(text))
    except ValueError as error:
        raise typer.BadParameter(f"--lasts: {error}") from error


def check_names(officers: list[KeyHolder]) -> None:
    """The names in a root tell people apart."""
    from bundler.trust.holders import shared_name

    different = list({holder.keys[0].keyid: holder for holder in officers}.values())
    if name := shared_name(different):
        raise BundlerError(
            f"two keys have the name {name}", hint="name them apart: --key NAME=FILE"
        )


def check_packing(holder: KeyHolder) -> None:
    """The packing host's key signs here, without asking anybody."""
    if not holder.signers:
        raise BundlerError(
            f"the packing host's key {holder.reference} has no private half here",
            hint="give --packing-key: it signs on this host, at each `bundle create`",
        )


def stage_root(authority: Authority, root: bytes, out: Path) -> StagedResult:
    """Write a root that others must sign."""
    from bundler.archive.staged import STAGED_SUFFIX
    from bundler.staging import write_staged
    from bundler.trust.rotation import pending_entries

    entries = pending_entries(authority, root)
    path = out / f"{authority.stream}-root-{len(entries):06}{STAGED_SUFFIX}"
    staged = write_staged(path, entries)
    return StagedResult(staged, f"bundle trust adopt {path.name}")


def _metadata_of(folder: Path, stream: str | None) -> dict[str, dict[str, bytes]]:
    """The metadata of one stream, or of all that are in a folder of streams."""
    from bundler.trust.anchor import read_state

    names = [stream] if stream else sorted(p.name for p in folder.glob("*") if p.is_dir())
    found = {name: read_state(folder / name) for name in names}
    whole = {name: files for name, files in found.items() if any("root" in each for each in files)}
    if not whole:
        raise BundlerError(
            f"there is no root of {stream or 'any stream'} in {folder}",
            hint="`bundle trust init` begins a stream, `bundle trust pin` lets a mirror trust one",
        )
    return whole
