"""The set of volumes that were packed together: which there are, and what they build upon.

A full bundle, a delta and what is sent again are the same thing, a signed head and some of the
blobs. The set says which of them it is, so that a reader can say what is missing and from where.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NewType, TypeAlias, get_args

from packaging.utils import NormalizedName

from bundler.model.artifact import Blob, Sha256
from bundler.model.canonical import canonical
from bundler.model.document import FORMAT, Reader, normalized
from bundler.model.manifest import blob_to_json, parse_stream

Kind: TypeAlias = Literal["full", "delta", "resend"]
"""Everything that the manifest names; what its base has not; what somebody asked for again."""

_NAME = re.compile(r"transport/[a-z0-9-]+-\d{6,}\.set\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class Base:
    """The sequence whose blobs the far side must have."""

    sequence: int
    manifest: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSummary:
    """One volume of a set.

    Attributes:
        size: Of the whole file, in bytes.
        parity: Whether it brings nothing but what lost volumes can be rebuilt from.
        projects: Whose files are in it, sorted.
    """

    size: int
    parity: bool
    projects: tuple[NormalizedName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSet:
    """The signed description of all volumes of one packing; volume 1 is the first of `volumes`.

    Attributes:
        manifest: The digest of the manifest that they belong to.
        base: What a delta builds upon, else None.
        parity: The document that says how lost volumes are rebuilt; it is in every parity volume.
    """

    stream: str
    sequence: int
    manifest: Sha256
    kind: Kind
    base: Base | None
    volumes: tuple[VolumeSummary, ...]
    parity: Blob | None = None

    @property
    def name(self) -> str:
        """Its path in the head, which is also its TUF target path."""
        return set_name(self.stream, self.sequence)

    @property
    def label(self) -> str:
        """How its files are called: `web-000007`, `web-000007.since-000005`, `web-000007.again`."""
        return set_label(self.stream, self.sequence, self.kind, self.base)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "stream": self.stream,
                "sequence": self.sequence,
                "manifest": self.manifest,
                "kind": self.kind,
                "base": {"sequence": self.base.sequence, "manifest": self.base.manifest}
                if self.base
                else None,
                "volumes": [
                    {"size": each.size, "parity": each.parity, "projects": list(each.projects)}
                    for each in self.volumes
                ],
                "parity": blob_to_json(self.parity) if self.parity else None,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> VolumeSet:
        """Read one.

        Raises:
            ValueError: naming the place in the document.
        """
        document = Reader.over(data, "volume set")
        found = cls(
            stream=parse_stream(document.text("stream")),
            sequence=document.positive("sequence"),
            manifest=document.digest("manifest"),
            kind=_kind(document),
            base=_base(document.optional_object("base")),
            volumes=tuple(_summary(item) for item in document.objects("volumes")),
            parity=document.optional_blob("parity"),
        )
        document.finish()
        if not found.volumes:
            raise ValueError("volume set: no volumes")
        if (found.kind == "delta") != (found.base is not None):
            raise ValueError("volume set: a delta has a base, and nothing else has one")
        if any(each.parity for each in found.volumes) != (found.parity is not None):
            raise ValueError("volume set: parity volumes have a document, and only they")
        if found.base and found.base.sequence >= found.sequence:
            raise ValueError("volume set: its base is not an earlier sequence")
        return found


VerifiedSet = NewType("VerifiedSet", VolumeSet)
"""A set whose signatures were checked; only `bundler.trust.gate` makes one."""


def set_name(stream: str, sequence: int) -> str:
    """Where a head has the set: `transport/STREAM-000007.set.json`."""
    return f"transport/{stream}-{sequence:06}.set.json"


def set_label(stream: str, sequence: int, kind: Kind, base: Base | None) -> str:
    """See `VolumeSet.label`."""
    suffix = {"full": "", "delta": f".since-{base.sequence if base else 0:06}", "resend": ".again"}
    return f"{stream}-{sequence:06}{suffix[kind]}"


def is_set_name(name: str) -> bool:
    """Whether a head's entry is a volume set, by its name."""
    return _NAME.fullmatch(name) is not None


def _kind(document: Reader) -> Kind:
    name = document.text("kind")
    kinds: tuple[Kind, ...] = get_args(Kind)
    for kind in kinds:
        if name == kind:
            return kind
    raise ValueError(f"{document.place}.kind: {name!r:.80} is not one of {', '.join(kinds)}")


def _base(document: Reader | None) -> Base | None:
    if document is None:
        return None
    base = Base(document.positive("sequence"), document.digest("manifest"))
    document.finish()
    return base


def _summary(document: Reader) -> VolumeSummary:
    names = document.texts("projects")
    found = VolumeSummary(
        size=document.positive("size"),
        parity=document.truth("parity"),
        projects=tuple(normalized(name, f"{document.place}.projects") for name in names),
    )
    document.finish()
    if any(one >= other for one, other in pairwise(found.projects)):
        raise ValueError(f"{document.place}.projects: not sorted, or one stands twice")
    return found
