"""Progress, as plain values: who reports does not know who listens.

A phase starts once with its total, advances, and finishes. `unit` is "B" for bytes, else the plural
noun that is counted. Tests pass `list.append` as the observer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Started:
    """A phase begins, or has learnt its total; in `unit`, None when it is not known yet."""

    phase: str
    total: int | None = None
    unit: str = "B"


@dataclass(frozen=True, slots=True)
class Advanced:
    """`amount` more of the phase's unit is done; negative where work must be done again."""

    phase: str
    amount: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A phase ended well; `summary` is one line for people."""

    phase: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that a person should read, though nothing failed."""

    message: str


Event: TypeAlias = Started | Advanced | Finished | Noticed
Observer: TypeAlias = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """The observer that nobody reads."""
