"""METADATA as a resolution reads it (core metadata specification)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bundler.model.artifact import header_block


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """What a resolution needs of METADATA."""

    requirements: tuple[Requirement, ...]
    extras: frozenset[str]
    requires_python: SpecifierSet


@lru_cache(maxsize=4096)
def parse_core_metadata(data: bytes) -> CoreMetadata:
    """Read METADATA; the wheels of one version often have the same.

    Raises:
        ValueError: if a dependency or `Requires-Python` cannot be read: to guess would plan
            something else than the installer inside does.
    """
    raw, _ = parse_email(header_block(data))
    return CoreMetadata(
        requirements=tuple(_requirement(text) for text in raw.get("requires_dist", [])),
        extras=frozenset(canonicalize_name(name) for name in raw.get("provides_extra", [])),
        requires_python=SpecifierSet(raw.get("requires_python", "")),
    )


@lru_cache(maxsize=16384)
def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        # Its further lines draw an arrow below the text.
        raise ValueError(f"{text!r}: {str(error).partition(chr(10))[0]}") from error
