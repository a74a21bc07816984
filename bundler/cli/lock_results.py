"""What `bundle lock` prints at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.model.amount import counted, human_size
from bundler.model.artifact import is_sdist, parse_file_name
from bundler.model.canonical import Json
from bundler.report.text import printable
from bundler.trust.advice import publisher_table

if TYPE_CHECKING:
    from bundler.model.plan import Plan
    from bundler.model.publisher import Publisher
    from bundler.resolve.lock import Locks, Publishers
    from bundler.resolve.why import Story

_SHOWN_VERSIONS = 4


@dataclass(frozen=True, slots=True)
class LockedResult:
    """A plan, and how it differs from the locks that were there.

    Attributes:
        folder: Where the locks are.
        plan: All files, also those that no lock has: for breadth, or further wheels.
        versions: What each target's lock has now.
        earlier: The locks that were there.
        publishers: Who attested the files of each project, if that was asked.
    """

    folder: Path
    stream: str
    plan: Plan
    versions: Mapping[str, Mapping[NormalizedName, Version]]
    earlier: Locks
    publishers: Publishers

    def to_json(self) -> Json:
        """Everything that `to_text` says, and each target's lock."""
        plan = self.plan
        return {
            "stream": self.stream,
            "folder": str(self.folder),
            "targets": {
                target.name: {"lock": name, "packages": len(self.versions[target.name])}
                for target, name in zip(plan.targets, plan.locks, strict=True)
            },
            "projects": len({file.project for file in plan.files}),
            "files": len(plan.files),
            "size": self._size(),
            "changes": [
                {
                    "project": project,
                    "before": [str(version) for version in before],
                    "after": [str(version) for version in after],
                }
                for project, before, after in self._changes()
            ],
            "publishers": {
                project: [{"kind": each.kind, **dict(each.words)} for each in publishers]
                for project, publishers in self.publishers.items()
            },
        }

    def to_text(self) -> str:
        """How much it is, what changed, where it was written."""
        plan = self.plan
        projects = len({file.project for file in plan.files})
        sources = sum(is_sdist(file.remote.filename) for file in plan.files)
        amount = counted(len(plan.files) - sources, "wheel")
        amount += f" and {counted(sources, 'source distribution')}" if sources else ""
        amount += f" for {counted(len(plan.targets), 'target')}"
        size = human_size(self._size())
        lines = [f"{self.stream}: {counted(projects, 'project')}, {amount}, {size}"]
        if self.earlier.by_target:
            lines += [_change(*each) for each in self._changes()] or ["nothing changed"]
        lines.append(f"locks: {self.folder}")
        if self.publishers:
            lines += ["", "pinned in the locks; for the profile, once you have looked at each:", ""]
            lines.append("\n\n".join(self._tables()))
        return "\n".join(lines)

    def _tables(self) -> Iterator[str]:
        """The proposed tables, one for each publisher."""
        projects: dict[Publisher, list[NormalizedName]] = {}
        for project, publishers in self.publishers.items():
            for publisher in publishers:
                projects.setdefault(publisher, []).append(project)
        for publisher in sorted(projects, key=str):
            yield publisher_table(publisher, *projects[publisher])

    def _size(self) -> int:
        return sum({file.blob: file.blob.size for file in self.plan.files}.values())

    def _changes(self) -> Iterator[tuple[NormalizedName, Sequence[Version], Sequence[Version]]]:
        """The projects whose versions are others than before."""
        before: dict[NormalizedName, set[Version]] = {}
        for files in self.earlier.by_target.values():
            for name in map(parse_file_name, files):
                before.setdefault(name.project, set()).add(name.version)
        after: dict[NormalizedName, set[Version]] = {}
        for versions in self.versions.values():
            for project, version in versions.items():
                after.setdefault(project, set()).add(version)
        for project in sorted(before.keys() | after.keys()):
            old, new = before.get(project, set()), after.get(project, set())
            if old != new:
                yield project, sorted(old), sorted(new)


def _change(project: str, before: Sequence[Version], after: Sequence[Version]) -> str:
    if not before:
        return f"  + {project} {_joined(after)}"
    if not after:
        return f"  - {project} {_joined(before)}"
    return f"  {project} {_joined(before)} → {_joined(after)}"


def _joined(versions: Sequence[Version]) -> str:
    return ", ".join(str(version) for version in versions)


@dataclass(frozen=True, slots=True)
class WhyResult:
    """What happened to one project."""

    project: NormalizedName
    told: Mapping[Story, Sequence[str]]

    def to_json(self) -> Json:
        """Each story, with the targets that share it."""
        return {
            "project": self.project,
            "stories": [
                {
                    "targets": list(targets),
                    "version": None if story.version is None else str(story.version),
                    "required-by": list(story.chains),
                    "others": [
                        {"version": str(version), "reason": reason}
                        for version, reason in story.others
                    ],
                }
                for story, targets in self.told.items()
            ],
        }

    def to_text(self) -> str:
        """The same for people: versions that lost for one reason stand together."""
        return printable(
            "\n".join(line for each in self.told.items() for line in self._tell(*each))
        )

    def _tell(self, story: Story, targets: Sequence[str]) -> Iterator[str]:
        if story.version is None:
            yield f"{self.project} is not needed for {', '.join(targets)}"
            return
        yield f"{self.project} {story.version} for {', '.join(targets)}"
        yield "  required by"
        yield from (f"    {chain}" for chain in story.chains)
        reasons: dict[str, list[Version]] = {}
        for version, reason in story.others:
            reasons.setdefault(reason, []).append(version)
        if reasons:
            yield "  not taken"
        for reason, versions in reasons.items():
            more = len(versions) - _SHOWN_VERSIONS
            shown = _joined(versions[:_SHOWN_VERSIONS])
            yield f"    {shown}{f' and {more} more' if more > 0 else ''}: {reason}"
