"""Where everything is in a mirror folder.

MIRROR/simple                    → .bundler/generations/000007/simple, the live pages
MIRROR/index.html                → simple/../index.html, the first page for people
MIRROR/web                       → simple/../web, the others
MIRROR/files/ab/abcd…/NAME.whl   each wheel under its digest, with NAME.whl.metadata beside it
MIRROR/files/ab/abcd…/NAME.tar.gz    each source distribution
MIRROR/files/ab/abcd…/NAME.provenance    what vouches for the file NAME, if anything does
MIRROR/.bundler/blobs            documents, locks, manifests, and files until they are filed
MIRROR/.bundler/trust            the pinned root and what the gate remembers
MIRROR/.bundler/generations      every set of pages that was ever live
MIRROR/.bundler/journal.jsonl    what was done; journal.head knows its last line
MIRROR/.bundler/policy.json      what must happen before a sequence goes live, if anything
MIRROR/.bundler/arrived          heads of volumes whose sequence is not complete yet
MIRROR/.bundler/received         what waits for approval: STREAM.json
MIRROR/.bundler/approvals        signed approvals: STREAM-000007.json
MIRROR/.bundler/receipt.key      what receipts are signed with
MIRROR/.bundler/lock             held by whoever changes the mirror

A web server needs `simple`, `files`, and for people `index.html` and `web`; and, since links lead
there, `.bundler/generations`. These can be read by everybody, whatever the umask; all else by the
owner only. All of it is one filesystem: files are renamed from one folder to another.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bundler.archive.store import BlobStore
from bundler.disk import locked, make_folder, sweep_folder
from bundler.errors import BundlerError, RefusedError
from bundler.model.artifact import Blob, Sha256
from bundler.model.manifest import BundledFile

ONE_FILESYSTEM = "a mirror must lie on one filesystem, without mounts inside; move all of it there"
METADATA_SUFFIX = ".metadata"
"""Behind a wheel's filename: the file that holds its METADATA (PEP 658)."""

PROVENANCE_SUFFIX = ".provenance"
"""Behind a file's name: the file that holds its attestations, as the index had them."""

# With ".provenance" behind it, it must still be a name on every filesystem.
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.!+-]{0,239}\.(?:whl|tar\.gz)", re.ASCII)
_BESIDE = (METADATA_SUFFIX, PROVENANCE_SUFFIX)
_PRIVATE = 0o700
_PIN_FIRST = "`bundle trust pin ROOT --into MIRROR` makes a mirror"


