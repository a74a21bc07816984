"""OUTSIDE: what is in a wheel: native libraries, SBOMs, and the rules that it breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from bundler.forks import answering
from bundler.model.artifact import Sha256, parse_wheel_name
from bundler.model.contents import (
    NATIVE_FORMATS,
    EmbeddedSbom,
    Native,
    NativeFormat,
    WheelContents,
)
from bundler.wheel.check import BUFFER, check_whole_wheel
from bundler.wheel.examine import Kind, Member, Taker
from bundler.wheel.fault import ACCEPT_HINT, RULES, WheelError, wheel_error
from bundler.wheel.natives import MAX_NATIVE, NativeParser, describe, native_faults
from bundler.wheel.sboms import MAX_SBOM, Statement, covered, read_sbom
from bundler.wheel.seen import Seen


@dataclass(frozen=True, slots=True)
class Unknown:
    """A wheel that nobody has looked into.

    Attributes:
        path: Where its bytes are; they have the digest `sha256`.
        filename: What it is called.
        metadata: The digest of the METADATA that dependencies were resolved from.
        accepted: Whether it may break rules.
    """

    path: Path
    filename: str
    sha256: Sha256
    metadata: Sha256
    accepted: bool


Looked: TypeAlias = tuple[WheelContents, tuple[str, ...]]
"""What is in a wheel, and the rules that it breaks, sorted; none unless it is accepted."""

Look: TypeAlias = Callable[[Unknown], Looked]
"""As `look_into`; several threads may call it."""


@contextmanager
def looking() -> Iterator[Look]:
    """Looks into wheels, in forks where it can.

    To be begun before a lock is taken, which a fork that outlives this process would hold, and
    before keys are loaded, which it does not need.
    """
    with (
        NativeParser() as parser,
        answering(partial(look_into, parser, Seen()), "look") as look,
    ):
        yield look


def look_into(parser: NativeParser, seen: Seen, wheel: Unknown) -> Looked:
    """Hold a wheel against all rules, and list what is in it.

    Raises:
        WheelError: naming each rule that is broken, unless the wheel is an accepted one.
    """
    look = _Look(parser)
    try:
        with wheel.path.open("rb", buffering=BUFFER) as file:
            _, examined = check_whole_wheel(
                file,
                wheel.filename,
                wheel.metadata,
                allowed=RULES if wheel.accepted else (),
                takers=look.takers(),
                seen=seen,
            )
        found = look.contents(wheel.sha256)
        platforms = {tag.platform for tag in parse_wheel_name(wheel.filename).tags}
        faults = [*examined.faults, *native_faults(found.natives, platforms)]
        if faults and not wheel.accepted:
            raise wheel_error(wheel.filename, faults)
    except WheelError as error:
        if wheel.accepted:
            raise
        hint = error.hint or ACCEPT_HINT.format(digest=wheel.sha256)
        raise type(error)(error.message, hint=hint) from error
    return found, tuple(sorted({fault.rule for fault in faults}))


class _Look:
    """What takers see of one wheel."""

    def __init__(self, parser: NativeParser) -> None:
        self._parser = parser
        self._natives: list[Native] = []
        self._sboms: list[EmbeddedSbom] = []
        self._statements: list[Statement] = []

    def takers(self) -> dict[Kind, Taker]:
        """For `examine`."""
        takers: dict[Kind, Taker] = {form: self._native_taker(form) for form in NATIVE_FORMATS}
        takers["sbom"] = self._take_sbom
        return takers

    def contents(self, wheel: Sha256) -> WheelContents:
        """All of it, sorted."""
        natives = covered(sorted(self._natives, key=lambda each: each.path), self._statements)
        return WheelContents(
            wheel, tuple(natives), tuple(sorted(self._sboms, key=lambda each: each.path))
        )

    def _native_taker(self, form: NativeFormat) -> Taker:
        def take(member: Member, path: Path) -> None:
            small = member.blob.size <= MAX_NATIVE
            facts = self._parser.parse(form, path) if small else None
            self._natives.append(describe(member, form, facts))

        return take

    def _take_sbom(self, member: Member, path: Path) -> None:
        self._sboms.append(EmbeddedSbom(member.path, member.blob))
        if member.blob.size <= MAX_SBOM:
            self._statements.append(read_sbom(member.path, path.read_bytes()))
