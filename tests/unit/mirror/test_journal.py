from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.disk import read_whole
from bundler.errors import BundlerError, DamagedError
from bundler.mirror import journal as module
from bundler.mirror.entry import (
    MAX_LINE,
    NOTHING,
    About,
    BrokenChainError,
    Entry,
    Head,
    digest_of,
    read_chain,
)
from bundler.mirror.journal import Journal, Operator, read_anyway, read_history
from bundler.mirror.layout import Mirror
from tests.fakes.journals import MOMENT, OPERATOR, head_of, lines
from tests.fakes.trust import digest

SIX = 6


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror.create(tmp_path / "mirror")


def _write(mirror: Mirror, count: int = SIX) -> None:
    journal = Journal.open(mirror, OPERATOR)
    for number in range(1, count + 1):
        journal.write("received", about=About(stream="web", sequence=number))


def _chained(count: int) -> list[bytes]:
    """The lines of a journal, made by nothing but their definition."""
    found: list[bytes] = []
    for number in range(1, count + 1):
        entry = Entry(
            number=number,
            time="2026-01-31T12:00:00Z",
            operator="olga",
            phase="received",
            about=About(sequence=number),
            previous=digest_of(found[-1]) if found else NOTHING,
        )
        found.append(entry.to_line())
    return found


def test_a_mirror_without_a_journal_has_an_empty_history(mirror: Mirror) -> None:
    chain = read_history(mirror)
    assert (chain.entries, chain.torn, chain.head) == ((), b"", None)
    Journal.open(mirror, OPERATOR)
    assert not mirror.journal.exists()


def test_what_is_written_is_read(mirror: Mirror) -> None:
    about = About(
        medium="/media/disc/web-000001.v01.tar.zst",
        volume="web-000001.v01.tar.zst",
        stream="web",
        sequence=1,
        manifest=digest(b"manifest"),
        index=digest(b"index"),
        key="1f0c 22ab 9d3e 4477",
    )
    journal = Journal.open(mirror, OPERATOR)
    journal.write("verified", about=about)
    journal.write("live", "refused", note="ä\nno")
    first, second = read_history(mirror).entries
    assert first == Entry(
        number=1,
        time="2026-01-31T12:00:00Z",
        operator="olga",
        phase="verified",
        about=about,
        previous=NOTHING,
    )
    assert (second.number, second.result, second.note) == (2, "refused", "ä\nno")
    assert second.previous == digest_of(lines(mirror)[0])
    assert mirror.journal_head.read_bytes() == head_of(lines(mirror)).to_bytes()


def test_a_journal_is_for_its_owner_only_whatever_the_umask(mirror: Mirror) -> None:
    old = os.umask(0)
    try:
        _write(mirror, 1)
    finally:
        os.umask(old)
    for path in (mirror.journal, mirror.journal_head):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_odd_and_endless_texts_are_written_as_utf_8(mirror: Mirror) -> None:
    path = os.fsdecode(b"/media/\xff\n\x1b[31m") + "x" * 9000
    Journal.open(mirror, Operator("o" * 9000, OPERATOR.clock)).write(
        "received", "refused", note="\N{PILE OF POO}" * 9000, about=About(medium=path, volume=path)
    )
    entry = read_history(mirror).entries[0]
    assert entry.about.medium is not None
    assert entry.about.medium.startswith("/media/?\n\x1b[31mxxx")
    assert len(lines(mirror)) == 1
    assert len(lines(mirror)[0]) < MAX_LINE


def test_a_journal_goes_on_where_it_ended(mirror: Mirror) -> None:
    _write(mirror, 2)
    _write(mirror, 2)
    assert [entry.number for entry in read_history(mirror).entries] == [1, 2, 3, 4]


def test_the_line_that_says_what_is_live_is_the_newest_of_its_stream(mirror: Mirror) -> None:
    journal = Journal.open(mirror, OPERATOR)
    assert journal.live("web") is None
    journal.write("live", about=About(stream="web", sequence=1))
    journal.write("live", about=About(stream="ops", sequence=7))
    journal.write("live", "refused", about=About(stream="web", sequence=2))
    journal.write("received", about=About(stream="web", sequence=3))
    found = journal.live("web")
    assert found is not None
    assert found.about.sequence == 1
    journal.write("rolled-back", about=About(stream="web", sequence=9))
    again = Journal.open(mirror, OPERATOR).live("web")
    assert again is not None
    assert again.about.sequence == 9


