"""What commands print at their end, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.model.amount import counted, human_size
from bundler.model.canonical import Json
from bundler.report.text import printable

if TYPE_CHECKING:  # each command loads one side only
    from bundler.packing import Created
    from bundler.receive import Received
    from bundler.trust.gate import Admission

TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Said:
    """A result that one sentence and a few fields tell."""

    text: str
    fields: Mapping[str, Json]

    def to_json(self) -> Json:
        """The fields."""
        return self.fields

    def to_text(self) -> str:
        """The sentence."""
        return self.text


@dataclass(frozen=True, slots=True)
class CreatedResult:
    """What `create` made."""

    created: Created

    def to_json(self) -> Json:
        """Everything that `to_text` says, and the targets."""
        made = self.created
        return {
            "stream": made.manifest.stream,
            "sequence": made.manifest.sequence,
            "volumes": [str(path) for path in made.volumes],
            "locks": str(made.locks),
            "projects": len(made.manifest.projects),
            "files": made.files,
            "wheels-size": made.wheels,
            "volumes-size": made.size,
            "kind": made.set.kind,
            "since": made.set.base.sequence if made.set.base else None,
            "carried-files": made.carried,
            "carried-size": made.carried_size,
            "targets": list(made.manifest.targets),
        }

    def to_text(self) -> str:
        """The volumes, their size, the locks; of a delta, what it brings."""
        made = self.created
        share = made.size / made.carried_size if made.carried else 1
        percent = f" ({share:.0%})" if share < 1 else ""
        paths = "\n".join(map(str, made.volumes))
        files = counted(made.files, "file")
        part = ""
        if made.set.kind != "full":
            part = f"\ncarries {made.carried} of {files}, {human_size(made.carried_size)},"
        return (
            f"{paths}: {made.manifest.stream} sequence {made.manifest.sequence}{self._kind()}\n"
            f"{counted(len(made.manifest.projects), 'project')}, {files} for"
            f" {counted(len(made.manifest.targets), 'target')}: {human_size(made.wheels)}{part} in"
            f" {human_size(made.size)}{percent}\n"
            f"locks: {made.locks}"
        )

    def _kind(self) -> str:
        base = self.created.set.base
        if base is not None:
            return f", for whoever has sequence {base.sequence}"
        return ", what was asked for again" if self.created.set.kind == "resend" else ""


@dataclass(frozen=True, slots=True)
class VerifiedResult:
    """Volumes that are what their streams' keys vouch for: the name of each, and the findings."""

    volumes: tuple[tuple[str, Admission], ...]

    def to_json(self) -> Json:
        """Everything that `to_text` says, and the signers of each role."""
        return {
            "verified": True,
            "volumes": [_verified_json(name, found) for name, found in self.volumes],
        }

    def to_text(self) -> str:
        """Which sequence, signed by whom, until when; the latter once for volumes that agree."""
        lines: list[str] = []
        last: list[str] = []
        for name, found in self.volumes:
            more = [
                f"  {role:<9}  until {expires.strftime(TIME)}  signed by"
                f" {', '.join(found.signers[role])}"
                for role, expires in found.expires.items()
            ]
            number, total = found.index.volume, found.index.volumes
            which = f", volume {number} of {total}" if total > 1 else ""
            lines += last if last != more else []
            lines.append(f"{name}: verified, {found.stream} sequence {found.sequence}{which}")
            last = more
        return printable("\n".join([*lines, *last]))


def _verified_json(name: str, found: Admission) -> Json:
    return {
        "volume": name,
        "stream": found.stream,
        "sequence": found.sequence,
        "number": found.index.volume,
        "volumes": found.index.volumes,
        "newer": found.is_newer,
        "root": found.root_version,
        "roles": {
            role: {
                "version": found.versions[role],
                "expires": found.expires[role].strftime(TIME),
                "signers": list(found.signers[role]),
            }
            for role in found.expires
        },
    }


@dataclass(frozen=True, slots=True)
class UnpackedResult:
    """What `unpack` made live in a mirror, or lets wait there: a sequence or more."""

    mirror: Path
    received: tuple[Received, ...]

    def to_json(self) -> Json:
        """Everything that `to_text` says."""
        return {
            "mirror": str(self.mirror),
            "sequences": [_received_json(one) for one in self.received],
        }

    def to_text(self) -> str:
        """What is live now, or who must approve first."""
        return "\n".join(_received_text(self.mirror, one) for one in self.received)


def _received_json(one: Received) -> Json:
    done = one.published
    if done is None:
        return {
            "stream": one.admission.stream,
            "sequence": one.admission.sequence,
            "state": "received",
            "approvers": list(one.approvers),
        }
    return {
        "stream": done.stream,
        "sequence": done.sequence,
        "state": "live",
        "changed": done.changed,
        "generation": done.generation,
        "projects": done.projects,
        "files": done.files,
        "new-files": done.new_files,
    }


def _received_text(mirror: Path, one: Received) -> str:
    done = one.published
    if done is None:
        found = one.admission
        return (
            f"{mirror}: {found.stream} sequence {found.sequence} is received and verified;"
            f" nothing goes live before {' or '.join(one.approvers)} approves\n"
            "next, by the holder of that key:"
            f" bundle approve {mirror} {found.sequence} --key KEY"
        )
    if not done.changed:
        return f"{mirror}: {done.stream} sequence {done.sequence} is live already"
    return (
        f"{mirror}: {done.stream} sequence {done.sequence} is live:"
        f" {counted(done.projects, 'project')}, {counted(done.files, 'file')},"
        f" {done.new_files} of them new"
    )
