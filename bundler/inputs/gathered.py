"""What was read so far, and everything that was wrong with it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from bundler.model.asked import AskedRequirement, InputFile, Lock


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read.

    Attributes:
        path: As it is reached from here: faults name it.
        name: As seen from the profile's folder: origins name it, for they leave this host.
    """

    path: Path
    name: str
    data: bytes


@dataclass(slots=True)
class Gathered:
    """Grows while files are read; a fault does not end the reading, so that all are told at once.

    Attributes:
        folder: The profile's.
        faults: One line each, with file and place.
    """

    folder: Path
    requirements: list[AskedRequirement] = field(default_factory=list)
    constraints: list[AskedRequirement] = field(default_factory=list)
    require_hashes: bool = False
    locks: list[Lock] = field(default_factory=list)
    files: dict[str, InputFile] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def read(self, path: Path, asked_by: str) -> Source | None:
        """A file, once from disk; None, and a fault, when it cannot be read.

        Args:
            path: As it is reached from here.
            asked_by: What names the file, for the fault.
        """
        # normpath and not resolve: names are what their authors wrote, also through a link.
        path = Path(os.path.normpath(path))
        name = Path(os.path.relpath(path, self.folder)).as_posix()
        if name not in self.files:
            try:
                self.files[name] = InputFile(name, path.read_bytes())
            except (OSError, ValueError) as error:  # ValueError: a NUL in the name
                why = error.strerror if isinstance(error, OSError) else error
                self.faults.append(f"{asked_by}: {path} cannot be read: {why}")
                return None
        return Source(path, name, self.files[name].data)
