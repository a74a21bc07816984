"""The lines of a mirror's journal, and what makes them a chain.

Each line holds the digest of the line before it, and its own number. So a line that was edited,
cut out or put in is found, and named. The newest line is known from a second file, the head, since
nothing in a chain tells that it once went on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from bundler.model.artifact import Sha256, parse_sha256
from bundler.model.canonical import Json, canonical
from bundler.model.document import FORMAT, Reader

Phase: TypeAlias = Literal[
    "received",
    "verified",
    "scanned",
    "approved",
    "live",
    "rolled-back",
    "pruned",
    "policy",
    "receipt",
    "mended",
]
Result: TypeAlias = Literal["ok", "refused", "incomplete"]

NOTHING: Final = Sha256("0" * 64)
"""What the first line has in place of the digest of a line before it."""

MAX_LINE: Final = 65_536
"""Bytes of a line, its end included."""

_PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
_RESULTS: Final[tuple[Result, ...]] = get_args(Result)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a line is about, as far as that was known.

    Attributes:
        medium: The volume's path as it was given.
        volume: Its file name.
        stream, sequence, manifest: Of what signatures vouched for; None before that was known.
        index: The sha256 of the volume's signed index, which names every byte behind the head.
        key: The fingerprint of the key of whoever approves, or changes the policy; of a receipt.
        policy: The sha256 of the mirror's policy from then on.
    """

    medium: str | None = None
    volume: str | None = None
    stream: str | None = None
    sequence: int | None = None
    manifest: Sha256 | None = None
    index: Sha256 | None = None
    key: str | None = None
    policy: Sha256 | None = None

    def to_json(self) -> dict[str, Json]:
        """Its part of a line."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def taken(cls, document: Reader) -> About:
        """Take its keys out of a line."""
        return cls(
            medium=document.optional_text("medium"),
            volume=document.optional_text("volume"),
            stream=document.optional_text("stream"),
            sequence=document.optional_size("sequence"),
            manifest=_optional_digest(document, "manifest"),
            index=_optional_digest(document, "index"),
            key=document.optional_text("key"),
            policy=_optional_digest(document, "policy"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: what happened to what, by whom, when.

    Attributes:
        number: From 1, by one more in each line.
        time: UTC, as in manifests.
        operator: The name of the account that ran the command.
        note: The reason of a refusal, or what else there is to say.
        previous: The sha256 of the line before, its end included.
    """

    number: int
    time: str
    operator: str
    phase: Phase
    result: Result = "ok"
    note: str | None = None
    about: About = About()
    previous: Sha256

    def to_json(self) -> dict[str, Json]:
        """As it stands in the line, but for the format."""
        return {
            "number": self.number,
            "time": self.time,
            "operator": self.operator,
            "phase": self.phase,
            "result": self.result,
            "note": self.note,
            **self.about.to_json(),
            "previous": self.previous,
        }

    def to_line(self) -> bytes:
        """Canonical JSON and a line's end."""
        return canonical({"format": FORMAT, **self.to_json()}) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Entry:
        """Read one.

        Raises:
            ValueError: if it is not what `to_line` writes.
        """
        if len(line) > MAX_LINE or not line.endswith(b"\n"):
            raise ValueError("not a line of the journal")
        document = Reader.over(line[:-1], "line")
        entry = cls(
            number=document.positive("number"),
            time=document.time("time"),
            operator=document.text("operator"),
            phase=_phase(document.text("phase")),
            result=_result(document.text("result")),
            note=document.optional_text("note"),
            about=About.taken(document),
            previous=document.digest("previous"),
        )
        document.finish()
        return entry


@dataclass(frozen=True, slots=True)
class Head:
    """The newest line that was finished: how many there are, and its digest."""

    number: int
    sha256: Sha256

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical({"format": FORMAT, "number": self.number, "sha256": self.sha256})

    @classmethod
    def from_bytes(cls, data: bytes) -> Head:
        """Read one.

        Raises:
            ValueError: if it is none.
        """
        document = Reader.over(data, "head")
        head = cls(document.positive("number"), document.digest("sha256"))
        document.finish()
        return head


