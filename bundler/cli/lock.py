"""`bundle lock`: the plan alone, one pylock for each target, and why it is as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler import TOOL
from bundler.cli.console import console
from bundler.cli.home import find_home
from bundler.cli.lock_results import LockedResult, WhyResult
from bundler.cli.options import AsJson, HomeFolder, Quiet
from bundler.cli.planning import (
    Locked,
    LockUse,
    Planning,
    Upgrade,
    UpgradePackages,
    indexes,
    locks_folder,
    planning,
)
from bundler.cli.portion import MirrorKey, find_since
from bundler.cli.vouching import find_publishers, make_vouching
from bundler.errors import BundlerError
from bundler.events import Observer, ignore

if TYPE_CHECKING:
    from bundler.model.plan import Plan
    from bundler.resolve.lock import Publishers
    from bundler.upstream.origins import Origins
    from bundler.upstream.vouching import Vouching


def lock(
    profile: Annotated[Path, typer.Argument(help="What is wanted: a TOML file.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Where the locks are. [default: PROFILE.locks]"
        ),
    ] = None,
    *,
    locked: Locked = False,
    upgrade: Upgrade = False,
    upgrade_package: UpgradePackages = None,
    publishers: Annotated[
        bool,
        typer.Option(
            "--publishers",
            help="Verify attestations, pin who made them in the locks, and propose [[publisher]].",
        ),
    ] = False,
    why: Annotated[
        str | None,
        typer.Option(
            "--why", metavar="PROJECT", help="Tell why a project is planned; write nothing."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="N|RECEIPT",
            help="Say what a delta would carry for whoever has this: see `bundle create`.",
        ),
    ] = None,
    mirror_key: MirrorKey = None,
    home: HomeFolder = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Resolve a profile for all targets and write one pylock.toml for each.

    Versions of locks that are there are kept where they still fit.
    """
    if mirror_key is not None and since is None:
        raise typer.BadParameter("--mirror-key is about the receipt of --since")
    if publishers and (locked or why is not None):
        raise typer.BadParameter("--publishers excludes --locked and --why")
    use = LockUse(
        folder=out or locks_folder(profile),
        exact=locked,
        upgrade=upgrade,
        packages=upgrade_package or (),
    )
    with console(as_json=as_json, quiet=quiet) as shown:
        from bundler.disk import require_folder

        if not use.exact and why is None:
            require_folder(use.folder)
        folders = find_home(home)
        planned = planning(profile, use, folders, shown.observe)
        base = None
        if since is not None:
            from bundler.trust.authority import Authority

            authority = Authority.open(folders.streams / planned.profile.stream)
            base = find_since(since, mirror_key, authority, shown.observe)
        with indexes(planned, shown.observe) as index:
            if why is not None:
                shown.result(_why(planned, index, why, shown.observe))
            elif publishers:
                from bundler.upstream.transport import Transport

                with Transport(credentials=planned.credentials) as transport:
                    vouching = make_vouching(profile, planned, transport)
                    locks = _lock(planned, index, use, vouching, shown.observe)
                    shown.result(replace(locks, since=base))
            else:
                locks = _lock(planned, index, use, None, shown.observe)
                shown.result(replace(locks, since=base))


def _lock(
    planned: Planning, index: Origins, use: LockUse, vouching: Vouching | None, observe: Observer
) -> LockedResult:
    from bundler.resolve.plan import find_resolution, plan_of

    resolution = find_resolution(planned.request, planned.locks, index, observe, lambda _file: None)
    plan = plan_of(resolution, TOOL, observe)
    found: Publishers = {}
    if vouching is not None:
        found = find_publishers(plan, vouching, planned.cache, observe)
        pinned = replace(resolution.request, publishers=found)
        plan = plan_of(replace(resolution, request=pinned), TOOL, ignore)
    if not use.exact:
        _write(use.folder, plan, planned)
    versions = {
        solution.target.name: {project: pin.version for project, pin in solution.pins.items()}
        for solution in resolution.solutions
    }
    return LockedResult(use.folder, planned.profile.stream, plan, versions, planned.earlier, found)


def _write(folder: Path, plan: Plan, planned: Planning) -> None:
    """Write what changed; a target that has no solution any more has no lock any more."""
    from bundler.disk import atomic_write
    from bundler.resolve.lock import lock_name

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in plan.locks.items():
            path = folder / name
            if not path.exists() or path.read_bytes() != data:
                atomic_write(path, data)
        for target in planned.request.targets:
            if (name := lock_name(planned.profile.stream, target)) not in plan.locks:
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise BundlerError(f"{error.filename or folder}: {error.strerror or error}") from error


def _why(planned: Planning, index: Origins, name: str, observe: Observer) -> WhyResult:
    from packaging.utils import InvalidName, canonicalize_name

    from bundler.resolve.plan import find_resolution
    from bundler.resolve.why import tell_why

    try:
        project = canonicalize_name(name, validate=True)
    except InvalidName as error:
        raise BundlerError(
            f"{name!r} is not a project's name", hint="give a name alone, without a version"
        ) from error
    resolution = find_resolution(planned.request, planned.locks, index, observe, lambda _file: None)
    told = tell_why(resolution, project)
    if all(story.version is None for story in told):
        raise BundlerError(
            f"nothing requires {project}, for any target", hint="check the project's name"
        )
    return WhyResult(project, told)
