"""OUTSIDE: what was found in a wheel, kept from one run to the next.

It follows from three things: the wheel's bytes, its filename, and what looks into it. All three are
in the key, so nothing that is kept ever grows old. Only good wheels are kept.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Final, Protocol

from bundler import __version__
from bundler.model.contents import ContentsDocument, WheelContents
from bundler.model.plan import PlannedFile

CHECKER: Final = 1
"""To be raised when a rule of `bundler.wheel` changes, or what it says of a native library."""

_KIND: Final = "wheels"


class Kept(Protocol):
    """Where findings are kept; must return what was written here, by this program, or nothing.

    Whoever can write to it decides which wheels are believed to be good.
    """

    def read(self, kind: str, key: str, /) -> bytes | None:
        """What was written under `kind` and `key`, a digest; None if that is not there unharmed."""

    def write(self, kind: str, key: str, content: bytes, /) -> None:
        """Keep `content`, or go on without."""


class Findings:
    """The findings of all runs; to be shared between threads, as `kept` is."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._versions = (CHECKER, __version__, version("lief"))

    def recall(self, file: PlannedFile) -> WheelContents | None:
        """What is in a wheel that was good, and had the METADATA that the plan has.

        The bytes of the file must be known to have its digest.
        """
        found = self._kept.read(_KIND, self._key(file))
        if found is None:
            return None
        metadata, _, document = found.partition(b"\n")
        if metadata != file.metadata.encode():
            return None
        try:
            (contents,) = ContentsDocument.from_bytes(document).wheels
        except ValueError:  # of a version that wrote it otherwise
            return None
        return contents

    def remember(self, file: PlannedFile, contents: WheelContents) -> None:
        """Keep what is in a good wheel, unless a parser that fails now may do better next time."""
        if all(native.architectures for native in contents.natives):
            document = ContentsDocument(file.project, (contents,)).to_bytes()
            self._kept.write(_KIND, self._key(file), file.metadata.encode() + b"\n" + document)

    def _key(self, file: PlannedFile) -> str:
        parts = json.dumps([*self._versions, file.blob.sha256, file.remote.filename])
        return hashlib.sha256(parts.encode()).hexdigest()
