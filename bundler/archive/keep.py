"""Where the blobs of a volume go: into the store, and parts into the wholes that they are of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from bundler.archive.sliced import Sliced
from bundler.archive.store import BlobStore
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import Slice, VolumeIndex


class Keeper:
    """Keeps the blobs of one volume, each once.

    Attributes:
        store: Where they go.
    """

    def __init__(
        self,
        store: BlobStore,
        have: Callable[[Blob], bool] | None = None,
        slices: Mapping[Sha256, Slice] | None = None,
        kept: Callable[[Blob], None] = lambda _blob: None,
    ) -> None:
        """Prepare.

        Args:
            store: Where they go.
            have: Says which need not be brought; called from several threads, as is `kept`.
            slices: Which of them are parts of others.
            kept: Is called with each blob that is whole and in the store now.
        """
        self._kept = kept
        self.store = store
        self._have = have or store.has
        self._slices = slices or {}
        self._sliced = Sliced(store)

    def has(self, blob: Blob) -> bool:
        """Whether it need not be written again."""
        part = self._slices.get(blob.sha256)
        if part is None:
            return self._have(blob)
        return self._have(part.whole) or self._sliced.has(part, blob.size)

    def missing(self, index: VolumeIndex) -> set[Blob]:
        """What the volume would bring."""
        blobs = {blob for segment in index.segments for blob in segment.blobs}
        return {blob for blob in blobs if not self.has(blob)}

    def lacks(self, blobs: Iterable[Blob]) -> bool:
        """Whether any of these is not there."""
        return not all(self.has(blob) for blob in blobs)

    def open(self, blob: Blob) -> AbstractContextManager[BinaryIO]:
        """A file to write it to; nothing of it counts before `keep`."""
        part = self._slices.get(blob.sha256)
        return self.store.new_file() if part is None else self._sliced.open(part)

    def keep(self, blob: Blob, file: BinaryIO) -> None:
        """It was written to `file`, and hashed.

        Raises:
            DamagedError: if it is the last part of something else than it should be.
        """
        part = self._slices.get(blob.sha256)
        if part is not None:
            self._sliced.keep(part, blob.size, file)
        else:
            file.flush()
            self.store.adopt(blob, Path(file.name))
            self._kept(blob)
