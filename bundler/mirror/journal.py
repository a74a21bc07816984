"""The mirror's journal: what was done, by whom, to what; lines are added and never changed.

`journal.jsonl` is a chain (`bundler.mirror.entry`), `journal.head` knows its last line. A line is
safe on disk before its head is, and both are before the command goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bundler.disk import atomic_write, no_room_explained, read_whole, sync_folder
from bundler.errors import BundlerError, DamagedError
from bundler.mirror.entry import (
    NOTHING,
    About,
    BrokenChainError,
    Chain,
    Entry,
    Head,
    Phase,
    Result,
    digest_of,
    read_chain,
)
from bundler.mirror.layout import Mirror
from bundler.model.artifact import Sha256

_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_NOTHING: Final = About()
_MAX_TEXT: Final = 2_000
_KEEP: Final = (
    "somebody or something changed it: find out who. Then keep journal.jsonl and journal.head"
    " elsewhere as evidence, and move them away: a new journal begins"
)


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs a command: the account's name, and the clock by which its lines are dated."""

    name: str
    clock: Callable[[], datetime]


class Journal:
    """The journal, open for more lines; whoever has it holds `mirror.locked()`."""

    def __init__(self, mirror: Mirror, chain: Chain, operator: Operator) -> None:
        self._path, self._head = mirror.journal, mirror.journal_head
        self._operator = operator
        self._size = sum(len(entry.to_line()) for entry in chain.entries)
        self._last = chain.digests[-1] if chain.digests else NOTHING
        self._entries = list(chain.entries)

    @classmethod
    def open(cls, mirror: Mirror, operator: Operator) -> Journal:
        """Check every line; what a power cut has left of a last one is taken away, and noted.

        Raises:
            DamagedError: if a line was edited, cut or put in: nothing is built on that.
            BundlerError: if it cannot be read or written.
        """
        chain, head = _read(mirror)
        journal = cls(mirror, chain, operator)
        if chain.head and chain.head != head:
            atomic_write(mirror.journal_head, chain.head.to_bytes(), mode=0o600)
        if chain.torn:
            journal.write(
                "mended",
                note=f"a line of which a crash left {len(chain.torn)} bytes was taken away, sha256"
                f" {digest_of(chain.torn)}",
            )
        return journal

    def write(
        self,
        phase: Phase,
        result: Result = "ok",
        *,
        note: str | None = None,
        about: About = _NOTHING,
    ) -> None:
        """Add a line; it is safe on disk on return.

        Raises:
            BundlerError: if it cannot be written; then none of it is left.
        """
        entry = Entry(
            number=len(self._entries) + 1,
            time=self._operator.clock().strftime(_TIME),
            operator=_plain(self._operator.name),
            phase=phase,
            result=result,
            note=note and _plain(note),
            about=replace(
                about,
                medium=about.medium and _plain(about.medium),
                volume=about.volume and _plain(about.volume),
            ),
            previous=self._last,
        )
        line = entry.to_line()
        head = Head(entry.number, digest_of(line))
        self._append(line)
        atomic_write(self._head, head.to_bytes(), mode=0o600)
        self._last, self._size = head.sha256, self._size + len(line)
        self._entries.append(entry)

    def live(self, stream: str) -> Entry | None:
        """The line that says what of a stream is live."""
        for entry in reversed(self._entries):
            if (
                entry.about.stream == stream
                and entry.phase in {"live", "rolled-back"}
                and entry.result == "ok"
            ):
                return entry
        return None

    @property
    def head(self) -> Sha256:
        """The digest of the last line."""
        return self._last

    def was_live(self, stream: str, sequence: int, manifest: Sha256) -> bool:
        """Whether a line says that this very sequence was live here once."""
        return any(
            entry.phase in {"live", "rolled-back"}
            and entry.result == "ok"
            and (entry.about.stream, entry.about.sequence, entry.about.manifest)
            == (stream, sequence, manifest)
            for entry in self._entries
        )

    def policy(self) -> Sha256 | None:
        """The digest of the policy that holds; None when there never was one."""
        for entry in reversed(self._entries):
            if entry.phase == "policy" and entry.result == "ok":
                return entry.about.policy
        return None

    def _append(self, line: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        is_new = not self._path.exists()
        try:
            with (
                no_room_explained(self._path.parent, len(line)),
                os.fdopen(os.open(self._path, flags, 0o600), "wb", buffering=0) as file,
            ):
                file.truncate(self._size)  # a torn line, or one whose head was not written
                file.seek(self._size)
                try:
                    while line:
                        line = line[file.write(line) :]
                    os.fsync(file.fileno())
                except BaseException:
                    file.truncate(self._size)
                    raise
            if is_new:
                sync_folder(self._path.parent)
        except OSError as error:
            raise BundlerError(
                f"{self._path} cannot be written: {error.strerror or error}"
            ) from error


def read_history(mirror: Mirror, noted: str | None = None) -> Chain:
    """The journal as it stands, checked; needs no lock.

    Args:
        mirror: Whose.
        noted: The digest of a line that was the last one once, kept somewhere else.

    Raises:
        DamagedError: naming the first line that was edited, cut or put in; or if `noted` is of no
            line.
        BundlerError: if it cannot be read.
    """
    chain = _read(mirror)[0]
    if noted is not None and noted not in chain.digests:
        raise DamagedError(
            f"{mirror.journal}: no line has the digest {noted:.80}",
            hint="the journal was cut or written anew since that head was noted, unless it is"
            " another mirror's",
        )
    return chain


def read_anyway(mirror: Mirror) -> tuple[Entry, ...]:
    """Every line that can be read, of a journal that nothing is known of: it may be all wrong.

    Raises:
        BundlerError: if it cannot be read.
    """
    found: list[Entry] = []
    for line in read_whole(mirror.journal).splitlines(keepends=True):
        with suppress(ValueError):
            found.append(Entry.from_line(line))
    return tuple(found)


def _read(mirror: Mirror) -> tuple[Chain, Head | None]:
    """The chain, and the head as it stands in its file."""
    try:
        head = _read_head(mirror)
        while True:
            data = read_whole(mirror.journal) if os.path.lexists(mirror.journal) else b""
            before, head = head, _read_head(mirror)
            if head == before:  # else another command has added a line meanwhile
                return read_chain(data, head), head
    except ValueError as error:
        raise DamagedError(f"{mirror.journal}: {error}", hint=_KEEP) from error


def _read_head(mirror: Mirror) -> Head | None:
    if not os.path.lexists(mirror.journal_head):
        return None
    try:
        return Head.from_bytes(read_whole(mirror.journal_head))
    except ValueError as error:
        raise BrokenChainError(
            f"its head, {mirror.journal_head.name}, was edited: {error}"
        ) from error


def _plain(text: str) -> str:
    """`text` as UTF-8 can hold it, and not without end: paths may have any bytes."""
    return text[:_MAX_TEXT].encode(errors="replace").decode()