@dataclass(frozen=True, slots=True)
class Chain:
    """Lines that are whole and in order.

    Attributes:
        digests: Of each line.
        torn: What a power cut has left behind them of a line that was being written.
    """

    entries: tuple[Entry, ...]
    digests: tuple[Sha256, ...]
    torn: bytes = b""

    @property
    def head(self) -> Head | None:
        """The newest line; None when there is none."""
        return Head(len(self.entries), self.digests[-1]) if self.digests else None


class BrokenChainError(ValueError):
    """Says which line is the first that is not as it was written."""


def digest_of(line: bytes) -> Sha256:
    """What the next line says of `line`."""
    return Sha256(hashlib.sha256(line).hexdigest())


def read_chain(data: bytes, head: Head | None) -> Chain:
    """Check every line against the next, and the last one against `head`.

    The head is written after its line. So one line may stand behind the one that it names, whole or
    torn; not two.

    Raises:
        BrokenChainError: naming the first line that was edited, cut or put in.
    """
    finished = head.number if head else 0
    lines = _split(data)
    behind = lines[finished:]
    if head is None and len(behind) > 1:
        _check(lines, None)
        raise BrokenChainError("the head is lost, which knows the last line")
    chain = _check(lines[:finished], head)
    if not behind:
        return chain
    if len(behind) == 1 and _follows(behind[0], chain):
        return _check(lines, head)
    if len(behind) > 1 or len(behind[0]) > MAX_LINE or _is_entry(behind[0]):
        raise BrokenChainError(
            f"line {finished + 1} was put in: the journal ended with line {finished}"
        )
    return replace(chain, torn=behind[0])


def _split(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _is_entry(line: bytes) -> bool:
    try:
        Entry.from_line(line)
    except ValueError:
        return False
    return True


def _follows(line: bytes, chain: Chain) -> bool:
    try:
        entry = Entry.from_line(line)
    except ValueError:
        return False
    previous = chain.digests[-1] if chain.digests else NOTHING
    return (entry.number, entry.previous) == (len(chain.entries) + 1, previous)


def _check(lines: list[bytes], head: Head | None) -> Chain:
    entries: list[Entry] = []
    digests: list[Sha256] = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = Entry.from_line(line)
        except ValueError as error:
            raise BrokenChainError(f"line {number} was edited: {error}") from error
        if entry.number > number:
            raise BrokenChainError(
                f"line {number} was cut: in its place is what was line {entry.number}"
            )
        if entry.number < number:
            raise BrokenChainError(
                f"line {number} was put in: it says that it is line {entry.number}"
            )
        digest = digest_of(line)
        if entry.previous != (digests[-1] if digests else NOTHING):
            blamed = number if _is_denied(lines, number, digest, head) else max(number - 1, 1)
            raise BrokenChainError(f"line {blamed} was edited: its digest is not that in the next")
        entries.append(entry)
        digests.append(digest)
        if head and head.number == number and head.sha256 != digest:
            raise BrokenChainError(f"line {number} was edited: its digest is not that in the head")
    if head and len(lines) < head.number:
        raise BrokenChainError(
            f"line {len(lines) + 1} was cut: there were {head.number} lines, {len(lines)} are left"
        )
    return Chain(tuple(entries), tuple(digests))


def _is_denied(lines: list[bytes], number: int, digest: Sha256, head: Head | None) -> bool:
    """Whether what follows line `number` knows it by another digest: then it is the edited one."""
    if head and head.number == number:
        return head.sha256 != digest
    if number < len(lines):
        try:
            return Entry.from_line(lines[number]).previous != digest
        except ValueError:
            return False
    return False


def _phase(text: str) -> Phase:
    for phase in _PHASES:
        if phase == text:
            return phase
    raise ValueError(f"line.phase: {text!r:.80} is none")


def _result(text: str) -> Result:
    for result in _RESULTS:
        if result == text:
            return result
    raise ValueError(f"line.result: {text!r:.80} is none")


def _optional_digest(document: Reader, key: str) -> Sha256 | None:
    text = document.optional_text(key)
    return None if text is None else parse_sha256(text)
