"""A part of a sequence: options for deltas, and what was asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.options import now
from bundler.cli.planning import index_addresses
from bundler.cli.results import CreatedResult
from bundler.errors import BundlerError, DamagedError, RefusedError

if TYPE_CHECKING:
    from bundler.cli.home import Home
    from bundler.events import Observer
    from bundler.model.resend import Lost
    from bundler.packable import Described, Shape
    from bundler.portion import Since
    from bundler.trust.authority import Authority
    from bundler.trust.keyfiles import Secrets

_WHAT = "What is carried"

SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="N|RECEIPT",
        help="Leave out what the far side has: all of sequence N, or of what its receipt states."
        " Give it to --resume as well.",
        rich_help_panel=_WHAT,
    ),
]
MirrorKey = Annotated[
    str | None,
    typer.Option(
        metavar="FINGERPRINT",
        help="The receipt's mirror is new, and these digits were compared with its operator.",
        rich_help_panel=_WHAT,
    ),
]
Resend = Annotated[
    list[str] | None,
    typer.Option(
        "--resend",
        metavar="LIST",
        help="Pack again what the far side asks for, and no profile: a list from `bundle unpack"
        " --resend-list`, or a code that was read out; codes may be repeated.",
        rich_help_panel=_WHAT,
    ),
]


def find_since(
    given: str | None, mirror_key: str | None, authority: Authority, observe: Observer
) -> Since | None:
    """What `--since` says; a number is a sequence, all else a receipt's file."""
    from bundler.portion import since, since_receipt

    if given is None:
        return None
    if given.isascii() and given.isdigit():
        return since(authority, int(given))
    return since_receipt(authority, Path(given), observe, confirmed=mirror_key)


def resend(
    given: Sequence[str], out: Path, shape: Shape, home: Home, secrets: Secrets, observe: Observer
) -> CreatedResult:
    """Pack what was asked for again."""
    from bundler.disk import locked
    from bundler.portion import asked_again, stream_of
    from bundler.trust.authority import Authority

    asked = [lost for each in given for lost in _asked(each)]
    stream = stream_of(asked)
    authority = Authority.open(home.streams / stream)
    with locked(authority.folder / "lock", f"the stream {stream}"):
        again = asked_again(authority, asked)
        return pack_again(
            authority, again.described, again.shape(shape), out, home, secrets, observe
        )


def pack_again(
    authority: Authority,
    described: Described,
    shape: Shape,
    out: Path,
    home: Home,
    secrets: Secrets,
    observe: Observer,
) -> CreatedResult:
    """Pack the last sequence of a stream, or a part of it, once more."""
    from bundler.archive.store import BlobStore
    from bundler.create import Source, repack
    from bundler.model.profile import parse_profile
    from bundler.packing import Packer
    from bundler.records import read_document
    from bundler.trust.holders import load_signers
    from bundler.trust.signing import LIFETIMES
    from bundler.upstream.transport import Transport

    manifest = described.manifest
    source = read_document(authority, manifest.profile, manifest.sequence)
    profile = parse_profile(source, "the profile of the last sequence")
    lifetimes = replace(LIFETIMES, **profile.expiry.lifetimes())
    packer = Packer(
        authority=replace(authority, lifetimes=lifetimes),
        signers=load_signers(authority.references, home.keys, secrets),
        now=now(),
        observe=observe,
    )
    _, credentials = index_addresses(profile, observe)
    with Transport(credentials=credentials) as transport:
        cache = BlobStore(home.cache, durable=False)
        made = repack(described, Source(transport, cache), out, packer, shape=shape)
    return CreatedResult(made)


def _asked(given: str) -> tuple[Lost, ...]:
    """A list's file, or a code."""
    from bundler.model.resend import MAX_LIST, parse_code, parse_list

    path = Path(given)
    if len(given.split()) > 1 and not path.exists():
        try:
            return (parse_code(given),)
        except ValueError as error:
            raise RefusedError(
                str(error), hint="have it read out again, or carry the file of the list"
            ) from error
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST + 1)
    except OSError as error:
        raise BundlerError(f"{path}: {error.strerror or error}".lower()) from error
    try:
        return parse_list(data.decode())
    except ValueError as error:
        raise DamagedError(
            f"{path}: {error}", hint="give the file that `bundle unpack --resend-list` wrote"
        ) from error
