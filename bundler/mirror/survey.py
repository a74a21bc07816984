"""What a manifest needs of the mirror, all looked at before anything changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from packaging.utils import NormalizedName

from bundler.errors import IncompleteError, RefusedError
from bundler.mirror.fresh import Fresh, Stated, fresh
from bundler.mirror.union import Union, merge, read_contents
from bundler.model.artifact import Blob
from bundler.model.manifest import Manifest

_NAMED = 20  # so many names in one message, then their number


@dataclass(frozen=True, slots=True)
class Survey:
    """How many files a manifest has, and what of them is new.

    Attributes:
        fresh: Those that are in the store but not filed yet.
        provenance: Where each attested wheel is filed, and its attestations.
    """

    files: int
    fresh: Sequence[Fresh]
    provenance: Sequence[tuple[Path, Blob]]


def survey(
    union: Union, manifest: Manifest, same: Mapping[NormalizedName, int] | None = None
) -> Survey:
    """Go through all that will be shown, once; `manifest` is one of the union.

    Args:
        union: What will be shown.
        manifest: What is new in it.
        same: Projects that are shown already as they will be, which are not looked at again, and
            how many files `manifest` has of each.

    Raises:
        IncompleteError: naming what `manifest` needs and the mirror does not have.
        RefusedError: naming each file on which documents disagree.
        DamagedError: as `read_document`.
    """
    mirror, inside = union.mirror, manifest.contents
    allowed = {each.wheel: each.rules for each in (inside.accepted if inside else ())}
    known = same or {}
    parts = parts_of(manifest, known)
    missing = sorted(what for what, blob in parts if not mirror.store.has(blob))
    files, unfiled, conflicts = 0, list[Fresh](), list[str]()
    provenance: list[tuple[Path, Blob]] = []
    for name in union.names():
        if name in known:
            files += known[name]
            continue
        if name in manifest.projects and not mirror.store.has(manifest.projects[name]):
            continue
        documents = list(union.documents(name))
        conflicts += merge(documents)[1]
        own = [found for stream, found in documents if stream == manifest.stream]
        contents = read_contents(mirror, manifest, name) if own else None
        for file in chain.from_iterable(document.files for document in own):
            files += 1
            if file.provenance is not None:
                provenance.append((mirror.file_path(file), file.provenance))
                if not mirror.store.has(file.provenance):
                    missing.append(f"the provenance of {file.filename}")
            wheel = fresh(mirror, file)
            if wheel and mirror.has(file.blob):
                digest = file.blob.sha256
                if contents is not None:
                    stated = Stated(contents.get(digest), allowed.get(digest, ()))
                    wheel = replace(wheel, stated=stated)
                unfiled.append(wheel)
            elif wheel:
                missing.append(file.filename)
    _refuse(manifest, missing, conflicts)
    return Survey(files, unfiled, provenance)


def parts_of(
    manifest: Manifest, known: Collection[NormalizedName] = ()
) -> Iterator[tuple[str, Blob]]:
    """Every blob that the manifest itself names, but of `known` projects, and what it is."""
    yield "the profile", manifest.profile
    if manifest.trusted_root is not None:
        yield "the trust root of attestations", manifest.trusted_root
    for file, lock in manifest.locks.items():
        yield f"the lock {file!r}", lock
    for name, document in manifest.projects.items():
        if name not in known:
            yield f"the document of {name}", document
    if manifest.contents is not None:
        for name, document in manifest.contents.documents.items():
            yield f"what is inside of {name}", document


def _refuse(manifest: Manifest, missing: list[str], conflicts: list[str]) -> None:
    if missing:
        raise IncompleteError(
            f"sequence {manifest.sequence} of {manifest.stream} is not complete, missing"
            f" {'is' if len(missing) == 1 else 'are'} {_some(missing)}",
            hint="unpack the other volumes, or ask for a bundle that carries these files",
        )
    if conflicts:
        raise RefusedError(
            _some(conflicts, "; "),
            hint="resolve both streams from the same index, or give one of them its own mirror",
        )


def _some(names: list[str], separator: str = ", ") -> str:
    rest = len(names) - _NAMED
    more = f"{separator}and {rest} more" if rest > 0 else ""
    return separator.join(names[:_NAMED]) + more
