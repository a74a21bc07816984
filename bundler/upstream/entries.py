"""Small files that check themselves: a cache of what can always be had again.

An entry is written in place, with a code over its name and content in front (HMAC, RFC 2104). One
that is half written, damaged, renamed, of another format, or made by who does not know the secret
does not match its code and counts as absent. So several processes may read and write at once, any
of them may be killed, and a cache that others can write to tells no lies.
"""

from __future__ import annotations

import hmac
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from bundler.disk import make_folder
from bundler.events import Noticed, Observer, ignore

_FORMAT: Final = 1
_FOLDER, _FILE = 0o700, 0o600
_CODE_SIZE = 32


class Entries:
    """A folder of entries, each found by its kind and its key; for its owner only.

    A folder that cannot be used costs time only: `observe` is told once, and nothing more is
    written.
    """

    def __init__(self, folder: Path, secret: bytes, observe: Observer = ignore) -> None:
        """Nothing is written yet; `observe` may be told from any thread."""
        self._folder = folder
        self._secret = secret
        self._observe = observe
        self._lock = threading.Lock()
        self._failed = False

    def read(self, kind: str, key: str, bound: str = "") -> bytes | None:
        """What was written under `kind`, `key` and `bound`; None if that is not there unharmed."""
        try:
            with open(self._path(kind, key), "rb") as file:  # noqa: PTH123 - half the time
                code, content = file.read(_CODE_SIZE), file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._fail("read", error)
            return None
        right = self._code(kind, key, bound, content)
        return content if hmac.compare_digest(code, right) else None

    def write(self, kind: str, key: str, content: bytes, bound: str = "") -> None:
        """Keep `content` in place of what `kind` and `key` had; `bound` must be told to read it."""
        if self._failed:
            return
        path = self._path(kind, key)
        try:
            make_folder(Path(path).parent, _FOLDER)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            with os.fdopen(os.open(path, flags, _FILE), "wb") as file:
                file.write(self._code(kind, key, bound, content))
                file.write(content)
        except OSError as error:
            self._fail("written", error)
            self.remove(kind, key)

    def remove(self, kind: str, key: str) -> None:
        """Forget an entry, if it is there and can be removed."""
        with suppress(OSError):
            os.unlink(self._path(kind, key))  # noqa: PTH108 - as in `read`

    def _path(self, kind: str, key: str) -> str:
        return f"{self._folder}/{kind}/{key[:2]}/{key}"

    def _code(self, kind: str, key: str, bound: str, content: bytes) -> bytes:
        found = hmac.new(self._secret, f"{_FORMAT} {kind} {key} {bound}\n".encode(), "sha256")
        found.update(content)
        return found.digest()

    def _fail(self, what: str, error: OSError) -> None:
        with self._lock:
            first, self._failed = not self._failed, True
            if first:
                reason = error.strerror or error
                text = f"the cache in {self._folder} cannot be {what} ({reason}); going on without"
                self._observe(Noticed(text))
