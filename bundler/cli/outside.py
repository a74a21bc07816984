"""Commands for the connected host: init, keygen, create."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bundler.cli.console import console
from bundler.cli.examples import example
from bundler.cli.home import Home, find_home
from bundler.cli.options import AsJson, HomeFolder, Quiet, now
from bundler.cli.planning import (
    Locked,
    LockUse,
    Upgrade,
    direct_planner,
    index_addresses,
    locks_folder,
    planning,
)
from bundler.cli.portion import MirrorKey, Resend, SinceOption, find_since
from bundler.cli.portion import resend as resend_parts
from bundler.cli.results import CreatedResult, Said
from bundler.cli.secrets import PassphraseFd, ask_secrets, new_passphrase
from bundler.cli.shape import AsFiles, Parity, Plain, VolumeSize, shape_of
from bundler.cli.trust_results import StagedResult
from bundler.cli.vouching import make_vouching
from bundler.errors import BundlerError
from bundler.events import Observer
from bundler.model.manifest import parse_stream

if TYPE_CHECKING:
    from bundler.packable import Shape
    from bundler.trust.authority import Authority
    from bundler.trust.keyfiles import Secrets


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
        Literal["ed25519", "ecdsa", "ecdsa-p384", "ml-dsa", "ml-dsa-87", "hybrid"],
        typer.Option("--type", help="The kind of key; hybrid is Ed25519 and ML-DSA together."),
    ] = "ed25519",
    *,
    protect: Annotated[
        bool, typer.Option("--protect", help="Put a passphrase on it; asks for one.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URI",
            help="Make none: NAME is this one in a token or KMS, or an identity.",
        ),
    ] = None,
    passphrase_fd: PassphraseFd = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a signing key."""
    with console(as_json=as_json, quiet=quiet) as out:
        from bundler.trust.holders import adopt_token_key
        from bundler.trust.keyfiles import generate_key
        from bundler.trust.keys import fingerprint

        folder = find_home(home).keys
        if source is not None:
            held = adopt_token_key(source, name, folder, ask_secrets(passphrase_fd))
            made = {
                "name": name,
                "fingerprint": fingerprint(held.keys[0]),
                "private": held.reference,
                "public": str(folder / f"{name}.pub"),
            }
        else:
            wanted = protect or passphrase_fd is not None
            passphrase = new_passphrase(name, passphrase_fd) if wanted else None
            pair = generate_key(folder, name, kind, passphrase)
            made = {
                "name": name,
                "fingerprint": " + ".join(pair.fingerprints),
                "private": str(pair.private),
                "public": str(pair.public),
            }
        kept = "" if source else " (keep it to yourself)"
        text = (
            f"key {name}: {made['fingerprint']}\n"
            f"private  {made['private']}{kept}\npublic   {made['public']}"
        )
        out.result(Said(text, made))


def create(
    profile: Annotated[
        Path | None, typer.Argument(metavar="PROFILE", help="What is wanted: a TOML file.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write.")],
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="STAGED", help="Pack what officers have signed, and no profile."
        ),
    ] = None,
    locks: Annotated[
        Path | None,
        typer.Option(
            "--locks", metavar="DIR", help="Where the locks are. [default: PROFILE.locks]"
        ),
    ] = None,
    locked: Locked = False,
    upgrade: Upgrade = False,
    volume_size: VolumeSize = None,
    plain: Plain = False,
    as_files: AsFiles = False,
    parity: Parity = 0,
    since: SinceOption = None,
    mirror_key: MirrorKey = None,
    resend: Resend = None,
    passphrase_fd: PassphraseFd = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Resolve, fetch, check, pack and sign the next bundle of a profile's stream.

    Versions of locks that `bundle lock` wrote are kept where they still fit. Where too few of the
    officers' keys are at hand, all is staged for them to sign, and --resume packs it afterwards.
    """
    with console(as_json=as_json, quiet=quiet) as shown:
        secrets = ask_secrets(passphrase_fd)
        shape = shape_of(volume_size, plain=plain, as_files=as_files, parity=parity)
        if since is not None and resend:
            raise typer.BadParameter("--since and --resend exclude each other")
        if mirror_key is not None and since is None:
            raise typer.BadParameter("--mirror-key is about the receipt of --since")
        wanted = _Wanted(out, shape, since, mirror_key)
        if resend and profile is None and resume is None:
            made = resend_parts(resend, out, shape, find_home(home), secrets, shown.observe)
            shown.result(made)
        elif resume is not None and profile is None and not resend:
            shown.result(_resume(resume, wanted, find_home(home), secrets, shown.observe))
        elif profile is not None and resume is None and not resend:
            folder = locks or locks_folder(profile)
            use = LockUse(folder=folder, exact=locked, upgrade=upgrade)
            shown.result(_create(profile, wanted, use, find_home(home), secrets, shown.observe))
        else:
            raise typer.BadParameter("give a PROFILE, or --resume STAGED, or --resend LIST")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the options say of the volumes, but for what a delta leaves out."""

    out: Path
    shape: Shape
    since: str | None
    mirror_key: str | None

    def find_shape(self, authority: Authority, observe: Observer) -> Shape:
        """How they shall be."""
        found = find_since(self.since, self.mirror_key, authority, observe)
        return self.shape if found is None else found.shape(self.shape)

    @property
    def again(self) -> str:
        """The options that `--resume` needs again."""
        return "" if self.since is None else f" --since {shlex.quote(self.since)}"


