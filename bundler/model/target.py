"""A target: the interpreter and platform that packages will be installed on, far from this host.

A target is derived from two words of the profile, a Python and a platform, and from the marker
values that the profile sets; never from the host that runs this code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeAlias, get_args

from packaging.tags import Tag
from packaging.version import InvalidVersion, Version

from bundler.model.platforms import Platform, parse_platform
from bundler.model.pythons import Python, parse_python, word_of_label

Marker: TypeAlias = Literal[
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
]
"""An environment marker (dependency specifiers, "Environment Markers")."""

MARKERS: Final[tuple[str, ...]] = get_args(Marker)


@dataclass(frozen=True)
class Target:
    """One interpreter on one platform; make one with `parse_target`.

    Attributes:
        name: In reports, locks and manifests: `cp312-x86_64-manylinux_2_28`, or the profile's own.
        markers: Marker values that the profile sets, sorted.
    """

    name: str
    python: Python
    platform: Platform
    markers: tuple[tuple[str, str], ...] = ()

    def __hash__(self) -> int:
        return hash(self.name)  # one profile's targets have different names

    @cached_property
    def python_version(self) -> Version:
        """The full version of the Python, which `Requires-Python` is compared with."""
        return Version(self.environment["python_full_version"])

    @cached_property
    def tags(self) -> dict[Tag, int]:
        """Every compatible tag with its rank; 0 is the most preferred."""
        ordered = dict.fromkeys(self.python.tags(self.platform.tags))
        return {tag: rank for rank, tag in enumerate(ordered)}

    @cached_property
    def environment(self) -> dict[str, str]:
        """The marker environment (dependency specifiers, "Environment Markers").

        Release and version of the operating system are empty unless the profile sets them: nobody
        else can know them.
        """
        platform = self.platform
        derived = {
            **self.python.environment(),
            "os_name": platform.os_name,
            "platform_machine": platform.machine,
            "platform_release": platform.release,
            "platform_system": platform.system,
            "platform_version": platform.version,
            "sys_platform": platform.sys_platform,
        }
        return dict(sorted((derived | dict(self.markers)).items()))


def parse_target(
    python: str,
    platform: str,
    *,
    name: str | None = None,
    markers: Iterable[tuple[str, str]] = (),
) -> Target:
    """The target that two words of a profile name.

    Args:
        python: Such as `3.12`.
        platform: Such as `x86_64-manylinux_2_28`.
        name: Instead of the one that follows from the two words.
        markers: Names and values instead of those that follow from the two words.

    Raises:
        ValueError: if a word is not known, or a marker is of another Python; the message says what
            is known.
    """
    interpreter, place = parse_python(python), parse_platform(platform)
    given = tuple(sorted(markers))
    for marker, value in given:
        _check_version(interpreter, marker, value)
    return Target(name or f"{interpreter.label}-{place.name}", interpreter, place, given)


def parse_target_name(name: str) -> Target:
    """The target that `parse_target` gives this name to.

    Raises:
        ValueError: if it gives it to none.
    """
    label, _, platform = name.partition("-")
    try:
        return parse_target(word_of_label(label), platform)
    except ValueError as error:
        raise ValueError(f"{name!r} is no target's name: {error}") from error


def _check_version(python: Python, marker: str, value: str) -> None:
    """Another Python's version would give wheels of one and the dependencies of another."""
    if marker == "python_full_version":
        try:
            fits = Version(value).release[:2] == (3, python.minor)
        except InvalidVersion:
            fits = False
    else:
        fits = marker != "python_version" or value == f"3.{python.minor}"
    if not fits:
        raise ValueError(f"the marker {marker} = {value!r} is no version of Python {python.name}")
