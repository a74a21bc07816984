"""Why a file, or a whole version, is not for a target: the answer of each file, in few words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.version import Version

from bundler.model.artifact import RemoteFile, parse_wheel_name
from bundler.model.target import Target
from bundler.resolve.select import NO_TAG, Shelf

_SHOWN = 5


def why_not_installable(shelf: Shelf, version: Version) -> str:
    """Why no wheel of a version can be chosen without more ado; it has no plain offer."""
    files = shelf.releases.get(version, ())
    if not files:
        return _why_not_built(shelf, version)
    if shelf.offer(version).any is not None:
        words = sorted({file.yanked for file in files if file.yanked})
        because = f" ({'; '.join(f'{word:.120}' for word in words)})" if words else ""
        return f"yanked{because}; only an exact == takes it"
    reasons: dict[str, list[RemoteFile]] = {}
    for file in files:  # none may be taken, so each verdict is a reason
        reasons.setdefault(str(shelf.judge(file)), []).append(file)
    if len(reasons) > 1:
        reasons.pop(NO_TAG, None)  # the others are nearer to what is wanted
    target = shelf.terms.target
    told = (_other_tags(files, target) if r == NO_TAG else r for r, files in reasons.items())
    return ", ".join(told)


def _why_not_built(shelf: Shelf, version: Version) -> str:
    """Why a version without any wheel was not taken as its source distribution."""
    sources = shelf.sources
    if sources is None or version not in sources.releases:
        return "a source distribution only, no wheel"
    if sources.offer(version).plain is not None:
        return "a source distribution only, and others have wheels"
    return why_not_installable(sources, version)


def _other_tags(files: Sequence[RemoteFile], target: Target) -> str:
    """What wheels are for, where no tag of any fits."""
    tags = {tag for file in files for tag in parse_wheel_name(file.filename).tags}
    right = {(tag.interpreter, tag.abi) for tag in target.tags}
    near = {tag.platform for tag in tags if (tag.interpreter, tag.abi) in right}
    if near:
        return f"no wheel for this platform, only for {_listed(sorted(near))}"
    pythons = {tag.interpreter if tag.abi == "none" else tag.abi for tag in tags}
    return f"no wheel for this Python, only for {_listed(sorted(pythons, key=_by_number))}"


def _by_number(label: str) -> tuple[int, str]:
    return len(label.rstrip("abcdefghijklmnopqrstuvwxyz")), label


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = len(known) - _SHOWN
    rest = "" if more < 1 else " and 1 other" if more == 1 else f" and {more} others"
    return ", ".join(known[:_SHOWN]) + rest
