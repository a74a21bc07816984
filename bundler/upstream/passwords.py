"""Who may see which password: credentials of an origin, of a host from ~/.netrc, of a keyring."""

from __future__ import annotations

import base64
import hashlib
import netrc
import os
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from bundler.upstream.urls import Credentials, origin_of


class Passwords:
    """Credentials by origin, then by host from ~/.netrc (or from the file that NETRC names).

    Attributes:
        fault: The netrc file and why it was not read, for people; None when all is well. It quotes
            nothing of the file.
    """

    def __init__(self, credentials: Mapping[str, Credentials]) -> None:
        """Read the netrc file; `credentials` are by URL, each for the origin of that URL."""
        self._known = {origin_of(url): found for url, found in credentials.items()}
        self._asked: dict[str, Credentials | None] = {}
        self._turn = threading.Lock()
        self._netrc: netrc.netrc | None = None
        self.fault: str | None = None
        path = os.environ.get("NETRC")
        named = f"the netrc file {path or '~/.netrc'}"
        try:
            self._netrc = netrc.netrc(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            self.fault = f"{named}: {error.strerror or error}"
        except UnicodeDecodeError:
            self.fault = f"{named}: it is not UTF-8 text"
        except netrc.NetrcParseError as error:
            # With a line, the message quotes a word of it; without, it is about owner and mode.
            form = f"not in the form of a netrc file near line {error.lineno}"
            self.fault = f"{named}: {error.msg if error.lineno is None else form}"

    def header(self, url: str) -> str | None:
        """The value of Authorization (RFC 7617) for a request of `url`, if there is one."""
        found = self._known.get(origin_of(url))
        host = urlsplit(url).hostname
        entry = self._netrc.authenticators(host) if self._netrc and host else None
        if found is None and entry is not None:
            found = Credentials(entry[0] or "", entry[2] or "")
        if found is None:
            return None
        token = base64.b64encode(f"{found.user}:{found.password}".encode()).decode()
        return f"Basic {token}"

    def from_keyring(self, url: str) -> str | None:
        """The same from the host's keyring, if the package `keyring` is there and knows the URL.

        It may ask a person or start a program, so it is asked only after an index has refused.
        """
        origin = origin_of(url)
        with self._turn:
            if origin not in self._asked:
                self._asked[origin] = _keyring_credentials(url)
                if found := self._asked[origin]:
                    self._known[origin] = found
        return self.header(url) if self._asked[origin] else None

    def identity(self, url: str) -> str:
        """A name for the credentials of `url`, made by a slow hash (RFC 7914); "" without any."""
        value = self.header(url)
        if value is None:
            return ""
        salt = origin_of(url).encode()
        return hashlib.scrypt(value.encode(), salt=salt, n=2**13, r=8, p=1, dklen=16).hex()


def _keyring_credentials(url: str) -> Credentials | None:
    try:
        import keyring  # noqa: PLC0415 - optional, and slow to load
        from keyring.errors import KeyringError  # noqa: PLC0415 - as above
    except ImportError:
        return None
    parts = urlsplit(url)
    for service in (f"{parts.scheme}://{parts.netloc}/", parts.netloc):
        try:
            found = keyring.get_credential(service, None)
        except (KeyringError, RuntimeError):  # no backend, or it is locked
            return None
        if found is not None:
            return Credentials(found.username, found.password)
    return None


def credentials_from(environ: Mapping[str, str], index: str) -> Credentials | None:
    """Those of the index with this name: BUNDLER_INDEX_NAME_USERNAME and …_PASSWORD.

    The name is in capitals there, with "_" for all but letters and digits.
    """
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in index).upper()
    user = environ.get(f"BUNDLER_INDEX_{name}_USERNAME")
    password = environ.get(f"BUNDLER_INDEX_{name}_PASSWORD")
    if user is None and password is None:
        return None
    return Credentials(user or "", password or "")
