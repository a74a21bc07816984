"""Looking into wheels while others are still being unpacked, so that no processor waits.

A wheel is looked into as soon as its last byte was hashed and is in the store. What is found counts
when it is filed; nothing is shown or said before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias

from packaging.utils import NormalizedName

from bundler.archive.store import BlobStore
from bundler.model.artifact import Blob, is_sdist
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument
from bundler.wheel.examine import Examined


@dataclass(frozen=True, slots=True)
class Expected:
    """A wheel that a document names, and the rules that it may break."""

    file: BundledFile
    allowed: tuple[str, ...]


Look: TypeAlias = Callable[[Expected], Examined]
"""Looks into a wheel in the store, without keeping its METADATA."""


class EarlyChecks:
    """A context manager; at its end, what nobody asked for is given up.

    Attributes:
        fresh: Whether nobody else can have changed a file since it was hashed; whoever lets others
            at the files, such as scanners, makes it false.
    """

    def __init__(self, look: Look) -> None:
        """`look` is called in several threads."""
        self.fresh = True
        self._look = look
        self._expected: dict[Blob, Expected] = {}
        self._projects: dict[Blob, NormalizedName] = {}
        self._begun: dict[Blob, Future[Examined]] = {}
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, "look")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def expect(self, manifest: Manifest, document: ProjectDocument) -> None:
        """The wheels of this project may come now."""
        inside = manifest.contents
        allowed = {each.wheel: each.rules for each in (inside.accepted if inside else ())}
        for file in document.files:
            self._projects[file.blob] = document.name
            if not is_sdist(file.filename):
                rules = allowed.get(file.blob.sha256, ())
                self._expected.setdefault(file.blob, Expected(file, rules))

    def unfiled(self, store: BlobStore) -> set[NormalizedName]:
        """The projects of which a file is in the store: it must be filed, whenever it came."""
        return {name for blob, name in self._projects.items() if store.has(blob)}

    def begin(self, blob: Blob) -> None:
        """It has just come into the store, and was hashed."""
        if expected := self._expected.get(blob):
            self._begun[blob] = self._pool.submit(self._look, expected)

    def examined(self, blob: Blob, filename: str) -> Examined | None:
        """What is in a wheel, without its METADATA; None if nobody has looked under this name.

        Raises:
            WheelError: as `bundler.wheel.check.check_whole_wheel`.
        """
        found, expected = self._begun.get(blob), self._expected.get(blob)
        if found is None or expected is None or expected.file.filename != filename:
            return None
        return found.result()
