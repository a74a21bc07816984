"""Which of the generations that are kept is meant, where somebody wants to go back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from bundler.errors import DamagedError, RefusedError
from bundler.mirror.generations import Generation, Shown, kept_numbers, read_generation
from bundler.mirror.layout import Mirror

_SHOWN: Final = 20
_PRUNED: Final = "what was pruned, or came before this mirror, comes with a bundle only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What shall be live; nothing said means: what was live before.

    Attributes:
        stream: Only this one goes back; None where the rest says which.
        sequence: To this one.
        generation: All streams, to what this one showed.
    """

    stream: str | None = None
    sequence: int | None = None
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is wished for: the sequences, and the generation that showed what is older or newer."""

    source: int
    streams: Mapping[str, Shown]


def find_earlier(mirror: Mirror, live: Generation, wish: Wish) -> Earlier:
    """The generation that is meant, and what will be live.

    Raises:
        RefusedError: if there is none, saying which there are; or if it is not clear.
        DamagedError: if the generation that was asked for by its number cannot be read.
    """
    if wish.generation is not None:
        return _numbered(mirror, wish.generation)
    known = list(_known(mirror, live))
    if wish.sequence is None and wish.stream is None:
        found = next((one for one in known if _is_earlier(one.streams, live.streams)), None)
        if found is None:
            raise _none(mirror, known, "nothing that is older than what is live is kept")
        return Earlier(found.number, found.streams)
    stream = wish.stream or _stream_of(mirror, known, wish.sequence)
    return _sequence(mirror, known, live, stream, wish.sequence)


def _numbered(mirror: Mirror, number: int) -> Earlier:
    kept = kept_numbers(mirror)
    if number not in kept:
        names = f"{kept[0]} to {kept[-1]}" if len(kept) > 1 else str(kept[0])
        raise RefusedError(
            f"generation {number} is not kept in {mirror.root}; there is {names}", hint=_PRUNED
        )
    return Earlier(number, read_generation(mirror, number).streams)


def _known(mirror: Mirror, live: Generation) -> Iterator[Generation]:
    """Those that can be read, the newest first; one that is damaged is as good as none."""
    yield live
    for number in reversed(kept_numbers(mirror)[:-1]):
        with suppress(DamagedError):
            yield read_generation(mirror, number)


def _is_earlier(streams: Mapping[str, Shown], live: Mapping[str, Shown]) -> bool:
    """Whether nothing is newer than what is live, and something older, or not there yet."""
    return streams != live and all(
        name in live and shown.sequence <= live[name].sequence for name, shown in streams.items()
    )


def _stream_of(mirror: Mirror, known: list[Generation], sequence: int | None) -> str:
    having = sorted(
        {name for one in known for name, shown in one.streams.items() if shown.sequence == sequence}
    )
    if len(having) == 1:
        return having[0]
    if having:
        raise RefusedError(
            f"sequence {sequence} was live in {' and '.join(having)}",
            hint=f"say which one is meant: --stream {having[0]}",
        )
    raise _none(mirror, known, f"no generation that is kept has a sequence {sequence}")


def _sequence(
    mirror: Mirror, known: list[Generation], live: Generation, stream: str, sequence: int | None
) -> Earlier:
    now = live.streams.get(stream)
    for one in known:
        shown = one.streams.get(stream)
        if shown is None:
            continue
        older = now is None or shown.sequence < now.sequence
        if older if sequence is None else shown.sequence == sequence:
            return Earlier(one.number, {**live.streams, stream: shown})
    what = f"{stream} sequence {sequence}" if sequence else f"an older sequence of {stream}"
    raise _none(mirror, known, f"{what} is in no generation that is kept")


def _none(mirror: Mirror, known: list[Generation], what: str) -> RefusedError:
    lines = [f"{what} in {mirror.root}; there is"]
    lines += [f"generation {one.number}: {words(one.streams)}" for one in known[:_SHOWN]]
    if len(known) > _SHOWN:
        lines.append(f"and {len(known) - _SHOWN} more")
    return RefusedError("\n".join(lines), hint=_PRUNED)


def words(streams: Mapping[str, Shown]) -> str:
    """`ml sequence 3, web sequence 7`."""
    return ", ".join(f"{name} sequence {one.sequence}" for name, one in sorted(streams.items()))
