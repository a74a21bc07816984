"""The few careful ways in which this program writes to a disk."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from bundler.errors import BundlerError

WRITE_SIZE: Final = 128 << 10
"""Bytes that are written at once: what was just hashed is still in the processor's cache.

Where a host takes unused memory back, Linux took ten times as long for pieces of 2 MB.
"""

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class NoRoomError(BundlerError):
    """A disk is full, or too small for what shall come."""


@contextmanager
def no_room_explained(folder: Path, need: int | None = None) -> Iterator[None]:
    """Explain a full disk: the error names the folder, what is free and, if known, the need.

    Raises:
        NoRoomError: when the filesystem or the user's quota is full, or the file is larger than
            the filesystem takes.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise NoRoomError(
                f"{folder} takes no file that large{'' if need is None else f': {need} bytes'}",
                hint="FAT takes less than 4 GiB a file; exFAT and others take more",
            ) from error
        if error.errno not in _NO_ROOM:
            raise
        free = shutil.disk_usage(folder).free
        wanted = "" if need is None else f"{need} bytes are needed, "
        hint = "make room or choose another folder, then run the command again"
        if os.statvfs(folder).f_favail == 0:
            hint = f"its filesystem takes no more files (inodes); {hint}"
        raise NoRoomError(
            f"no room left in {folder}: {wanted}{free} are free", hint=hint
        ) from error


def require_folder(out: Path) -> None:
    """See early that what `-o` names is a folder, or can be made one, and may be written to.

    Raises:
        BundlerError: if not; naming what stands there instead.
    """
    there = next(each for each in (out, *out.absolute().parents) if os.path.lexists(each))
    if not there.is_dir():
        raise BundlerError(f"{there} is not a folder", hint="give a folder with -o")
    if not os.access(there, os.W_OK | os.X_OK):
        raise BundlerError(
            f"{there}: this account may not write there", hint="give another folder with -o"
        )


def require_room(folder: Path, need: int) -> None:
    """Refuse to begin what will not fit; `need` in bytes.

    Raises:
        NoRoomError: naming both numbers.
    """
    require_rooms([(folder, need)])


def require_rooms(needs: Iterable[tuple[Path, int]]) -> None:
    """The same for several folders, which may lie on one disk.

    Raises:
        NoRoomError: naming the folders of a disk, and both numbers.
    """
    disks: dict[int, list[tuple[Path, int]]] = {}
    for folder, need in needs:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        disks.setdefault(there.stat().st_dev, []).append((there, need))
    for wanted in disks.values():
        need, free = sum(each for _, each in wanted), shutil.disk_usage(wanted[0][0]).free
        if free < need:
            folders = " and ".join(dict.fromkeys(str(folder) for folder, _ in wanted))
            raise NoRoomError(
                f"not enough room in {folders}: {need} bytes are needed, {free} are free; nothing"
                " was written",
                hint="make room, then run the command again",
            )


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock on `path` (created when missing), without waiting for it.

    Raises:
        BundlerError: if another process holds it; `what` says what that one is using.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BundlerError(
                f"another bundle command is using {what}",
                hint="wait until it has ended, then run this command again",
            ) from error
        yield
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make a folder and those above it with `mode`, whatever the umask.

    One that is there already stays as it is.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    try:
        folder.mkdir(mode)
    except FileExistsError as error:  # another thread was faster, unless it is a file
        if not folder.is_dir():
            text = os.strerror(errno.ENOTDIR)
            raise NotADirectoryError(errno.ENOTDIR, text, str(folder)) from error
    else:
        folder.chmod(mode)


def sweep_folder(folder: Path, but: Collection[Path] = ()) -> None:
    """Remove what `atomic_write` has left there and below in processes that were killed.

    Nobody else may be writing there. Folders in `but` are passed over.
    """
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            if path not in but:
                sweep_folder(path)
        elif _TEMPORARY.fullmatch(path.name):
            path.unlink()


def atomic_write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace the file at `path` by `data`, whole or not at all, and safe on disk on return.

    It gets `mode` whatever the umask; folders that are missing are for the same readers.

    Raises:
        BundlerError: if it cannot be written; nothing is left then.
    """
    # Not made of the file's own name, which may be as long as a name can be.
    temp = path.with_name(f".{secrets.token_hex(8)}")
    try:
        make_folder(path.parent, mode | (mode & 0o444) >> 2)
        with no_room_explained(path.parent, len(data)), _new_private(temp) as file:
            file.write(data)
            file.flush()
            set_mode(file, mode)
            os.fsync(file.fileno())
            temp.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temp.unlink()
        if isinstance(error, OSError):
            raise BundlerError(f"{path} cannot be written: {error.strerror or error}") from error
        raise


def set_mode(file: BinaryIO, mode: int) -> None:
    """Say who may use a file of ours, on filesystems that know of owners."""
    with suppress(PermissionError):
        os.fchmod(file.fileno(), mode)


def _new_private(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def read_whole(path: Path) -> bytes:
    """The bytes of a file that is there.

    Raises:
        BundlerError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundlerError(f"{path} cannot be read: {error.strerror or error}") from error


def read_at_most(path: Path | str, most: int) -> bytes:
    """The first `most` bytes of a file, or all that it has, in no more memory than they take.

    Raises:
        OSError: if it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - also for paths as plain strings
        # `read(most)` would ask for so much memory first: for small files, that is most of the time
        return file.read(min(most, os.fstat(file.fileno()).st_size))


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` safe on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(folder: Path) -> None:
    """Make everything that was written to the filesystem of `folder` safe on disk, at once.

    For thousands of new files this takes a small part of what syncing each would.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # Linux has it
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
