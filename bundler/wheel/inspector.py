"""OUTSIDE: every wheel is looked into once, and what was found is put into documents."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from packaging.utils import NormalizedName

from bundler.model.artifact import Blob, Sha256, is_sdist, parse_wheel_name
from bundler.model.contents import (
    NATIVE_FORMATS,
    Accepted,
    Contents,
    ContentsDocument,
    EmbeddedSbom,
    Native,
    NativeFormat,
    WheelContents,
)
from bundler.model.plan import PlannedFile
from bundler.wheel.check import check_whole_wheel
from bundler.wheel.examine import Kind, Member, Taker
from bundler.wheel.fault import ACCEPT_HINT, RULES, WheelError, wheel_error
from bundler.wheel.findings import Findings
from bundler.wheel.natives import MAX_NATIVE, NativeParser, describe, native_faults
from bundler.wheel.sboms import MAX_SBOM, Statement, covered, read_sbom
from bundler.wheel.sdist import check_sdist

_BUFFER: Final = 1 << 18
_LARGEST_DOCUMENT: Final = Blob(Sha256("f" * 64), 99_999_999)


class WheelInspector:
    """Looks into wheels, from several threads; a context manager, as it runs a parser."""

    def __init__(
        self, accepted: Mapping[Sha256, str], parser: NativeParser, findings: Findings
    ) -> None:
        """`accepted`: digests of wheels that may break rules, and why."""
        self._reasons = accepted
        self._parser = parser
        self._findings = findings
        self._lock = threading.Lock()
        self._contents: dict[Sha256, WheelContents] = {}
        self._accepted: dict[tuple[str, Sha256], Accepted] = {}

    def __enter__(self) -> Self:
        self._parser.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._parser.__exit__(kind, error, trace)

    def check(self, file: PlannedFile, path: Path) -> None:
        """Hold a file against its plan, a wheel against all rules, and keep in mind what is in it.

        `path` has the bytes that the plan names. They are not read when they were good before.

        Raises:
            SdistError: as `check_sdist`.
            WheelError: naming each rule that is broken, unless the digest is an accepted one.
        """
        filename, digest = file.remote.filename, file.blob.sha256
        if is_sdist(filename):
            with path.open("rb") as sdist:
                check_sdist(sdist, filename, file.metadata)
            return
        reason = self._reasons.get(digest)
        rules: tuple[str, ...] = ()
        found = self._findings.recall(file)
        if found is None:
            found, rules = self._look_into(file, path, accepted=reason is not None)
            if not rules:
                self._findings.remember(file, found)
        with self._lock:
            self._contents[digest] = found
            if reason is not None and rules:
                self._accepted[filename, digest] = Accepted(
                    filename=filename, wheel=digest, reason=reason, rules=rules
                )

    def _look_into(
        self, file: PlannedFile, path: Path, *, accepted: bool
    ) -> tuple[WheelContents, tuple[str, ...]]:
        """What is in a wheel, and the rules that it breaks, sorted; none unless it is accepted."""
        filename, digest = file.remote.filename, file.blob.sha256
        look = _Look(self._parser)
        try:
            with path.open("rb", buffering=_BUFFER) as wheel:
                _, examined = check_whole_wheel(
                    wheel,
                    filename,
                    file.metadata,
                    allowed=RULES if accepted else (),
                    takers=look.takers(),
                )
            found = look.contents(digest)
            platforms = {tag.platform for tag in parse_wheel_name(filename).tags}
            faults = [*examined.faults, *native_faults(found.natives, platforms)]
            if faults and not accepted:
                raise wheel_error(filename, faults)
        except WheelError as error:
            if accepted:
                raise
            hint = error.hint or ACCEPT_HINT.format(digest=digest)
            raise type(error)(error.message, hint=hint) from error
        return found, tuple(sorted({fault.rule for fault in faults}))

    def documents(self, files: Iterable[PlannedFile]) -> list[ContentsDocument]:
        """What is in the wheels of a plan, all of them checked; projects with nothing are left out.

        `files` are sorted by project.
        """
        documents = []
        for project, group in groupby(files, key=lambda file: file.project):
            digests = sorted({f.blob.sha256 for f in group if not is_sdist(f.remote.filename)})
            wheels = [self._contents[digest] for digest in digests]
            noted = tuple(wheel for wheel in wheels if wheel.natives or wheel.sboms)
            if noted:
                documents.append(ContentsDocument(project, noted))
        return documents

    def summary(
        self, documents: Iterable[ContentsDocument], blobs: Mapping[NormalizedName, Blob]
    ) -> Contents:
        """The same in numbers; `blobs` are the documents."""
        wheels = [wheel for document in documents for wheel in document.wheels]
        natives = [native for wheel in wheels for native in wheel.natives]
        wanted = sorted(self._accepted)
        return Contents(
            documents=blobs,
            natives=len(natives),
            covered=sum(native.sbom is not None for native in natives),
            sboms=sum(len(wheel.sboms) for wheel in wheels),
            accepted=tuple(self._accepted[key] for key in wanted),
        )

    def bound(self, files: Iterable[PlannedFile]) -> Contents:
        """As long a summary as that of these files can be."""
        return Contents(
            documents={file.project: _LARGEST_DOCUMENT for file in files},
            natives=10**9,
            covered=10**9,
            sboms=10**9,
            accepted=tuple(
                Accepted(
                    filename=file.remote.filename, wheel=digest, reason=reason, rules=tuple(RULES)
                )
                for file in files
                if (reason := self._reasons.get(digest := file.blob.sha256)) is not None
            ),
        )


class _Look:
    """What takers see of one wheel."""

    def __init__(self, parser: NativeParser) -> None:
        self._parser = parser
        self._natives: list[Native] = []
        self._sboms: list[EmbeddedSbom] = []
        self._statements: list[Statement] = []

    def takers(self) -> dict[Kind, Taker]:
        """For `examine`."""
        takers: dict[Kind, Taker] = {form: self._native_taker(form) for form in NATIVE_FORMATS}
        takers["sbom"] = self._take_sbom
        return takers

    def contents(self, wheel: Sha256) -> WheelContents:
        """All of it, sorted."""
        natives = covered(sorted(self._natives, key=lambda each: each.path), self._statements)
        return WheelContents(
            wheel, tuple(natives), tuple(sorted(self._sboms, key=lambda each: each.path))
        )

    def _native_taker(self, form: NativeFormat) -> Taker:
        def take(member: Member, path: Path) -> None:
            small = member.blob.size <= MAX_NATIVE
            facts = self._parser.parse(form, path) if small else None
            self._natives.append(describe(member, form, facts))

        return take

    def _take_sbom(self, member: Member, path: Path) -> None:
        self._sboms.append(EmbeddedSbom(member.path, member.blob))
        if member.blob.size <= MAX_SBOM:
            self._statements.append(read_sbom(member.path, path.read_bytes()))
