"""What publishing costs: a whole mirror, then one with a single changed project, synthetic.

    python -m tests.bench.bench_publish [PROJECTS [FILES [FOLDER]]]

The files are filed already: to check wheels is measured by `bench_unpack`. Each project has a
README of some 3 KB, every fourth one in reStructuredText.
"""

from __future__ import annotations

import hashlib
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from packaging.utils import NormalizedName

from bundler.disk import make_folder
from bundler.events import ignore
from bundler.mirror.layout import Mirror, metadata_path
from bundler.mirror.publish import publish
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import BundledFile, Manifest, ProjectDocument, VerifiedManifest

TARGETS = tuple(f"cp3{minor}-linux" for minor in (11, 12, 13, 14))
_TEXT = "A sentence with `code`, *emphasis* and [a link](https://example.org/page) in it. " * 6
_MARKDOWN = "# {name}\n\n" + "\n\n".join(
    f"## Part {n}\n\n{_TEXT}\n\n- one\n- two\n\n```python\nprint({n})\n```" for n in range(5)
)
_REST = "{name}\n======\n\n" + "\n\n".join(
    f"Part {n}\n------\n\n"
    + "A sentence with ``code`` and *emphasis* in it. " * 8
    + "\n\n* one\n* two"
    for n in range(5)
)


def project(mirror: Mirror, name: str, files: int) -> ProjectDocument:
    """A project whose files are filed: a byte each, and METADATA with a README."""
    found = []
    rest = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 4 == 0
    readme = (_REST if rest else _MARKDOWN).format(name=name)
    kind = "text/x-rst" if rest else "text/markdown"
    for n in range(files):
        version, python = f"1.{n // len(TARGETS)}", 11 + n % len(TARGETS)
        filename = f"{name}-{version}-cp3{python}-cp3{python}-manylinux_2_28_x86_64.whl"
        metadata = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: Project {name}\n"
            f"License-Expression: MIT\nDescription-Content-Type: {kind}\n\n{readme}"
        ).encode()
        digest = Sha256(hashlib.sha256(filename.encode()).hexdigest())
        file = BundledFile(
            filename=filename,
            blob=Blob(digest, 1),
            metadata=Sha256(hashlib.sha256(metadata).hexdigest()),
            index="rebuilt",
            targets=(TARGETS[n % len(TARGETS)],),
            required_by=("profile",),
        )
        path = mirror.file_path(file)
        if not path.exists():
            make_folder(path.parent)
            path.write_bytes(b".")
            metadata_path(path).write_bytes(metadata)
        found.append(file)
    return ProjectDocument(
        name=NormalizedName(name), files=tuple(sorted(found, key=lambda file: file.filename))
    )


def manifest(mirror: Mirror, documents: list[ProjectDocument]) -> VerifiedManifest:
    profile = mirror.store.put(b'[profile]\nname = "web"\n')
    return VerifiedManifest(
        Manifest(
            stream="web",
            sequence=1,
            created="2026-01-31T12:00:00Z",
            tool="bundler 0",
            targets=TARGETS,
            profile=profile,
            projects={each.name: mirror.store.put(each.to_bytes()) for each in documents},
            locks={},
        )
    )


def timed(what: str, mirror: Mirror, shown: VerifiedManifest) -> None:
    start, cpu = time.perf_counter(), time.process_time()
    publish(mirror, shown, ignore)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:28} {seconds:7.1f} s, {cpu:6.1f} s of processor, peak {peak:.0f} MB", flush=True)


def main() -> None:
    projects, files = (int(word) for word in [*sys.argv[1:3], *("1000", "20")[len(sys.argv) - 1 :]])
    root = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(tempfile.mkdtemp())
    mirror = Mirror.create(root)
    start = time.perf_counter()
    documents = [project(mirror, f"project{n:05}", files) for n in range(projects)]
    first = manifest(mirror, documents)
    print(f"{projects} x {files} made in {time.perf_counter() - start:.1f} s", flush=True)
    timed("first", mirror, first)
    documents[projects // 2] = project(mirror, f"project{projects // 2:05}", files + 4)
    second = manifest(mirror, documents)
    timed("one project changed", mirror, VerifiedManifest(replace(second, sequence=2)))
    timed("nothing changed", mirror, VerifiedManifest(replace(second, sequence=2)))
    if len(sys.argv) <= 3:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
