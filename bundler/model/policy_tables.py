"""The tables of a profile that say what files must be attested, by whom, and what is kept out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bundler.model.artifact import parse_sha256
from bundler.model.asked import parse_constraint
from bundler.model.publisher import KEY, NEEDED, WORDS, Publisher

ProvenanceMode = Literal["required", "available", "none"]

DIGEST: Final = "sha256:"
"""In front of a digest in a deny list."""

_PATTERN: Final = re.compile(r"[a-z0-9*?]([a-z0-9*?-]*[a-z0-9*?])?", re.ASCII)
_PEM: Final = "-----BEGIN PUBLIC KEY-----"


def _check_pattern(text: str) -> str:
    """Normalised as project names are (PEP 503), with "*" and "?" left in."""
    pattern = re.sub(r"[-_.]+", "-", text).lower()
    if _PATTERN.fullmatch(pattern):
        return pattern
    raise ValueError(f'{text!r:.120} is no project\'s name, also not with "*" and "?" in it')


def _check_denied(text: str) -> str:
    if text.startswith(DIGEST):
        parse_sha256(text.removeprefix(DIGEST))
    else:
        parse_constraint(text)
    return text


def _check_prefix(text: str) -> str:
    if text.startswith(("https://", "http://")) and text.endswith("/") and "@" not in text:
        return text
    raise ValueError("give an https:// address that ends in /")


ProjectPattern = Annotated[str, AfterValidator(_check_pattern)]
UrlPrefix = Annotated[str, AfterValidator(_check_prefix)]
_Denied = Annotated[str, AfterValidator(_check_denied)]
_Word = Annotated[str, Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AttestationsTable(_Table):
    """`[attestations]`."""

    trusted_root: Annotated[_Word | None, Field(alias="trusted-root")] = None
    required: list[ProjectPattern] = []
    available: list[ProjectPattern] = []
    none: list[ProjectPattern] = []


class PolicyTable(_Table):
    """`[policy]`."""

    deny: list[_Denied] = []
    yanked: Literal["allow", "refuse"] = "allow"


class PublisherTable(_Table):
    """`[[publisher]]`: which words it needs, its kind says."""

    projects: Annotated[list[ProjectPattern], Field(min_length=1)]
    index: _Word | None = None
    kind: Literal["GitHub", "GitLab", "Google", "CircleCI", "URL", "key"]
    repository: _Word | None = None
    workflow: _Word | None = None
    email: _Word | None = None
    project_id: Annotated[_Word | None, Field(alias="project-id")] = None
    pipeline_definition_id: Annotated[_Word | None, Field(alias="pipeline-definition-id")] = None
    issuer: _Word | None = None
    identity: _Word | None = None
    key: _Word | None = None

    def publisher(self) -> Publisher:
        """The publisher that is expected; not for kind "key", whose words are in its key."""
        return Publisher.of_words(self.kind, self._given())

    def _given(self) -> dict[str, str]:
        values = self.model_dump(by_alias=True, exclude_none=True)
        return {name: values[name] for name in _ALL_WORDS if name in values}

    def faults(self) -> Iterator[str]:
        """What no single key shows."""
        words = ("key",) if self.kind == KEY else WORDS[self.kind]
        given = self._given()
        for name in words:
            if name not in given and name in NEEDED | {"key"}:
                yield f"{name}: this key is missing for a publisher of kind {self.kind}"
        for name in given:
            if name not in words:
                yield f"{name}: a publisher of kind {self.kind} has no such key"
        if self.kind == KEY and self.key is not None and _PEM not in self.key:
            yield f'key: not a public key in PEM, which begins with "{_PEM}"'


_ALL_WORDS: Final = (*dict.fromkeys(name for words in WORDS.values() for name in words), "key")


def policy_faults(
    publishers: Iterable[PublisherTable],
    attestations: AttestationsTable,
    indexes: Iterable[str],
) -> Iterator[str]:
    """What is wrong with these tables as a whole."""
    known = frozenset(indexes)
    for number, table in enumerate(publishers):
        place = f"publisher[{number}]"
        yield from (f"{place}.{fault}" for fault in table.faults())
        if table.index is not None and table.index not in known:
            yield f"{place}.index: there is no index {table.index!r:.80}"
    listed = (attestations.required, attestations.available, attestations.none)
    for pattern in sorted({each for patterns in listed for each in patterns}):
        if sum(pattern in patterns for patterns in listed) > 1:
            yield f"attestations: {pattern!r} stands in more than one list"