# What somebody may do to the file, and the line that is named.

Change = Callable[[list[bytes]], list[bytes]]


def _edited(number: int) -> Change:
    def change(written: list[bytes]) -> list[bytes]:
        entry = replace(Entry.from_line(written[number - 1]), operator="mallory")
        return [*written[: number - 1], entry.to_line(), *written[number:]]

    return change


def _relinked(number: int) -> Change:
    """Another digest of the line before."""

    def change(written: list[bytes]) -> list[bytes]:
        entry = replace(Entry.from_line(written[number - 1]), previous=digest(b"forged"))
        return [*written[: number - 1], entry.to_line(), *written[number:]]

    return change


def _cut(first: int, last: int) -> Change:
    return lambda written: [*written[: first - 1], *written[last:]]


def _inserted(number: int, line: bytes) -> Change:
    return lambda written: [*written[: number - 1], line, *written[number - 1 :]]


_OTHER = _chained(9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *((_edited(n), f"line {n} was edited: its digest is not that in") for n in range(1, 7)),
        *((_relinked(n), f"line {n} was edited: its digest is not") for n in range(1, 7)),
        *((_cut(n, n), f"line {n} was cut: ") for n in range(1, 7)),
        (_cut(2, 4), "line 2 was cut: in its place is what was line 5"),
        (_cut(4, 6), "line 4 was cut: there were 6 lines, 3 are left"),
        (_cut(1, 6), "line 1 was cut: there were 6 lines, 0 are left"),
        (_inserted(3, _OTHER[0]), "line 3 was put in: it says that it is line 1"),
        (_inserted(3, b"hm\n"), "line 3 was edited: line: not JSON"),
        (_inserted(7, _OTHER[6]), "line 7 was put in: the journal ended with line 6"),
        (lambda ls: [*ls[:2], ls[3], ls[2], *ls[4:]], "line 3 was cut: in its place is what was"),
        (lambda ls: [*ls[:5], ls[5][:-9]], "line 6 was edited: not a line"),
        (lambda ls: [*ls, b"x" * (MAX_LINE + 1)], "line 7 was put in: the journal ended"),
        (lambda ls: [*ls, b"a\n", b"b"], "line 7 was put in: the journal ended with line 6"),
        (
            lambda ls: [ls[0].replace(b'"format":1', b'"format":2'), *ls[1:]],
            "line 1 was edited: line.format: this version of bundle reads format 1 only",
        ),
        (
            lambda ls: [*ls[:1], ls[1].replace(b"received", b"believed"), *ls[2:]],
            "line 2 was edited: line.phase: 'believed' is none",
        ),
        (
            lambda ls: [*ls[:1], ls[1].replace(b'"ok"', b'"fine"'), *ls[2:]],
            "line 2 was edited: line.result: 'fine' is none",
        ),
        (
            lambda ls: [*ls[:1], ls[1].replace(b'"manifest":null', b'"manifest":"x"'), *ls[2:]],
            "line 2 was edited: not a sha256 digest: 'x'",
        ),
        (
            lambda ls: [*ls[:1], _relinked(2)(ls)[1], b"?\n", *ls[3:]],
            "line 1 was edited: its digest is not that in the next",
        ),
    ],
)
def test_every_change_is_found_and_the_first_line_named(
    mirror: Mirror, change: Change, message: str
) -> None:
    _write(mirror)
    mirror.journal.write_bytes(b"".join(change(lines(mirror))))
    before = mirror.journal.read_bytes()
    with pytest.raises(DamagedError) as caught:
        read_history(mirror)
    assert caught.value.message.startswith(f"{mirror.journal}: {message}")
    assert caught.value.hint is not None
    assert "move them away: a new journal begins" in caught.value.hint
    with pytest.raises(DamagedError):  # and nothing is built upon it
        Journal.open(mirror, OPERATOR)
    assert mirror.journal.read_bytes() == before


def test_a_lost_head_is_found(mirror: Mirror) -> None:
    _write(mirror)
    mirror.journal_head.unlink()
    with pytest.raises(DamagedError, match="the head is lost, which knows the last line"):
        read_history(mirror)


def test_a_lost_head_does_not_hide_an_edited_line(mirror: Mirror) -> None:
    _write(mirror, 3)
    mirror.journal.write_bytes(b"".join(_relinked(3)(lines(mirror))))
    mirror.journal_head.unlink()
    with pytest.raises(DamagedError, match="line 2 was edited"):  # or line 3: nothing tells which
        read_history(mirror)


