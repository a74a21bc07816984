"""HTTP: the one module that knows the HTTP library, and the only one that talks to a network.

It guarantees bounded bodies, bounded attempts, errors of our own also in the middle of a body, and
that no message holds a password or a query. Credentials come from the caller (for one origin) or
from ~/.netrc (for one host); proxies and certificate authorities from the usual variables.
"""

from __future__ import annotations

import base64
import netrc
import os
import re
import socket
import ssl
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self
from weakref import WeakSet

import httpx

from bundler import __version__
from bundler.errors import NetworkError, NotFoundError
from bundler.upstream.body import read_body
from bundler.upstream.retry import Retry, TransientError
from bundler.upstream.urls import Credentials, origin_of, shown, split_credentials

CHUNK: Final = 256 * 1024
"""Bytes of a streamed body that are handed on at once."""

_CONNECTIONS = 32
_TIMEOUT = httpx.Timeout(connect=15.0, read=60.0, write=60.0, pool=None)
_OK, _PARTIAL, _RANGE_NOT_SATISFIABLE = 200, 206, 416
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", re.ASCII)
_HINTS = {
    401: "put the user name and password for this host into ~/.netrc (mode 0600)",
    403: "this account has no right to that file, or the index blocks it",
    407: "the proxy wants credentials: put them into HTTPS_PROXY",
    429: "the index asks for fewer requests; wait a little and run the command again",
}
_CHECK_CONNECTION = "check the address and the network; behind a proxy, set HTTPS_PROXY"


class AnswerError(NetworkError):
    """The server answered, but with a status that is of no use.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, message: str, *, hint: str | None = None, status: int) -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole answer.

    Attributes:
        status: 200; or 206 or 416 when a range was asked for.
        url: After redirects, without credentials.
        content_type: The header as it came, "" when there is none.
        total: Size of the whole resource in bytes, where the answer says it: Content-Range of a
            206 or 416, Content-Length of a plain 200.
        start: Where the body begins in the resource.
        body: Empty when a range was asked for and the answer is not a 206.
    """

    status: int
    url: str
    content_type: str
    total: int | None
    start: int
    body: bytes


