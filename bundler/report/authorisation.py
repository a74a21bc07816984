"""What officers are asked to sign, in words: counts, targets, and what is different from before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.utils import NormalizedName
from tuf.api.metadata import Root

from bundler.archive.proposal import Proposal, ProposedManifest, ProposedRoot
from bundler.model.amount import counted, human_size
from bundler.model.artifact import is_sdist, parse_file_name
from bundler.model.canonical import Json
from bundler.model.manifest import BundledFile, ProjectDocument
from bundler.model.verdict import Outcome
from bundler.trust.keyless import KeylessKey
from bundler.trust.keys import fingerprint, kind, named
from bundler.trust.metadata import entry, root_fingerprint
from bundler.trust.pending import Quorum
from bundler.trust.signing import board_of

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How a sequence differs from the one before; each is a line for people.

    Attributes:
        since: The number of the one before; 0 when there is none to compare with.
        replaced: Files of one name and two contents.
    """

    since: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    replaced: tuple[str, ...]
    targets_added: tuple[str, ...]
    targets_removed: tuple[str, ...]
    profile_changed: bool


def describe_proposal(proposal: Proposal) -> tuple[dict[str, Json], str]:
    """The same twice: for programs, and for people."""
    if isinstance(proposal, ProposedManifest):
        facts, lines = _manifest_facts(proposal), _manifest_lines(proposal)
    else:
        facts, lines = _root_facts(proposal), _root_lines(proposal)
    facts["signatures"] = [
        {
            "root": each.root,
            "threshold": each.threshold,
            "signed": list(each.signed),
            "missing": list(each.missing),
        }
        for each in proposal.quorums
    ]
    return facts, "\n".join((*lines, *_signatures(proposal.quorums)))


def changes(proposal: ProposedManifest) -> Changes:
    """What is different from the sequence before."""
    now, before = proposal.documents, proposal.previous_documents
    previous = proposal.previous
    targets = tuple(map(_one_line, proposal.manifest.targets))
    previous_targets = tuple(map(_one_line, previous.targets)) if previous else ()
    return Changes(
        since=previous.sequence if previous else 0,
        added=tuple(_with_versions(now[name]) for name in sorted(now.keys() - before.keys())),
        removed=tuple(_with_versions(before[n]) for n in sorted(before.keys() - now.keys())),
        changed=tuple(_changed(now, before)),
        replaced=tuple(_replaced(now, before)),
        targets_added=_less(targets, previous_targets),
        targets_removed=_less(previous_targets, targets),
        profile_changed=previous is not None and previous.profile != proposal.manifest.profile,
    )


def exceptions(proposal: ProposedManifest) -> Iterator[str]:
    """What a careful officer would ask about: against a rule, built inside, withdrawn."""
    contents = proposal.manifest.contents
    for accepted in contents.accepted if contents else ():
        broken = ", ".join(accepted.rules)
        yield _one_line(f"{accepted.filename} breaks {broken}; accepted: {accepted.reason}")
    for name, document in proposal.documents.items():
        if document.status != "active":
            reason = f": {document.status_reason}" if document.status_reason else ""
            yield _one_line(f"{name} is {document.status}{reason}")
        for file in document.files:
            if file.yanked is not None:
                reason = f": {file.yanked}" if file.yanked else ""
                yield _one_line(f"{file.filename} is yanked{reason}")
            if file.passed_through:
                yield f"{file.filename} was not built by the index {_one_line(file.index)}"
            if is_sdist(file.filename):
                yield f"{file.filename} is a source distribution: its build runs inside"


def _manifest_facts(proposal: ProposedManifest) -> dict[str, Json]:
    manifest, found = proposal.manifest, changes(proposal)
    files = _files(proposal.documents.values())
    return {
        "kind": "bundle",
        "stream": manifest.stream,
        "sequence": manifest.sequence,
        "created": manifest.created,
        "tool": manifest.tool,
        "root": proposal.root.version,
        "fingerprint": _fingerprint(proposal),
        "packing": list(_packers(proposal.root)),
        "expires": proposal.word.expires.strftime(_TIME),
        "targets": list(manifest.targets),
        "projects": len(manifest.projects),
        "files": len(files),
        "size": sum(file.blob.size for file in files),
        "since": found.since,
        "added": list(found.added),
        "removed": list(found.removed),
        "changed": list(found.changed),
        "replaced": list(found.replaced),
        "targets-added": list(found.targets_added),
        "targets-removed": list(found.targets_removed),
        "profile-changed": found.profile_changed,
        "attested": _attested(files),
        "exceptions": list(exceptions(proposal)),
    }