def test_a_journal_that_was_written_anew_is_found_by_a_head_noted_elsewhere(mirror: Mirror) -> None:
    _write(mirror, 3)
    noted = read_history(mirror).digests[-1]
    _write(mirror, 2)
    assert len(read_history(mirror, noted).entries) == 5
    for path in (mirror.journal, mirror.journal_head):
        path.unlink()
    _write(mirror, 2)
    with pytest.raises(DamagedError, match=f"no line has the digest {noted}") as caught:
        read_history(mirror, noted)
    assert caught.value.hint is not None
    assert "cut or written anew since that head was noted" in caught.value.hint


def test_a_lost_journal_is_found(mirror: Mirror) -> None:
    _write(mirror)
    mirror.journal.unlink()
    with pytest.raises(DamagedError, match="line 1 was cut: there were 6 lines, 0 are left"):
        read_history(mirror)


def test_an_edited_head_is_found(mirror: Mirror) -> None:
    _write(mirror)
    mirror.journal_head.write_bytes(b"{}")
    with pytest.raises(DamagedError, match=r"its head, journal\.head, was edited: head: no key"):
        read_history(mirror)
    mirror.journal_head.write_bytes(Head(5, digest(b"5")).to_bytes())
    with pytest.raises(DamagedError, match="line 5 was edited: its digest is not that in the head"):
        read_history(mirror)


def test_lines_that_can_be_read_are_shown_whatever_else_there_is(mirror: Mirror) -> None:
    _write(mirror)
    written = lines(mirror)
    mirror.journal.write_bytes(b"".join([written[4], b"nonsense\n", written[1][:-5]]))
    assert [entry.number for entry in read_anyway(mirror)] == [5]


def _same(written: Sequence[bytes]) -> tuple[bytes, Head]:
    return b"".join(written), head_of(list(written))


@given(count=st.integers(1, 12), data=st.data())
def test_any_flipped_byte_is_found(count: int, data: st.DataObject) -> None:
    whole, head = _same(_chained(count))
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= data.draw(st.integers(1, 255))
    line = whole[:place].count(b"\n") + 1
    with pytest.raises(BrokenChainError, match=f"^line {line} was"):
        read_chain(bytes(flipped), head)


@given(count=st.integers(1, 12), data=st.data())
def test_any_cut_is_found(count: int, data: st.DataObject) -> None:
    whole, head = _same(_chained(count))
    first = data.draw(st.integers(0, len(whole) - 1))
    last = data.draw(st.integers(first + 1, len(whole)))
    with pytest.raises(BrokenChainError):
        read_chain(whole[:first] + whole[last:], head)


@given(count=st.integers(2, 12), data=st.data())
def test_any_other_order_is_found(count: int, data: st.DataObject) -> None:
    written = _chained(count)
    shuffled = data.draw(st.permutations(written).filter(lambda order: list(order) != written))
    first = next(n for n in range(count) if shuffled[n] != written[n]) + 1
    with pytest.raises(BrokenChainError, match=f"^line {first} was"):
        read_chain(b"".join(shuffled), head_of(written))


@given(count=st.integers(1, 12), data=st.data())
def test_any_line_that_is_put_in_is_found(count: int, data: st.DataObject) -> None:
    written = _chained(count)
    place = data.draw(st.integers(0, count))
    line = data.draw(st.sampled_from([*_chained(count), b"\n", b"{}\n"]))
    if place == count and line in {b"\n", b"{}\n"}:  # as a torn line may look
        return
    with pytest.raises(BrokenChainError):
        read_chain(b"".join([*written[:place], line, *written[place:]]), head_of(written))


@given(count=st.integers(1, 6), data=st.data())
def test_a_line_that_is_torn_anywhere_is_no_edit(count: int, data: st.DataObject) -> None:
    *before, last = _chained(count)
    kept = data.draw(st.integers(0, len(last) - 1))
    zeros = data.draw(st.sampled_from([0, len(last) - kept]))  # a file that grew without its bytes
    torn = last[:kept] + bytes(zeros)
    chain = read_chain(b"".join(before) + torn, head_of(before) if before else None)
    assert (len(chain.entries), chain.torn) == (count - 1, torn)


