"""Who publishes: as a profile expects it, as an index claims it, and as a signature proves it.

A publisher is a kind and the few words that tell one from another within that kind. Those of a
certificate are complete. Those that a profile expects may leave some out, which then may be any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

KEY: Final = "key"
URL: Final = "URL"

WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "GitHub": ("repository", "workflow"),
    "GitLab": ("repository", "workflow"),
    "Google": ("email",),
    "CircleCI": ("project-id", "pipeline-definition-id"),
    URL: ("issuer", "identity"),
    KEY: ("fingerprint",),
}
"""What tells publishers of a kind apart. The kinds are those of PEP 740 objects, and `KEY`."""

NEEDED: Final = frozenset(
    {"repository", "email", "project-id", "pipeline-definition-id", "issuer", "identity"}
)
"""The words that whoever expects a publisher has to name."""

# An index may write these otherwise (PEP 740 leaves the publisher object to the index).
_OTHER_NAMES: Final = {
    "workflow_filepath": "workflow",
    "project_id": "project-id",
    "pipeline_definition_id": "pipeline-definition-id",
}


@dataclass(frozen=True, slots=True)
class Publisher:
    """A kind of `WORDS` and some of its words, in that order."""

    kind: str
    words: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, kind: str, **words: str | None) -> Self:
        """One with those words that are not None; a hyphen is written as an underscore."""
        named = {name.replace("_", "-"): word for name, word in words.items()}
        return cls.of_words(kind, named)

    @classmethod
    def of_words(cls, kind: str, words: Mapping[str, str | None]) -> Self:
        """As `of`.

        Raises:
            ValueError: if there is no such kind.
        """
        if kind not in WORDS:
            raise ValueError(f"there is no kind of publisher {kind!r:.80}")
        found = ((name, words.get(name)) for name in WORDS[kind])
        return cls(kind, tuple((name, word) for name, word in found if word is not None))

    @classmethod
    def of_claim(cls, claim: object) -> Self:
        """The publisher object of a provenance object (PEP 740): unsigned, and only a claim.

        Raises:
            ValueError: if it is none, or of an unknown kind.
        """
        kind = claim.get("kind") if isinstance(claim, dict) else None
        if not isinstance(claim, dict) or not isinstance(kind, str):
            raise ValueError(  # noqa: TRY004 - one error type for callers
                f"{claim!r:.80} is not a publisher with a kind"
            )
        words = {
            _OTHER_NAMES.get(name, name): word
            for name, word in claim.items()
            if isinstance(name, str) and isinstance(word, str)
        }
        return cls.of_words(kind, words)

    def covers(self, other: Publisher) -> bool:
        """Whether `other` is of the same kind and has every word that this one has."""
        if self.kind != other.kind:
            return False
        theirs = dict(other.words)
        return all(_same(name, word, theirs.get(name)) for name, word in self.words)

    def __str__(self) -> str:
        text = " ".join((self.kind, *(word for _name, word in self.words)))
        return "".join(each if each.isprintable() else "?" for each in text)  # for terminals


def _same(name: str, word: str, other: str | None) -> bool:
    if name == "repository" and other is not None:  # the forges do not tell "A/b" from "a/B"
        return word.casefold() == other.casefold()
    return word == other


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who signed: out of a certificate that was checked, or a key that was pinned.

    Attributes:
        issuer: Who attested the identity (OpenID Connect); "" for a key.
        subject: The certificate's subject alternative name; the fingerprint of a key.
        publisher: The same without what changes from one release to the next.
    """

    issuer: str
    subject: str
    publisher: Publisher

    def is_one_of(self, expected: Publisher) -> bool:
        """Whether this identity is the publisher that was expected."""
        if expected.kind == URL:
            mine = Publisher.of(URL, issuer=self.issuer, identity=self.subject)
            return expected.covers(mine)
        return expected.covers(self.publisher)
