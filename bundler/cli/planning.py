"""What `lock` and `create` share: from a profile's path to something that can be resolved."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from packaging.utils import canonicalize_name, is_normalized_name

from bundler import TOOL
from bundler.cli.home import Home, cache_secret
from bundler.cli.options import now
from bundler.errors import ProfileError
from bundler.events import Noticed, Observer
from bundler.model.artifact import parse_file_name
from bundler.model.index_url import PIP_INDEX

if TYPE_CHECKING:  # inside nothing of this is loaded
    from bundler.archive.store import BlobStore
    from bundler.model.profile import Profile
    from bundler.resolve.lock import Locks
    from bundler.resolve.planner import DirectPlanner
    from bundler.resolve.request import Request
    from bundler.upstream.origins import Origins
    from bundler.upstream.urls import Credentials

Locked = Annotated[
    bool, typer.Option("--locked", help="Take exactly what the locks have; fail if they misfit.")
]
Upgrade = Annotated[
    bool, typer.Option("--upgrade", "-U", help="Take the newest versions, whatever the locks have.")
]
UpgradePackages = Annotated[
    list[str] | None,
    typer.Option(
        "--upgrade-package", "-P", metavar="NAME", help="Upgrade this project; may be repeated."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockUse:
    """What is done with the locks that are there.

    Attributes:
        folder: Where they are.
        exact: Nothing else may be taken.
        upgrade: They count for nothing.
        packages: Projects for which they count for nothing.
    """

    folder: Path
    exact: bool = False
    upgrade: bool = False
    packages: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.exact and (self.upgrade or self.packages):
            raise typer.BadParameter("--locked and --upgrade exclude each other")
        for name in self.packages:
            if not is_normalized_name(canonicalize_name(name)):
                raise typer.BadParameter(f"--upgrade-package: {name!r} is not a project's name")

    @property
    def newest(self) -> bool:
        """Whether what is newest matters, so that no page from the cache will do."""
        return self.upgrade or bool(self.packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """A profile, ready to be resolved; nobody was asked for anything yet.

    Attributes:
        source: The profile's text.
        began: When this run did.
        earlier: The locks that are there.
        locks: Those that must be kept to, or None.
        addresses: Of the profile's indexes, in its order.
        secret: What the cache of index pages is authenticated with.
        newest: Whether no page from that cache will do.
    """

    profile: Profile
    source: bytes
    began: datetime
    request: Request
    earlier: Locks
    locks: Locks | None
    addresses: Sequence[str]
    credentials: Mapping[str, Credentials]
    cache: BlobStore
    secret: bytes
    newest: bool


def locks_folder(profile: Path) -> Path:
    """Where a profile's locks are, unless told otherwise: `web.locks` beside `web.toml`."""
    return profile.parent / f"{profile.stem}.locks"


def planning(path: Path, use: LockUse, home: Home, observe: Observer) -> Planning:
    """Read a profile, its files and its locks."""
    from bundler.archive.store import BlobStore
    from bundler.inputs.read import read_inputs
    from bundler.model.profile import parse_profile
    from bundler.resolve.locked import preferences
    from bundler.resolve.request import make_request

    source = path.read_bytes()
    profile = parse_profile(source, str(path))
    inputs = read_inputs(profile, path.parent, sdists=profile.carries_sdists)
    earlier = _earlier_locks(profile, use, observe)
    preferred = preferences({} if use.upgrade else earlier.by_target, use.packages)
    addresses, credentials = index_addresses(profile, observe)
    began = now()
    return Planning(
        profile=profile,
        source=source,
        began=began,
        request=make_request(profile, inputs, began, preferred, earlier.publishers),
        earlier=earlier,
        locks=earlier if use.exact else None,
        addresses=addresses,
        credentials=credentials,
        cache=BlobStore(home.cache, durable=False),
        secret=cache_secret(home),
        newest=use.newest,
    )


@contextmanager
def indexes(planned: Planning, observe: Observer) -> Generator[Origins]:
    """The profile's indexes, to be asked."""
    from bundler.upstream.cache import IndexCache
    from bundler.upstream.index import SimpleIndex
    from bundler.upstream.origins import Origins, Source
    from bundler.upstream.transport import Transport

    cache = planned.cache
    known = IndexCache(
        cache.root / "index", planned.secret, planned.began, observe, refresh=planned.newest
    )
    tables = zip(planned.profile.index, planned.addresses, strict=True)
    with ExitStack() as stack:
        transport = stack.enter_context(Transport(credentials=planned.credentials))
        yield Origins(
            [
                Source(
                    stack.enter_context(SimpleIndex(t.name, url, transport, cache, cache=known)),
                    t.projects,
                )
                for t, url in tables
            ]
        )


@contextmanager
def direct_planner(planned: Planning, observe: Observer) -> Generator[DirectPlanner]:
    """Plans in this process."""
    from bundler.resolve.planner import DirectPlanner

    with indexes(planned, observe) as index:
        yield DirectPlanner(planned.request, planned.locks, index, TOOL, observe)


def index_addresses(
    profile: Profile, observe: Observer
) -> tuple[list[str], dict[str, Credentials]]:
    """Where the indexes are, and the credentials of pip's configuration and the environment."""
    from bundler.upstream.passwords import credentials_from
    from bundler.upstream.pip_config import pip_index_url

    found_urls: list[str] = []
    credentials: dict[str, Credentials] = {}
    for table in profile.index:
        url = table.url
        if url == PIP_INDEX:
            found = pip_index_url()
            url = found.url
            for setting in found.ignored:
                observe(Noticed(f"pip's {setting} is not used: the profile names the indexes"))
            if found.credentials:
                credentials[url] = found.credentials
        if given := credentials_from(os.environ, table.name):
            credentials[url] = given
        found_urls.append(url)
    return found_urls, credentials


def _earlier_locks(profile: Profile, use: LockUse, observe: Observer) -> Locks:
    from bundler.resolve.lock import read_locks

    def unusable(error: ProfileError) -> None:
        if use.exact:
            raise error
        observe(Noticed(f"{error.message}; it counts for nothing"))

    locks = read_locks(use.folder, profile.stream, profile.parsed_targets(), unusable)
    known = {parse_file_name(n).project for files in locks.by_target.values() for n in files}
    for name in use.packages:
        if locks.by_target and canonicalize_name(name) not in known:
            observe(Noticed(f"--upgrade-package: no lock has {name}"))
    return locks