def test_a_torn_line_is_taken_away_and_that_is_noted(mirror: Mirror) -> None:
    _write(mirror, 2)
    whole = mirror.journal.read_bytes()
    mirror.journal.write_bytes(whole + b'{"format":1,"in')
    torn = b'{"format":1,"in'
    assert read_history(mirror).torn == torn
    Journal.open(mirror, OPERATOR).write("live")
    chain = read_history(mirror)
    assert mirror.journal.read_bytes().startswith(whole)
    assert [entry.phase for entry in chain.entries[2:]] == ["mended", "live"]
    assert chain.entries[2].note == (
        f"a line of which a crash left 15 bytes was taken away, sha256 {digest(torn)}"
    )


# Crashes: at any step of writing, what is left is a journal that verifies and goes on.


@pytest.mark.parametrize("kept", [0, 1, 40, 1 << 20])
@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_crash_while_a_line_is_written(mirror: Mirror, before: int, kept: int) -> None:
    """Some bytes of the line reached the disk; of its head, none."""
    _write(mirror, before)
    head = mirror.journal_head.read_bytes() if before else None
    _write(mirror, 1)
    *old, last = lines(mirror)
    mirror.journal.write_bytes(b"".join(old) + last[:kept])
    if head is None:
        mirror.journal_head.unlink()
    else:
        mirror.journal_head.write_bytes(head)
    whole = kept >= len(last)
    chain = read_history(mirror)
    assert len(chain.entries) == before + whole
    _write(mirror, 1)
    assert len(read_history(mirror).entries) == before + 2 - (kept == 0)


@pytest.mark.parametrize("step", range(1, 16))
def test_a_crash_at_any_call_of_the_disk(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The process ends there, without any tidying up."""
    _write(mirror, 1)
    count = 0

    def ends(real: Callable[..., object], *arguments: object) -> object:
        nonlocal count
        count += 1
        if count == step:
            os._exit(9)
        return real(*arguments)

    child = os.fork()
    if child == 0:  # pragma: no branch - the child does not come back
        try:
            for name in ("fsync", "open", "ftruncate"):
                monkeypatch.setattr(os, name, partial(ends, getattr(os, name)))
            _write(mirror, 1)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {0, 9}
    chain = read_history(mirror)
    assert len(chain.entries) in {1, 2}
    _write(mirror, 1)
    assert len(read_history(mirror).entries) >= len(chain.entries) + 1


def test_a_full_disk_leaves_nothing_of_a_line(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(mirror, 2)
    before = mirror.journal.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    journal = Journal.open(mirror, OPERATOR)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundlerError, match="no room left in"):
        journal.write("live")
    monkeypatch.undo()
    assert mirror.journal.read_bytes() == before
    journal.write("live")
    assert len(read_history(mirror).entries) == 3


def test_a_head_that_could_not_be_written_is_written_with_the_next_line(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(mirror, OPERATOR)

    def fails(*_arguments: object, **_options: object) -> None:
        raise BundlerError("no")

    monkeypatch.setattr(module, "atomic_write", fails)
    with pytest.raises(BundlerError):
        journal.write("received")
    assert len(read_history(mirror).entries) == 1  # ahead of its head by one
    monkeypatch.undo()
    journal.write("received", note="again")
    assert [entry.note for entry in read_history(mirror).entries] == ["again"]


def test_a_link_in_place_of_the_journal_is_not_followed(mirror: Mirror, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    mirror.journal.symlink_to(elsewhere)
    with pytest.raises(BundlerError, match=r"journal\.jsonl cannot be written: Too many levels"):
        _write(mirror, 1)
    assert elsewhere.read_bytes() == b""


def test_a_line_that_is_added_while_it_is_read_is_no_damage(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(mirror, 1)
    real, read = read_whole, list[Path]()

    def reads(path: Path) -> bytes:
        if path == mirror.journal and path not in read:
            read.append(path)
            old = real(path)
            monkeypatch.setattr(module, "read_whole", real)
            _write(mirror, 2)
            return old
        return real(path)

    monkeypatch.setattr(module, "read_whole", reads)
    assert len(read_history(mirror).entries) == 3
    assert read == [mirror.journal]


def test_the_clock_is_the_operators(mirror: Mirror) -> None:
    moments = iter([MOMENT, MOMENT.replace(minute=5)])
    journal = Journal.open(mirror, Operator("olga", lambda: next(moments)))
    journal.write("received")
    journal.write("verified")
    assert [entry.time for entry in read_history(mirror).entries] == [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:05:00Z",
    ]
