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
            "targets": list(made.manifest.targets),
        }

    def to_text(self) -> str:
        """The volume, its size, the locks."""
        made = self.created
        share = made.size / made.wheels
        percent = f" ({share:.0%})" if share < 1 else ""
        paths = "\n".join(map(str, made.volumes))
        return (
            f"{paths}: {made.manifest.stream} sequence {made.manifest.sequence}\n"
            f"{counted(len(made.manifest.projects), 'project')}, {counted(made.files, 'file')} for"
            f" {counted(len(made.manifest.targets), 'target')}: {human_size(made.wheels)} in"
            f" {human_size(made.size)}{percent}\n"
            f"locks: {made.locks}"
        )


@dataclass(frozen=True, slots=True)
class VerifiedResult:
    """A volume that is what its stream's keys vouch for."""

    volume: Path
    admission: Admission

    def to_json(self) -> Json:
        """Everything that `to_text` says, and the signers of each role."""
        found = self.admission
        return {
            "verified": True,
            "volume": str(self.volume),
            "stream": found.stream,
            "sequence": found.sequence,
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

    def to_text(self) -> str:
        """Which sequence, signed by whom, until when."""
        found = self.admission
        lines = [f"{self.volume}: verified, {found.stream} sequence {found.sequence}"]
        for role, expires in found.expires.items():
            signers = ", ".join(found.signers[role])
            lines.append(f"  {role:<9}  until {expires.strftime(TIME)}  signed by {signers}")
        return printable("\n".join(lines))


@dataclass(frozen=True, slots=True)
class UnpackedResult:
    """What `unpack` brought into a mirror."""

    mirror: Path
    received: Received

    def to_json(self) -> Json:
        """Everything that `to_text` says."""
        done = self.received.published
        if done is None:
            return {
                "mirror": str(self.mirror),
                "stream": self.received.admission.stream,
                "sequence": self.received.admission.sequence,
                "state": "received",
                "approvers": list(self.received.approvers),
            }
        return {
            "mirror": str(self.mirror),
            "stream": done.stream,
            "sequence": done.sequence,
            "state": "live",
            "changed": done.changed,
            "generation": done.generation,
            "projects": done.projects,
            "files": done.files,
            "new-files": done.new_files,
        }

    def to_text(self) -> str:
        """What is live now, or who must approve first."""
        done = self.received.published
        if done is None:
            found = self.received.admission
            return (
                f"{self.mirror}: {found.stream} sequence {found.sequence} is received and verified;"
                f" nothing goes live before {' or '.join(self.received.approvers)} approves\n"
                "next, by the holder of that key:"
                f" bundle approve {self.mirror} {found.sequence} --key KEY"
            )
        if not done.changed:
            return f"{self.mirror}: {done.stream} sequence {done.sequence} is live already"
        return (
            f"{self.mirror}: {done.stream} sequence {done.sequence} is live:"
            f" {counted(done.projects, 'project')}, {counted(done.files, 'file')},"
            f" {done.new_files} of them new"
        )
