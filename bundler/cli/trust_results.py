"""What the commands about trust print at their end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bundler.cli.results import TIME
from bundler.model.canonical import Json

if TYPE_CHECKING:
    from bundler.staging import Staged
    from bundler.trust.metadata import RootFacts
    from bundler.trust.roles import RoleFacts


@dataclass(frozen=True, slots=True)
class RootResult:
    """A stream's root: what happened to it, what it says, and what to do next."""

    did: str
    facts: RootFacts
    next_step: str

    def to_json(self) -> Json:
        """What the root says."""
        return {
            "stream": self.facts.stream,
            "root": self.facts.version,
            "fingerprint": self.facts.fingerprint,
            "keys": list(self.facts.keys),
            "threshold": self.facts.threshold,
            "expires": self.facts.expires.strftime(TIME),
        }

    def to_text(self) -> str:
        """Four lines."""
        facts = self.facts
        return (
            f"{self.did} {facts.stream}, root version {facts.version},"
            f" until {facts.expires.strftime(TIME)}\n"
            f"officers     {facts.threshold} of {', '.join(facts.officers)}\n"
            f"fingerprint  {facts.fingerprint}\n"
            f"{self.next_step}"
        )


@dataclass(frozen=True, slots=True)
class RolesResult:
    """The roles of one stream or more, by the stream's name and the root's fingerprint."""

    streams: Sequence[tuple[RootFacts, Sequence[RoleFacts]]]

    def to_json(self) -> Json:
        """Every stream with its roles."""
        return {
            "streams": [
                {
                    "stream": facts.stream,
                    "root": facts.version,
                    "fingerprint": facts.fingerprint,
                    "roles": {role.role: _role(role) for role in roles},
                }
                for facts, roles in self.streams
            ]
        }

    def to_text(self) -> str:
        """A table for each stream."""
        return "\n\n".join(
            "\n".join(
                (
                    f"{facts.stream}, root version {facts.version}",
                    f"fingerprint  {facts.fingerprint}",
                    *_table(list(_rows(roles))),
                )
            )
            for facts, roles in self.streams
        )


@dataclass(frozen=True, slots=True)
class StagedResult:
    """What waits for signatures: what it is, whose are missing, and which command comes next."""

    staged: Staged
    then: str

    def to_json(self) -> Json:
        """The file, what is in it, and whether it is complete."""
        from bundler.report.authorisation import describe_proposal

        facts, _ = describe_proposal(self.staged.proposal)
        return {**facts, "staged": str(self.staged.path), "complete": self.staged.complete}

    def to_text(self) -> str:
        """The description, and the next step."""
        from bundler.report.authorisation import describe_proposal

        _, text = describe_proposal(self.staged.proposal)
        path = self.staged.path
        if self.staged.complete:
            return f"{text}\n{path}: enough have signed\nnext: {self.then}"
        return (
            f"{text}\n{path}: waits for signatures\n"
            f"next, each of them: bundle sign {path.name} --key KEY\nthen: {self.then}"
        )


def _role(role: RoleFacts) -> Json:
    return {
        "keys": [
            {"fingerprint": key.fingerprint, "name": key.name, "scheme": key.scheme}
            for key in role.keys
        ],
        "threshold": role.threshold,
        "version": role.version,
        "expires": role.expires.strftime(TIME) if role.expires else None,
    }


def _rows(roles: Sequence[RoleFacts]) -> Iterator[tuple[str, ...]]:
    """One for each key; what is of the role stands in the first."""
    yield ("role", "version", "expires", "must sign", "keys", "", "")
    for role in roles:
        expires = role.expires.strftime(TIME) if role.expires else "-"
        version = str(role.version) if role.version is not None else "-"
        front = (role.role, version, expires, f"{role.threshold} of {len(role.keys)}")
        for key in role.keys:
            yield (*front, key.fingerprint, key.name or "-", key.scheme)
            front = ("", "", "", "")


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
