"""A volume as a folder of plain files, for guards that look into each of them.

    web-000007.v01/head.tar              what stands in front of every volume
    web-000007.v01/files/NAME.whl        each under its own name
    web-000007.v01/documents/NAME.json
    web-000007.v01/end                   what stands behind every volume: 1,024 zero bytes

It is described as if the files were joined in this order: each is a frame of plain bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bundler.archive import ustar
from bundler.archive.compress import OpenBlob, rotten
from bundler.archive.head import HEAD_FILE, encode_head
from bundler.archive.source import CHUNK
from bundler.archive.writer import Body, name_part, part_path, tail_frame
from bundler.disk import no_room_explained, sync_folder
from bundler.events import Advanced, Observer, ignore
from bundler.model.artifact import Blob, Sha256
from bundler.model.volume import Frame, Segment

END_FILE = "end"


class FolderWriter:
    """Writes one folder; a context manager that leaves none behind unless it was revealed.

    It is used as `bundler.archive.pack.VolumeWriter` is.
    """

    def __init__(
        self,
        final: Path,
        reserved: int,
        path_of: Callable[[Blob], str],
        *,
        observe: Observer = ignore,
    ) -> None:
        """`path_of` says where in the folder a blob lies; `reserved` bytes are for the head."""
        self._final = final
        self._reserved = reserved
        self._path_of = path_of
        self._observe = observe
        self._segments: list[Segment] = []
        self._paths: dict[Sha256, str] = {}
        self._end = reserved

    def __enter__(self) -> Self:
        self._part = part_path(self._final)
        shutil.rmtree(self._part, ignore_errors=True)
        self._part.mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._part, ignore_errors=True)

    def append(
        self,
        label: str,
        blobs: Sequence[Blob],
        open_blob: OpenBlob,
        give_up: Callable[[], None],  # noqa: ARG002 - nobody waits here in another thread
        *,
        phase: str,
    ) -> Segment:
        """Copy the files of one segment.

        Raises:
            DamagedError: if a blob is not what its name says.
            BundlerError: if the disk is full; also whatever `open_blob` raises.
        """
        frames = []
        with no_room_explained(self._final.parent, sum(blob.size for blob in blobs)):
            for blob in blobs:
                self._copy(blob, open_blob)
                frames.append(
                    Frame(offset=self._end, size=blob.size, sha256=blob.sha256, length=blob.size)
                )
                self._end += blob.size
                self._observe(Advanced(phase, ustar.stream_length([blob])))
        segment = Segment(label=label, blobs=tuple(blobs), frames=tuple(frames))
        self._segments.append(segment)
        return segment

    def finish(self) -> Body:
        """Write the end, and describe all that was written."""
        self._write(END_FILE, ustar.END)
        return Body(
            segments=tuple(self._segments),
            tail=tail_frame(ustar.END, self._end),
            form="files",
            paths=self._paths,
        )

    def fill(self, head_entries: Mapping[str, bytes]) -> None:
        """Write the head and make all of it safe on disk.

        Raises:
            BundlerError: if the entries do not fit in the reserved room, or the disk is full.
        """
        self._write(HEAD_FILE, encode_head(head_entries, self._reserved, "files"))
        for folder in [*self._part.iterdir(), self._part]:
            if folder.is_dir():
                sync_folder(folder)

    def reveal(self) -> None:
        """Give the folder its name.

        Raises:
            BundlerError: if something else has taken it meanwhile.
        """
        name_part(self._final)

    def _copy(self, blob: Blob, open_blob: OpenBlob) -> None:
        path = self._part / self._path_of(blob)
        path.parent.mkdir(exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with open_blob(blob) as copied, path.open("xb") as copy:
            while chunk := copied.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
            if (digest.hexdigest(), size) != (blob.sha256, blob.size):
                raise rotten(copied, blob)
        self._paths[blob.sha256] = self._path_of(blob)

    def _write(self, name: str, data: bytes) -> None:
        with (
            no_room_explained(self._final.parent, len(data)),
            (self._part / name).open("xb") as file,
        ):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