@dataclass(frozen=True, slots=True)
class Mirror:
    """The paths of one mirror; `create` or `open` it."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> Mirror:
        """Make the folders of a mirror; one that is there already stays as it is.

        Raises:
            BundlerError: if the folder holds something else, cannot be written, or is spread over
                several filesystems.
        """
        mirror = cls(root)
        if not mirror.state.is_dir() and any(
            os.path.lexists(path) for path in (mirror.simple, mirror.files)
        ):
            raise BundlerError(
                f"{root} holds files of another program: simple or files",
                hint="choose an empty folder for the mirror",
            )
        try:
            for folder in (mirror.files, mirror.generations):
                make_folder(folder)
            for folder in (mirror.trust, mirror.store.root):
                make_folder(folder, _PRIVATE)
        except OSError as error:
            raise BundlerError(f"cannot make a mirror in {root}: {error.strerror}") from error
        mirror._require_one_filesystem()
        return mirror

    @classmethod
    def open(cls, root: Path) -> Mirror:
        """A mirror that is there.

        Raises:
            BundlerError: if there is none, or if it is spread over several filesystems.
        """
        mirror = cls(root)
        if not root.is_dir():
            raise BundlerError(f"{root} is not a folder", hint=_PIN_FIRST)
        if not mirror.generations.is_dir():
            raise BundlerError(f"{root} is not a mirror", hint=_PIN_FIRST)
        mirror._require_one_filesystem()
        return mirror

    def _require_one_filesystem(self) -> None:
        home = self.root.stat().st_dev
        for folder in (self.state, self.files, self.generations, self.store.root):
            if folder.is_dir() and folder.stat().st_dev != home:
                raise BundlerError(
                    f"{folder} is on another filesystem than {self.root}", hint=ONE_FILESYSTEM
                )

    @property
    def simple(self) -> Path:
        """The link to the live pages; absent until something was published."""
        return self.root / "simple"

    @property
    def front(self) -> Path:
        """The link to the first page for people."""
        return self.root / "index.html"

    @property
    def web(self) -> Path:
        """The link to the other pages for people."""
        return self.root / "web"

    @property
    def files(self) -> Path:
        """The wheels and source distributions that may be served."""
        return self.root / "files"

    @property
    def state(self) -> Path:
        """Everything that is not served."""
        return self.root / ".bundler"

    @property
    def store(self) -> BlobStore:
        """Documents, and files that are not filed yet."""
        return BlobStore(self.state / "blobs")

    @property
    def trust(self) -> Path:
        """The gate's folder: one folder inside for each stream."""
        return self.state / "trust"

    @property
    def generations(self) -> Path:
        """One folder for each set of pages."""
        return self.state / "generations"

    @property
    def journal(self) -> Path:
        """What was done to the mirror, one line each."""
        return self.state / "journal.jsonl"

    @property
    def journal_head(self) -> Path:
        """The digest of the journal's last line."""
        return self.state / "journal.head"

    @property
    def policy(self) -> Path:
        """What must happen before a sequence goes live."""
        return self.state / "policy.json"

    @property
    def arrived(self) -> Path:
        """Heads of volumes that came before the rest: a folder for each sequence."""
        return self.state / "arrived"

    @property
    def received(self) -> Path:
        """What waits for approval: a file for each stream."""
        return self.state / "received"

    @property
    def approvals(self) -> Path:
        """Signed approvals: a file for each sequence."""
        return self.state / "approvals"

    @property
    def receipt_key(self) -> Path:
        """The private key that receipts are signed with; absent until there was one."""
        return self.state / "receipt.key"

    @property
    def lock(self) -> Path:
        """The file that `locked` locks."""
        return self.state / "lock"

    def locked(self) -> AbstractContextManager[None]:
        """Hold the mirror against other commands that change it.

        Raises:
            BundlerError: if another process holds it.
        """
        return locked(self.lock, str(self.root))

    def sweep(self) -> None:
        """Remove what writers that were killed have left; the caller holds the lock."""
        self.store.sweep()
        sweep_folder(self.state, but=(self.store.root, self.generations))

    def file_folder(self, sha256: Sha256) -> Path:
        """The folder of one file."""
        return self.root.joinpath("files", sha256[:2], sha256)

    def file_path(self, file: BundledFile) -> Path:
        """Where a file is filed.

        Raises:
            RefusedError: as `file_name`.
        """
        return Path(self.file_name(file))

    def file_name(self, file: BundledFile) -> str:
        """The same as a plain string: of a million files, paths as objects take most of the time.

        Raises:
            RefusedError: if its name could leave the folder, or cannot stand in a link.
        """
        if not _FILENAME.fullmatch(file.filename):
            raise RefusedError(f"{file.filename!r:.160} cannot be the name of a file in a mirror")
        sha256 = file.blob.sha256
        return os.path.join(self.root, "files", sha256[:2], sha256, file.filename)  # noqa: PTH118 - as above

    def locate(self, blob: Blob) -> Path | None:
        """Where a blob is: filed, or in the store; None if it is in neither. Nothing is read."""
        try:
            filed = sorted(self.file_folder(blob.sha256).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            filed = []
        for path in filed:
            if path.suffix not in _BESIDE and is_file_of(path, blob.size):
                return path
        return self.store.path(blob.sha256) if self.store.has(blob) else None

    def has(self, blob: Blob) -> bool:
        """Whether a blob need not be carried here again: filed, or in the store."""
        return self.locate(blob) is not None


def metadata_path(wheel: Path) -> Path:
    """The file beside a filed wheel that holds its METADATA."""
    return wheel.with_name(wheel.name + METADATA_SUFFIX)


def provenance_path(file: Path) -> Path:
    """The file beside a filed one that holds its attestations."""
    return file.with_name(file.name + PROVENANCE_SUFFIX)


def is_file_of(path: Path | str, size: int) -> bool:
    """Whether `path` is a regular file, not a link to one, of `size` bytes."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size
