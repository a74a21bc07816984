"""OUTSIDE: every wheel is looked into once, and what was found is put into documents."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName

from bundler.model.artifact import Blob, Sha256, is_sdist
from bundler.model.contents import Accepted, Contents, ContentsDocument, WheelContents
from bundler.model.plan import PlannedFile
from bundler.wheel.fault import RULES
from bundler.wheel.findings import Findings
from bundler.wheel.look import Look, Unknown
from bundler.wheel.sdist import check_sdist

_LARGEST_DOCUMENT: Final = Blob(Sha256("f" * 64), 99_999_999)


class WheelInspector:
    """Has wheels looked into, from several threads, and remembers what was found."""

    def __init__(self, accepted: Mapping[Sha256, str], look: Look, findings: Findings) -> None:
        """Prepare.

        Args:
            accepted: Digests of wheels that may break rules, and why.
            look: As `bundler.wheel.look.looking` gives it.
            findings: Those of earlier runs.
        """
        self._reasons = accepted
        self._look = look
        self._findings = findings
        self._lock = threading.Lock()
        self._contents: dict[Sha256, WheelContents] = {}
        self._accepted: dict[tuple[str, Sha256], Accepted] = {}

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
            found, rules = self._look(
                Unknown(path, filename, digest, file.metadata, accepted=reason is not None)
            )
            if not rules:
                self._findings.remember(file, found)
        with self._lock:
            self._contents[digest] = found
            if reason is not None and rules:
                self._accepted[filename, digest] = Accepted(
                    filename=filename, wheel=digest, reason=reason, rules=rules
                )

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
