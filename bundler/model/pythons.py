"""Python words: `3.12`, `3.12.4`, `3.13t`, `pypy3.10`, and the tags and markers that they imply."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from packaging.tags import Tag, compatible_tags, cpython_tags, generic_tags

CPYTHON: Final = range(9, 16)
"""The minor versions of CPython that are known."""

FREE_THREADED: Final = range(13, 16)
"""Those with a free-threaded build (PEP 703)."""

PYPY: Final = range(9, 12)
"""The Pythons that PyPy 7.3 is made for."""

FORMS: Final[Mapping[str, str]] = {
    f"3.{CPYTHON[0]} … 3.{CPYTHON[-1]}": "CPython",
    f"3.{FREE_THREADED[0]}t … 3.{FREE_THREADED[-1]}t": "its free-threaded build",
    f"pypy3.{PYPY[0]} … pypy3.{PYPY[-1]}": "PyPy 7.3",
    "3.12.4, 3.13.1t, pypy3.10.14": "with a patch release; without one, the oldest is meant",
}
"""Every form of word, with its meaning."""

_WORD = re.compile(r"(pypy)?3\.([1-9][0-9]?)(?:\.(0|[1-9][0-9]?))?(t?)")
_LABEL = re.compile(r"(cp|pp)3([1-9][0-9]?)(t?)(?:_(0|[1-9][0-9]?))?")


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter.

    Attributes:
        name: As written in the profile.
        minor: The 12 of 3.12.
        patch: The 4 of 3.12.4, None when the profile leaves it open.
        free_threaded: Whether it runs without the global interpreter lock.
    """

    name: str
    implementation: Literal["cpython", "pypy"]
    minor: int
    patch: int | None = None
    free_threaded: bool = False

    @property
    def full_version(self) -> str:
        """`3.12.4`; of an open patch release the oldest, as uv does."""
        return f"3.{self.minor}.{self.patch or 0}"

    @property
    def label(self) -> str:
        """For the names of targets, where a dot must not be: `cp312`, `cp313t_4`, `pp310`."""
        threading = "t" if self.free_threaded else ""
        patch = "" if self.patch is None else f"_{self.patch}"
        return f"{self._interpreter}{threading}{patch}"

    @property
    def _interpreter(self) -> str:
        return f"{'cp' if self.implementation == 'cpython' else 'pp'}3{self.minor}"

    def tags(self, platforms: Sequence[str]) -> Iterator[Tag]:
        """Every compatible tag, most preferred first."""
        version = (3, self.minor)
        if self.implementation == "cpython":
            abi = f"{self._interpreter}{'t' if self.free_threaded else ''}"
            yield from cpython_tags(version, [abi], platforms)
            yield from compatible_tags(version, self._interpreter, platforms)
        else:
            yield from generic_tags(self._interpreter, [f"pypy3{self.minor}_pp73"], platforms)
            yield from compatible_tags(version, "pp3", platforms)

    def environment(self) -> dict[str, str]:
        """The marker values that depend on the interpreter alone (PEP 508).

        PyPy's own version is that of its oldest release with the ABI in the tags.
        """
        cpython = self.implementation == "cpython"
        return {
            "implementation_name": self.implementation,
            "implementation_version": self.full_version if cpython else "7.3.0",
            "platform_python_implementation": "CPython" if cpython else "PyPy",
            "python_full_version": self.full_version,
            "python_version": f"3.{self.minor}",
        }


def parse_python(word: str) -> Python:
    """The interpreter that a word of the profile names.

    Raises:
        ValueError: if it is not known; the message lists what is.
    """
    if match := _WORD.fullmatch(word):
        pypy, minor, patch, threading = match[1], int(match[2]), match[3], bool(match[4])
        known = PYPY if pypy else FREE_THREADED if threading else CPYTHON
        if minor in known and not (pypy and threading):
            return Python(
                name=word,
                implementation="pypy" if pypy else "cpython",
                minor=minor,
                patch=None if patch is None else int(patch),
                free_threaded=threading,
            )
    raise ValueError(
        f"unknown Python {word!r}; known are {_span(CPYTHON)}, {_span(FREE_THREADED)} with"
        f' "t" behind it for the free-threaded build, and {_span(PYPY)} with "pypy" in front'
    )


def word_of_label(label: str) -> str:
    """The word that has the `label`: `3.13.4t` for `cp313t_4`.

    Raises:
        ValueError: if it is no label.
    """
    if match := _LABEL.fullmatch(label):
        kind, minor, threading, patch = match.groups()
        release = f"3.{minor}" if patch is None else f"3.{minor}.{patch}"
        return f"{'pypy' if kind == 'pp' else ''}{release}{threading}"
    raise ValueError(f"{label!r} is no label of a Python, such as cp312")


def _span(minors: range) -> str:
    return f"3.{minors[0]} to 3.{minors[-1]}"
