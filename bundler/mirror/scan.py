"""What was received, before a scanner: nothing is filed, and so nothing served, before it passes.

A scanner sees the files under their own names, in a folder that is gone afterwards.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bundler.errors import RefusedError
from bundler.events import Advanced, Finished, Observer, Started
from bundler.mirror.attempt import Attempt
from bundler.mirror.filing import located
from bundler.mirror.fresh import Fresh
from bundler.mirror.layout import Mirror
from bundler.mirror.scanner import Scanner, run_scanner

_STAGED = "scan-"
_SCAN = "scan"
_NAMED = 20


class QuarantinedError(RefusedError):
    """A scanner did not let a bundle pass; nothing of it is served."""

    code = "quarantined"


def scan_all(
    mirror: Mirror,
    files: Sequence[Fresh],
    scanners: Iterable[Scanner],
    noted: Attempt,
    observe: Observer,
) -> None:
    """Run every scanner over files that are not filed yet, and note what each has said.

    Raises:
        QuarantinedError: if one does not let them pass.
    """
    _sweep(mirror)
    for scanner in scanners:
        noted.doing = "scanned"
        scan(mirror, files, scanner, observe)
        count = "1 file" if len(files) == 1 else f"{len(files)} files"
        noted.scanned(f"{count}, {shlex.join(scanner.words)}", is_news=bool(files))


def scan(mirror: Mirror, files: Sequence[Fresh], scanner: Scanner, observe: Observer) -> None:
    """Run one scanner over files that are not filed yet; not at all when there are none.

    Raises:
        QuarantinedError: if it ends with another exit code than 0, not in time, or cannot be run.
    """
    if not files:
        return
    with _staged(mirror, files) as folder:
        observe(Started(_SCAN, len(files), "files"))
        faults: list[str] = []
        if scanner.is_for_files:
            for path in sorted(folder.iterdir()):
                if fault := run_scanner(scanner, path):
                    faults.append(f"{path.name}: {fault}")
                observe(Advanced(_SCAN, 1))
        elif fault := run_scanner(scanner, folder):
            faults.append(f"the folder of {len(files)} files: {fault}")
    if faults:
        more = f"\nand {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise QuarantinedError(
            f"quarantined by {scanner.words[0]}:\n" + "\n".join(faults[:_NAMED]) + more,
            hint="nothing of this bundle is served; what was received is kept, and scanned anew"
            " when it is unpacked again",
        )
    observe(Finished(_SCAN, f"{len(files)} files"))


@contextmanager
def _staged(mirror: Mirror, files: Sequence[Fresh]) -> Iterator[Path]:
    """A folder that has the files under their names, as links: their bytes are hashed later on."""
    folder = Path(tempfile.mkdtemp(prefix=_STAGED, dir=mirror.state))
    try:
        # By name, since a document may have a file twice; never with two contents.
        for name, file in {file.final.name: file for file in files}.items():
            os.link(located(mirror, file), folder / name)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(mirror: Mirror) -> None:
    """Remove what a scan that was killed has left; the caller holds the lock."""
    for folder in mirror.state.glob(f"{_STAGED}*"):
        shutil.rmtree(folder)
