"""What is wrong in a wheel: a rule, a member, a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bundler.errors import RefusedError

_NAMED: Final = 5  # so many faults in one message, then their number

_ADVICE: Final = (
    "tell the project; to carry a file all the same, look into it, then add to the profile:"
)
ACCEPT_HINT: Final = f'{_ADVICE}\n[[accept]]\nsha256 = "{{digest}}"\nreason = "…"'


class WheelError(RefusedError):
    """A wheel is not what its filename or its plan says, or breaks a rule of `bundler.wheel`."""

    code = "wheel"


RULES: Final = (
    "bomb",
    "kind",
    "metadata-folder",
    "name",
    "name-twice",
    "native-platform",
    "native-unreadable",
    "record",
    "record-digest",
    "record-extra",
    "record-missing",
    "record-size",
    "wheel-file",
    "wheel-purelib",
    "wheel-tags",
    "wheel-version",
    "zip-comment",
    "zip-crc",
    "zip-data",
    "zip-directory",
    "zip-end",
    "zip-extra",
    "zip-flags",
    "zip-gap",
    "zip-local",
    "zip-method",
    "zip-name",
    "zip-overlap",
    "zip-size",
    "zip-zip64",
)
"""Every rule that a profile can let one file break; docs/wheels.md says what each means."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that a wheel breaks.

    Attributes:
        rule: Its name, such as `record-digest`; docs/wheels.md lists them.
        text: What is there instead.
        member: The path in the wheel, None for what concerns the whole file.
    """

    rule: str
    text: str
    member: str | None = None

    def __str__(self) -> str:
        where = "" if self.member is None else f"{self.member!r:.160}: "
        return f"{where}{self.text} [{self.rule}]"


class BrokenError(Exception):
    """A fault behind which nothing in the file can be read for sure; `bundler.wheel` catches it."""

    def __init__(self, rule: str, text: str, member: str | None = None) -> None:
        super().__init__(text)
        self.fault = Fault(rule, text, member)


def together(errors: Sequence[WheelError]) -> WheelError:
    """One error for several files, so that nobody has to find them one after the other."""
    if len(errors) == 1:
        return errors[0]
    hints = [error.hint for error in errors if error.hint]
    tables = [hint.removeprefix(_ADVICE) for hint in hints if hint.startswith(_ADVICE)]
    others = [hint for hint in dict.fromkeys(hints) if not hint.startswith(_ADVICE)]
    advice = [*others, *([_ADVICE + "".join(tables)] if tables else [])]
    return WheelError("\n".join(error.message for error in errors), hint="\n".join(advice) or None)


def wheel_error(filename: str, faults: Sequence[Fault], *, hint: str | None = None) -> WheelError:
    """The error that names the first faults of a file and counts the others."""
    named = "; ".join(str(fault) for fault in faults[:_NAMED])
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return WheelError(f"{filename}: {named}{more}", hint=hint)
