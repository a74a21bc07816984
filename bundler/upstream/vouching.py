"""The provenance of every planned file: fetched, kept raw, and judged."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bundler.archive.store import BlobStore
from bundler.events import Advanced, Finished, Observer, Started
from bundler.model.artifact import Blob
from bundler.model.plan import Plan, PlannedFile
from bundler.model.verdict import ABSENT, Outcome, Verdict
from bundler.trust.attest import Attestor
from bundler.trust.policy import FileFacts, Mode, Rules, mode_of
from bundler.upstream.provenance import ProvenanceReader

PHASE: Final = "attestations"
_THREADS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """A file with what vouches for it."""

    facts: FileFacts
    verdict: Verdict
    provenance: Blob | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouching:
    """What is needed to ask and to judge.

    Attributes:
        root: What `attestor` holds attestations against.
        readers: By the name of an index.
        passed_through: Beginnings of addresses of files that an index did not build, by its name.
    """

    root: bytes
    readers: Mapping[str, ProvenanceReader]
    passed_through: Mapping[str, tuple[str, ...]]
    attestor: Attestor
    rules: Rules

    def vouch(self, plan: Plan, cache: BlobStore, observe: Observer) -> dict[str, Vouched]:
        """Fetch and judge for all files; by filename.

        Raises:
            NetworkError: the first one that there is; the others are not waited for.
        """
        observe(Started(PHASE, len(plan.files), "files"))
        stop = threading.Event()
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="provenance")
        found: dict[str, Vouched] = {}
        try:
            for vouched in pool.map(lambda file: self._one(file, plan, cache, stop), plan.files):
                found[vouched.facts.filename] = vouched
                observe(Advanced(PHASE, 1))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
        observe(Finished(PHASE, _summary(found.values())))
        return found

    def _one(
        self, file: PlannedFile, plan: Plan, cache: BlobStore, stop: threading.Event
    ) -> Vouched:
        facts, document = self._facts(file, plan), None
        reader = self.readers.get(file.index)
        if reader is not None and mode_of(facts, self.rules) is not Mode.NONE:
            document = reader.read(file.project, file.version, file.remote, stop)
        if document is None:
            return Vouched(facts=facts, verdict=ABSENT, provenance=None)
        verdict = self.attestor.verdict(facts.filename, facts.sha256, document)
        return Vouched(facts=facts, verdict=verdict, provenance=cache.put(document))

    def _facts(self, file: PlannedFile, plan: Plan) -> FileFacts:
        beginnings = self.passed_through.get(file.index, ())
        return FileFacts(
            project=file.project,
            version=file.version,
            filename=file.remote.filename,
            sha256=file.blob.sha256,
            index=file.index,
            status=plan.statuses.get(file.project, ("active", None))[0],
            yanked=file.remote.yanked,
            uploaded=_time(file.remote.upload_time),
            passed_through=file.remote.url.startswith(beginnings) if beginnings else False,
        )


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _summary(files: Iterable[Vouched]) -> str:
    known = list(files)
    outcomes = [each.verdict.outcome for each in known]
    counts = [(outcomes.count(outcome), str(outcome)) for outcome in Outcome]
    counts.append((sum(each.facts.passed_through for each in known), "not built by their index"))
    return ", ".join(f"{count} {what}" for count, what in counts if count) or "no files"