def _manifest_lines(proposal: ProposedManifest) -> Iterator[str]:
    manifest, found = proposal.manifest, changes(proposal)
    files = _files(proposal.documents.values())
    size = human_size(sum(file.blob.size for file in files))
    yield f"{manifest.stream} sequence {manifest.sequence}: may it enter?"
    yield f"made      {manifest.created} by {_one_line(manifest.tool)}"
    yield f"good      until {proposal.word.expires.strftime(_TIME)}"
    yield f"root      version {proposal.root.version}, {_fingerprint(proposal)}"
    yield f"packing   {', '.join(_packers(proposal.root))}"
    projects = counted(len(manifest.projects), "project")
    yield f"contents  {projects}, {counted(len(files), 'file')}, {size}"
    yield f"attested  {_attested(files)} of {counted(len(files), 'file')}"
    yield f"targets   {_one_line(', '.join(manifest.targets))}"
    if found.since:
        yield f"changes since sequence {found.since}:"
    elif manifest.sequence > 1:
        yield "the sequence before is NOT in this file, so nothing is compared; all projects:"
    else:
        yield "no earlier sequence to compare with; all projects:"
    groups = (
        ("target added", found.targets_added if found.since else ()),
        ("target removed", found.targets_removed),
        ("added", found.added),
        ("removed", found.removed),
        ("changed", found.changed),
        ("SAME NAME, OTHER CONTENT", found.replaced),
    )
    shown = [f"  {what}  {line}" for what, lines in groups for line in lines]
    if found.profile_changed:
        shown.append("  the profile is another one")
    yield from shown or ["  none"]
    asked = list(exceptions(proposal))
    yield f"exceptions: {len(asked) or 'none'}"
    yield from (f"  {line}" for line in asked)


def _root_facts(proposal: ProposedRoot) -> dict[str, Json]:
    new, old = proposal.new, proposal.old
    return {
        "kind": "root",
        "stream": proposal.stream,
        "root": new.version,
        "expires": new.expires.strftime(_TIME),
        "officers": list(_officers(new)),
        "threshold": new.roles[Root.type].threshold,
        "packing": list(_packers(new)),
        "officers-added": list(_less(_officers(new), _officers(old) if old else ())),
        "officers-removed": list(_less(_officers(old) if old else (), _officers(new))),
        "threshold-before": old.roles[Root.type].threshold if old else None,
        "packing-before": list(_packers(old)) if old else None,
    }


def _root_lines(proposal: ProposedRoot) -> Iterator[str]:
    new, old = proposal.new, proposal.old
    yield f"{proposal.stream}, root version {new.version}: shall these keys count from now on?"
    yield f"good      until {new.expires.strftime(_TIME)}"
    threshold = new.roles[Root.type].threshold
    yield f"officers  {threshold} of {', '.join(_officers(new))}"
    for key in board_of(new).officers:
        if isinstance(key, KeylessKey):
            yield f"keyless   {fingerprint(key)}: {kind(key)}"
    yield f"packing   {', '.join(_packers(new))}"
    if old is None:
        yield "the stream's first root"
        return
    yield f"changes since root version {old.version}:"
    shown = [f"  officer added    {each}" for each in _less(_officers(new), _officers(old))]
    shown += [f"  officer removed  {each}" for each in _less(_officers(old), _officers(new))]
    before = old.roles[Root.type].threshold
    if before != threshold:
        shown.append(f"  must sign        {threshold}, no longer {before}")
    if _packers(old) != _packers(new):
        shown.append(f"  packing key      no longer {', '.join(_packers(old))}")
    yield from shown or ["  none but the date"]


def _signatures(quorums: Iterable[Quorum]) -> Iterator[str]:
    for quorum in quorums:
        state = f"{quorum.lacking} missing" if quorum.lacking else "enough"
        yield (
            f"signatures by root {quorum.root}: {len(quorum.signed)} of {quorum.threshold}, {state}"
        )
        yield from (f"  signed   {each}" for each in quorum.signed)
        if quorum.lacking:
            yield from (f"  may sign {each}" for each in quorum.missing)


def _attested(files: Iterable[BundledFile]) -> int:
    """How many files a publisher's signature was verified for."""
    return sum(file.verdict.outcome is Outcome.VERIFIED for file in files)


def _fingerprint(proposal: ProposedManifest) -> str:
    """Of the root whose officers are asked: they know theirs."""
    return root_fingerprint(proposal.entries[entry(f"{proposal.root.version}.root.json")])


def _one_line(text: str) -> str:
    """Foreign words must not look like lines of ours."""
    return " ".join(text.split())


def _files(documents: Iterable[ProjectDocument]) -> list[BundledFile]:
    return [file for document in documents for file in document.files]


def _versions(document: ProjectDocument) -> str:
    found = {parse_file_name(file.filename).version for file in document.files}
    return ", ".join(str(version) for version in sorted(found))


def _with_versions(document: ProjectDocument) -> str:
    return f"{document.name} {_versions(document)}"


def _changed(
    now: Mapping[NormalizedName, ProjectDocument], before: Mapping[NormalizedName, ProjectDocument]
) -> Iterator[str]:
    for name in sorted(now.keys() & before.keys()):
        old, new = before[name], now[name]
        if old == new:
            continue
        if _versions(old) != _versions(new):
            yield f"{name} {_versions(old)} → {_versions(new)}"
            continue
        names = {file.filename for file in new.files}, {file.filename for file in old.files}
        more, fewer = len(names[0] - names[1]), len(names[1] - names[0])
        yield f"{name} {_versions(new)}: {more} files more, {fewer} fewer"


def _replaced(
    now: Mapping[NormalizedName, ProjectDocument], before: Mapping[NormalizedName, ProjectDocument]
) -> Iterator[str]:
    known = {file.filename: file.blob for file in _files(before.values())}
    for file in _files(now.values()):
        if known.get(file.filename, file.blob) != file.blob:
            yield file.filename


def _officers(root: Root) -> tuple[str, ...]:
    return tuple(named(key) for key in board_of(root).officers)


def _packers(root: Root) -> tuple[str, ...]:
    return tuple(named(key) for key in board_of(root).packers)


def _less(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in some if each not in others)
