"""What the attestations of one file prove; the same bytes give the same verdict on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bundler.model.canonical import Json
from bundler.model.document import Reader
from bundler.model.publisher import WORDS, Identity, Publisher


class Outcome(StrEnum):
    """Of looking at a file's attestations."""

    VERIFIED = "verified"
    ABSENT = "absent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One for each file.

    Attributes:
        reason: Why it failed; None otherwise.
        identity: Who signed; None unless verified, as the next ones.
        predicates: What was attested (in-toto predicate types), sorted; empty for a signature
            over the file itself.
        signed: When, by the log or a timestamp: UTC, `YYYY-MM-DDThh:mm:ssZ`; None for a key.
        log_index: Where the first attestation stands in the transparency log; None for a key.
    """

    outcome: Outcome
    reason: str | None = None
    identity: Identity | None = None
    predicates: tuple[str, ...] = ()
    signed: str | None = None
    log_index: int | None = None

    def to_json(self) -> Json:
        """As it stands in a project document; a reason is not part of it."""
        identity = self.identity
        return {
            "outcome": self.outcome.value,
            "identity": None
            if identity is None
            else {
                "issuer": identity.issuer,
                "subject": identity.subject,
                "kind": identity.publisher.kind,
                "words": dict(identity.publisher.words),
            },
            "predicates": list(self.predicates),
            "signed": self.signed,
            "log-index": self.log_index,
        }

    @classmethod
    def from_json(cls, document: Reader) -> Verdict:
        """Read one.

        Raises:
            ValueError: naming the place.
        """
        if document.holds(_ABSENT):  # most are that, in large documents
            return ABSENT
        text = document.text("outcome")
        if text not in {Outcome.VERIFIED, Outcome.ABSENT}:
            raise ValueError(f"{document.place}.outcome: {text!r:.40} is not verified or absent")
        outcome = Outcome(text)
        identity = document.optional_object("identity")
        found = cls(
            outcome=outcome,
            identity=None if identity is None else _identity(identity),
            predicates=document.texts("predicates"),
            signed=document.optional_time("signed"),
            log_index=document.optional_size("log-index"),
        )
        document.finish()
        if (found.identity is not None) != (outcome is Outcome.VERIFIED):
            raise ValueError(f"{document.place}: verified and an identity go together")
        return found


ABSENT: Final = Verdict(outcome=Outcome.ABSENT)

_ABSENT: Final = ABSENT.to_json()


def _identity(document: Reader) -> Identity:
    kind = document.text("kind")
    if kind not in WORDS:
        raise ValueError(f"{document.place}.kind: {kind!r:.80} is unknown")
    words = document.object("words")
    found = Identity(
        issuer=document.text("issuer"),
        subject=document.text("subject"),
        publisher=Publisher(kind, tuple((name, words.text(name)) for name in WORDS[kind])),
    )
    words.finish()
    document.finish()
    return found