class Stream:
    """The body of an answer while it comes.

    Attributes:
        status: 200, 206 or 416.
        start: Where the body begins in the resource.
        total: As in `Response`.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.start, self.total = _extent(response)

    def __iter__(self) -> Iterator[bytes]:
        """Chunks of `CHUNK` bytes, the last one shorter.

        Raises:
            TransientError: if the connection ends or stalls before the body does.
        """
        with _mapped(str(self._response.url)):
            yield from self._response.iter_raw(CHUNK)


class Transport:
    """Connections that are kept alive, for many threads; close it, or use it in a `with`."""

    def __init__(
        self,
        *,
        credentials: Mapping[str, Credentials] | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            credentials: By URL; each is sent to the origin of that URL only.
            retry: How often and when to ask again.
            timeout: Seconds for connecting, and for each read, instead of the usual ones.
        """
        self.retry = retry or Retry()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()
        self._auth = _Authorisation(credentials or {})
        try:
            self._client = httpx.Client(
                auth=self._auth,
                follow_redirects=True,
                timeout=_TIMEOUT if timeout is None else httpx.Timeout(timeout, pool=None),
                limits=httpx.Limits(
                    max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS
                ),
                headers={"User-Agent": f"bundler/{__version__}", "Accept": "*/*"},
                event_hooks={"response": [_stay_secure]},
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            hint = "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
            raise NetworkError("the proxy that is set cannot be used", hint=hint) from error
        except OSError as error:
            hint = "check SSL_CERT_FILE and SSL_CERT_DIR"
            raise NetworkError(f"no certificate authorities: {error}", hint=hint) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def interrupt(self) -> None:
        """Cut every connection, from any thread: who waits for an answer gets an error at once."""
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with suppress(OSError):  # it may be closed meanwhile
                # Not the method of an SSLSocket, which another thread is reading from.
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def _note_socket(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember what is connected; called by httpcore (its "trace" extension)."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            with self._lock:
                self._sockets.add(info["return_value"].get_extra_info("socket"))

    def get(
        self,
        url: str,
        *,
        limit: int,
        accept: str = "*/*",
        byte_range: str | None = None,
        stop: threading.Event | None = None,
    ) -> Response:
        """Ask for a body of at most `limit` bytes.

        Args:
            url: Absolute.
            limit: In bytes, after decompression; reading ends there.
            accept: The media types that are wanted.
            byte_range: Such as "0-99" or "-65536" (RFC 9110 §14.1.2).
            stop: Once set, nothing is tried again.

        Raises:
            NotFoundError: the answer is 404.
            NetworkError: every other failure, a body over `limit` included.
        """
        headers = {"Accept": accept, "Accept-Encoding": "gzip"}
        if byte_range is not None:
            headers |= {"Range": f"bytes={byte_range}", "Accept-Encoding": "identity"}

        def once() -> Response:
            with self._open(url, headers) as response:
                start, total = _extent(response)
                useful = byte_range is None or response.status_code == _PARTIAL
                return Response(
                    status=response.status_code,
                    url=split_credentials(str(response.url))[0],
                    content_type=response.headers.get("Content-Type", ""),
                    total=total,
                    start=start,
                    body=_body(response, limit) if useful else b"",
                )

        return self.retry.run(once, stop or threading.Event())

    @contextmanager
    def stream(self, url: str, *, offset: int = 0) -> Generator[Stream]:
        """Begin a download, from byte `offset` on; one attempt, the caller asks again.

        A server may ignore the offset: look at `Stream.start`.

        Raises:
            NotFoundError: the answer is 404.
            TransientError: asking again may help.
            NetworkError: every other failure.
        """
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with self._open(url, headers) as response:
            yield Stream(response)

    @contextmanager
    def _open(self, url: str, headers: Mapping[str, str]) -> Generator[httpx.Response]:
        with (
            _mapped(url),
            self._client.stream(
                "GET", url, headers=headers, extensions={"trace": self._note_socket}
            ) as response,
        ):
            allowed = {_PARTIAL, _RANGE_NOT_SATISFIABLE} if "Range" in headers else set()
            if response.status_code not in {_OK} | allowed:
                raise self._refusal(response)
            yield response

    def _refusal(self, response: httpx.Response) -> NetworkError:
        status, url = response.status_code, shown(str(response.url))
        message = f"{url}: {status} {response.reason_phrase}".rstrip()
        hint = _HINTS.get(status)
        if status == httpx.codes.NOT_FOUND:
            return NotFoundError(message)
        if status in _TRANSIENT:
            return TransientError(message, hint=hint, after=_retry_after(response))
        if status == httpx.codes.UNAUTHORIZED and self._auth.fault:
            hint = f"no credentials were read from {self._auth.fault}"
        return AnswerError(message, hint=hint, status=status)


class _Authorisation(httpx.Auth):
    """Credentials by origin, then by host from ~/.netrc; redirects elsewhere never get them.

    Attributes:
        fault: Why the netrc file could not be read, or None.
    """

    def __init__(self, credentials: Mapping[str, Credentials]) -> None:
        self._known = {origin_of(url): found for url, found in credentials.items()}
        self._netrc: netrc.netrc | None = None
        self.fault: str | None = None
        try:
            self._netrc = netrc.netrc(os.environ.get("NETRC"))
        except FileNotFoundError:
            pass
        except (OSError, netrc.NetrcParseError) as error:
            self.fault = f"the netrc file: {error}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Send `request` with what is known for its origin (the name is httpx's)."""
        found = self._known.get(origin_of(str(request.url)))
        entry = self._netrc.authenticators(request.url.host) if self._netrc else None
        if found is None and entry is not None:
            found = Credentials(entry[0] or "", entry[2] or "")
        if found is not None:
            token = base64.b64encode(f"{found.user}:{found.password}".encode()).decode()
            request.headers["Authorization"] = f"Basic {token}"
        yield request


def _stay_secure(response: httpx.Response) -> None:
    """A redirect may change the host, but not drop the encryption."""
    if response.has_redirect_location and response.url.scheme == "https":
        target = response.url.join(response.headers["Location"])
        if target.scheme != "https":
            raise NetworkError(
                f"{shown(str(response.url))}: redirected from https to {target.scheme}, refused"
            )


@contextmanager
def _mapped(url: str) -> Generator[None]:
    """Turn the library's exceptions into ours, most specific first."""
    place = shown(url)
    try:
        yield
    except httpx.TimeoutException as error:
        raise TransientError(f"{place}: no answer in time", hint=_CHECK_CONNECTION) from error
    except httpx.ProxyError as error:
        message = f"{place}: the proxy refused: {error}"
        raise NetworkError(message, hint="check HTTPS_PROXY and NO_PROXY") from error
    except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
        if _is_certificate_fault(error):
            hint = "set SSL_CERT_FILE to the certificate authorities of your network"
            raise NetworkError(f"{place}: {error}", hint=hint) from error
        what = str(error) or type(error).__name__
        raise TransientError(f"{place}: {what}", hint=_CHECK_CONNECTION) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise NetworkError(f"{place}: {error}") from error


def _is_certificate_fault(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def _retry_after(response: httpx.Response) -> float | None:
    text: str = response.headers.get("Retry-After", "")
    return float(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None


def _length(response: httpx.Response) -> int | None:
    text: str = response.headers.get("Content-Length", "")
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def _extent(response: httpx.Response) -> tuple[int, int | None]:
    """Where the body begins in the whole resource, and the size of the latter."""
    if response.status_code == _OK:
        plain = response.headers.get("Content-Encoding", "identity") == "identity"
        return 0, _length(response) if plain else None
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or (response.status_code == _PARTIAL and found[1] is None):
        if response.status_code == _RANGE_NOT_SATISFIABLE:
            return 0, None
        raise NetworkError(f"{shown(str(response.url))}: a 206 without a usable Content-Range")
    return int(found[1] or 0), None if found[3] == "*" else int(found[3])


def _body(response: httpx.Response, limit: int) -> bytes:
    return read_body(
        response.iter_raw(CHUNK),
        place=shown(str(response.url)),
        limit=limit,
        announced=_length(response),
        encoding=response.headers.get("Content-Encoding", "identity").lower(),
    )