def _create(
    path: Path, wanted: _Wanted, use: LockUse, home: Home, secrets: Secrets, observe: Observer
) -> CreatedResult | StagedResult:
    """Build the seams and run."""
    from bundler.resolve.beside import planner_beside
    from bundler.trust.streams import require_stream
    from bundler.upstream.transport import Transport
    from bundler.wheel.look import looking

    planned = planning(path, use, home, observe)
    stream = planned.profile.stream
    require_stream(home.streams / stream)  # before anybody is asked for anything
    with (
        planner_beside(partial(direct_planner, planned), observe) as planner,
        looking() as look,
        Transport(credentials=planned.credentials) as transport,
    ):
        # Only now: while these are loaded, the planner asks for the first pages.
        from bundler.create import Outside, create
        from bundler.disk import locked
        from bundler.staging import Staged
        from bundler.trust.authority import Authority
        from bundler.trust.holders import load_signers
        from bundler.trust.signing import LIFETIMES
        from bundler.upstream.entries import Entries

        lifetimes = replace(LIFETIMES, **planned.profile.expiry.lifetimes())
        authority = Authority.open(home.streams / stream, lifetimes=lifetimes)
        signers = load_signers(authority.references, home.keys, secrets)
        with locked(home.streams / stream / "lock", f"the stream {stream}"):
            outside = Outside(
                planner=planner,
                transport=transport,
                cache=planned.cache,
                vouching=make_vouching(path, planned, transport),
                look=look,
                found=Entries(home.cache / "found", planned.secret, observe),
                authority=authority,
                signers=signers,
                now=planned.began,
                observe=observe,
            )
            shape = wanted.find_shape(authority, observe)
            made = create(planned.profile, planned.source, wanted.out, outside, shape)
    if isinstance(made, Staged):
        return StagedResult(
            made, f"bundle create --resume {made.path} -o {wanted.out}{wanted.again}"
        )
    return CreatedResult(made)


def _resume(
    path: Path, wanted: _Wanted, home: Home, secrets: Secrets, observe: Observer
) -> CreatedResult:
    from bundler.archive.store import BlobStore
    from bundler.create import resume
    from bundler.disk import locked
    from bundler.model.profile import parse_profile
    from bundler.packing import Packer
    from bundler.staging import approve, open_staged, staged_stream
    from bundler.trust.authority import Authority
    from bundler.trust.holders import load_signers
    from bundler.trust.signing import LIFETIMES
    from bundler.upstream.transport import Transport

    staged = open_staged(path)
    stream = staged_stream(staged)
    authority = Authority.open(home.streams / stream)
    with locked(home.streams / stream / "lock", f"the stream {stream}"):
        packer = Packer(
            authority=authority,
            signers=load_signers(authority.references, home.keys, secrets),
            now=now(),
            observe=observe,
        )
        approved = approve(staged, packer)
        profile = parse_profile(approved.profile, f"the profile in {path}")
        lifetimes = replace(LIFETIMES, **profile.expiry.lifetimes())
        packer = replace(packer, authority=replace(authority, lifetimes=lifetimes))
        approved = replace(approved, packer=packer)
        shape = wanted.find_shape(authority, observe)
        _, credentials = index_addresses(profile, observe)
        with Transport(credentials=credentials) as transport:
            cache = BlobStore(home.cache, durable=False)
            return CreatedResult(resume(approved, wanted.out, transport, cache, shape))
