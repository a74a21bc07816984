"""What the attestations of a stream's files were last time: the memory behind drift and downgrade.

Kept on the connected host, beside the stream's metadata, and not in the cache: losing it would let
a hijacked release in. A project that a sequence leaves out stays remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName

from bundler.disk import atomic_write, read_whole
from bundler.errors import DamagedError
from bundler.model.artifact import Sha256, parse_sha256
from bundler.model.canonical import Json, canonical
from bundler.model.document import FORMAT, Reader, normalized
from bundler.model.publisher import WORDS, Publisher
from bundler.model.verdict import Outcome, Verdict
from bundler.trust.policy import Former

_NAME: Final = "attested.json"

Formers = Mapping[NormalizedName, Former]


def read_formers(folder: Path) -> dict[NormalizedName, Former]:
    """What a stream's folder remembers; nothing before the first sequence.

    Raises:
        DamagedError: if it is not as it was written.
    """
    path = folder / _NAME
    if not path.exists():
        return {}
    try:
        return formers_from_bytes(read_whole(path), str(path))
    except ValueError as error:
        raise DamagedError(
            str(error), hint="put back a copy of this file: it says who published what last time"
        ) from error


def write_formers(folder: Path, formers: Formers) -> None:
    """Make a stream's folder remember."""
    atomic_write(folder / _NAME, formers_to_bytes(formers))


def remember(
    before: Formers,
    sequence: int,
    files: Iterable[tuple[NormalizedName, Sha256, Verdict]],
) -> dict[NormalizedName, Former]:
    """What there is to remember after a sequence with these files."""
    publishers: dict[NormalizedName, set[Publisher]] = {}
    outcomes: dict[NormalizedName, dict[Sha256, Outcome]] = {}
    for project, sha256, verdict in files:
        outcomes.setdefault(project, {})[sha256] = verdict.outcome
        named = publishers.setdefault(project, set())
        if verdict.identity is not None:
            named.add(verdict.identity.publisher)
    return dict(before) | {
        project: Former(
            sequence=sequence,
            publishers=frozenset(publishers[project]),
            outcomes=outcomes[project],
        )
        for project in outcomes
    }


def formers_to_bytes(formers: Formers) -> bytes:
    """Canonical JSON."""
    return canonical(
        {"format": FORMAT, "projects": {name: _to_json(each) for name, each in formers.items()}}
    )


def formers_from_bytes(data: bytes, place: str) -> dict[NormalizedName, Former]:
    """Read what `formers_to_bytes` wrote.

    Raises:
        ValueError: naming the place.
    """
    document = Reader.over(data, place)
    found = {
        normalized(name, place): _from_json(inner) for name, inner in document.members("projects")
    }
    document.finish()
    return found


def _to_json(former: Former) -> Json:
    return {
        "sequence": former.sequence,
        "publishers": [
            {"kind": each.kind, "words": dict(each.words)}
            for each in sorted(former.publishers, key=lambda each: (each.kind, each.words))
        ],
        "files": {sha256: outcome.value for sha256, outcome in former.outcomes.items()},
    }


def _from_json(document: Reader) -> Former:
    files = document.object("files")
    found = Former(
        sequence=document.positive("sequence"),
        publishers=frozenset(map(_publisher, document.objects("publishers"))),
        outcomes={parse_sha256(key): Outcome(files.text(key)) for key in files.left()},
    )
    document.finish()
    return found


def _publisher(document: Reader) -> Publisher:
    kind, words = document.text("kind"), document.object("words")
    names = WORDS.get(kind, ())
    found = Publisher.of_words(kind, {name: words.text(name) for name in names})
    words.finish()
    document.finish()
    return found
