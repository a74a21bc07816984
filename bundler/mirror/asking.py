"""What to ask the sender for again, of all that a mirror waits for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bundler.disk import atomic_write
from bundler.errors import BundlerError
from bundler.events import Noticed, Observer
from bundler.mirror.arrivals import Missing, MissingVolume, missing_in
from bundler.mirror.layout import Mirror
from bundler.mirror.named import some
from bundler.model.resend import FIRST_LINE, SET_DIGITS, Lost, LostBlob, LostVolume, write_list


def write_resend_list(mirror: Mirror, path: Path, observe: Observer) -> bool:
    """Write what must be sent again of everything that is waited for; False if that is nothing.

    Raises:
        BundlerError: if the file is there and is no such list, or cannot be written.
        TrustError, DamagedError: as `missing_in`.
    """
    asked = [each for missing in missing_in(mirror, observe) for each in asked_of(missing)]
    if not asked:
        return False
    if path.exists() and not path.read_bytes().startswith(FIRST_LINE.encode()):
        raise BundlerError(f"{path} exists and is something else", hint="name another file")
    atomic_write(path, write_list(asked).encode())
    codes = "1 code" if len(asked) == 1 else f"{len(asked)} codes"
    observe(
        Noticed(
            f"{path} has {codes} for what must be sent again; outside: bundle create --resend"
            f" {path.name} -o DIR"
        )
    )
    return True


def asked_of(missing: Missing) -> Iterator[tuple[Lost, str]]:
    """What to ask for of one sequence, by the packing that lacks least; and what people call it."""
    best = missing.sets[0]
    for volume in best.volumes:
        lost = LostVolume(
            stream=missing.stream,
            sequence=missing.sequence,
            volumes=best.digest[:SET_DIGITS],
            volume=volume.number,
            segments=volume.segments or (),
        )
        yield lost, f"{best.set.label}.v{volume.number:02}: {_what(missing, volume)}"
    for blob in best.blobs:
        named = LostBlob(stream=missing.stream, sequence=missing.sequence, sha256=blob.sha256)
        yield named, missing.named.words([blob])


def _what(missing: Missing, volume: MissingVolume) -> str:
    if volume.segments is None:
        return f"all of it, with files of {some(list(volume.projects))}"
    return missing.named.words(volume.blobs)
