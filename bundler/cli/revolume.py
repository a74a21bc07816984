"""`bundle revolume`: the same bundle in other sizes or forms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bundler.cli.console import console
from bundler.cli.home import find_home
from bundler.cli.options import AsJson, HomeFolder, Quiet
from bundler.cli.portion import pack_again
from bundler.cli.secrets import PassphraseFd, ask_secrets
from bundler.cli.shape import AsFiles, Parity, Plain, VolumeSize, shape_of


def revolume(
    volumes: Annotated[
        list[Path], typer.Argument(metavar="VOLUME...", help="All volumes of the last bundle.")
    ],
    out: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the new ones go.")
    ],
    *,
    volume_size: VolumeSize = None,
    plain: Plain = False,
    as_files: AsFiles = False,
    parity: Parity = 0,
    passphrase_fd: PassphraseFd = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Pack the last bundle of a stream again, in other sizes or forms.

    No officer has to sign again. The volumes are only read.
    """
    with console(as_json=as_json, quiet=quiet) as shown:
        from bundler.archive.medium import meant
        from bundler.archive.store import BlobStore
        from bundler.disk import locked, require_folder
        from bundler.revolume import stream_of_volume, take_back
        from bundler.trust.authority import Authority

        require_folder(out)
        volumes = meant(volumes)
        folders, secrets = find_home(home), ask_secrets(passphrase_fd)
        shape = shape_of(volume_size, plain=plain, as_files=as_files, parity=parity)
        authority = Authority.open(folders.streams / stream_of_volume(volumes[0]))
        with locked(authority.folder / "lock", f"the stream {authority.stream}"):
            cache = BlobStore(folders.cache, durable=False)
            taken = take_back(volumes, authority, cache, shown.observe)
            shape = taken.shape(shape)
            shown.result(
                pack_again(authority, taken.described, shape, out, folders, secrets, shown.observe)
            )
