"""Who may see which password: credentials of an origin, and those of a host from ~/.netrc."""

from __future__ import annotations

import base64
import netrc
import os
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
