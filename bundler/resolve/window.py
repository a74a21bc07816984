"""Where in a sorted list the versions are that a specifier can allow.

A search asks thousands of times which of a project's thousand versions fit. To compare each with
each specifier is most of its work; to find the few that are between the specifier's bounds is not.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Every version that a clause allows is within; None where it has no bound.

    Attributes:
        least: It is no smaller.
        below: It is smaller.
        most: Without its local label it is no greater.
    """

    least: Version | None = None
    below: Version | None = None
    most: Version | None = None


class Window:
    """A project's versions, newest first."""

    def __init__(self, versions: Sequence[Version]) -> None:
        """`versions` are sorted already, newest first."""
        self._versions = versions
        self._rising = versions[::-1]

    def around(self, specifier: SpecifierSet) -> Sequence[Version]:
        """All versions that `specifier` allows, and perhaps some that it does not."""
        first, last = 0, len(self._rising)
        for clause in specifier:
            bounds = _bounds(clause)
            if bounds.least is not None:
                first = max(first, bisect_left(self._rising, bounds.least))
            if bounds.below is not None:
                last = min(last, bisect_left(self._rising, bounds.below))
            if bounds.most is not None:
                last = min(last, bisect_right(self._rising, bounds.most, key=_public))
        total = len(self._rising)
        return self._versions[total - last : total - first]


def _public(version: Version) -> Version:
    return version if version.local is None else Version(version.public)


@lru_cache(maxsize=16384)
def _bounds(clause: Specifier) -> _Bounds:
    """The bounds of one clause (version specifiers, "Version specifiers")."""
    try:
        version = Version(clause.version.removesuffix(".*"))
    except InvalidVersion:
        return _Bounds()  # === takes any text
    found = _Bounds()
    match clause.operator:
        case ">=" | ">":
            found = _Bounds(least=version)
        case "<":
            found = _Bounds(below=version)
        case "<=":
            found = _Bounds(most=version)
        case "~=":
            found = _Bounds(least=version, below=_behind(version, version.release[:-1]))
        case "==" if clause.version.endswith(".*"):
            release = version.release
            found = _Bounds(least=_first(version, release), below=_behind(version, release))
        case "==" | "===":
            found = _Bounds(least=version, most=_public(version))
        case _:
            pass  # != has none
    return found


def _first(like: Version, release: tuple[int, ...]) -> Version:
    """The smallest version that begins with a release."""
    return Version(f"{like.epoch}!{'.'.join(map(str, release))}.dev0")


def _behind(like: Version, release: tuple[int, ...]) -> Version:
    """The smallest version behind all those that begin with a release."""
    return _first(like, (*release[:-1], release[-1] + 1))
