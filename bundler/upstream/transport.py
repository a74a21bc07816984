"""HTTP: the only module that talks to a network; it, `faults` and `names` know the HTTP library.

It guarantees bounded bodies, bounded attempts, errors of our own also in the middle of a body, and
that no message holds a password or a query. Credentials come from the caller (for one origin) or
from ~/.netrc (for one host); proxies and certificate authorities from the usual variables.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import httpx

from bundler import __version__
from bundler.errors import NetworkError
from bundler.upstream.body import read_body
from bundler.upstream.extent import (
    NOT_MODIFIED,
    OK,
    PARTIAL,
    RANGE_NOT_SATISFIABLE,
    extent,
    length_of,
)
from bundler.upstream.faults import mapped, refusal
from bundler.upstream.names import RememberedNames
from bundler.upstream.passwords import Passwords
from bundler.upstream.retry import Retry, TransientError
from bundler.upstream.sockets import Sockets
from bundler.upstream.tls import present_certificate, read_eagerly
from bundler.upstream.urls import Credentials, shown, split_credentials

_CONNECTIONS = 32
_TIMEOUT = httpx.Timeout(connect=15.0, read=60.0, write=60.0, pool=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole answer.

    Attributes:
        status: 200; or 206 or 416 when a range was asked for; or 304 when there were conditions.
        url: After redirects, without credentials.
        redirected: Whether there were redirects.
        headers: By names in lower case.
        content_type: The header as it came, "" when there is none.
        total: Size of the whole resource in bytes, where the answer says it: Content-Range of a
            206 or 416, Content-Length of a plain 200.
        start: Where the body begins in the resource.
        body: Empty when a range was asked for and the answer is not a 206, and in a 304.
    """

    status: int
    url: str
    redirected: bool
    headers: Mapping[str, str]
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
        """Chunks as they come, of any size.

        Raises:
            TransientError: if the connection ends or stalls before the body does.
        """
        with mapped(str(self._response.url)):
            yield from self._response.iter_raw()


class Transport:
    """Connections that are kept alive, for many threads; close it, or use it in a `with`."""

    def __init__(
        self,
        *,
        credentials: Mapping[str, Credentials] | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        authorities: ssl.SSLContext | None = None,
        names: RememberedNames | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            credentials: By URL; each is sent to the origin of that URL only.
            retry: How often and when to ask again.
            timeout: Seconds for connecting, and for each read, instead of the usual ones.
            authorities: Instead of those that the usual variables name.
            names: Those that are known already.
        """
        self.retry = retry or Retry()
        self._credentials = credentials or {}
        self._timeout = timeout
        self._passwords = Passwords(self._credentials)
        self._names = names or RememberedNames()
        self._sockets = Sockets()
        try:
            self._authorities = read_eagerly(authorities or httpx.create_ssl_context())
        except OSError as error:
            hint = "check SSL_CERT_FILE and SSL_CERT_DIR"
            raise NetworkError(f"no certificate authorities: {error}", hint=hint) from error
        if authorities is None:
            present_certificate(self._authorities, os.environ)
        try:
            self._client = httpx.Client(
                auth=_Authorisation(self._passwords),
                verify=self._authorities,
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
        self._names.serve(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def branch(self) -> Transport:
        """One with the same settings and connections of its own, to be closed on its own.

        So each who asks for many things at once can `interrupt` them without harm to others.
        """
        return Transport(
            credentials=self._credentials,
            retry=self.retry,
            timeout=self._timeout,
            authorities=self._authorities,
            names=self._names,
        )

    def interrupt(self) -> None:
        """Cut every connection, from any thread: who waits for an answer gets an error at once.

        Nothing can be asked afterwards. A connection that is being made cannot be cut; it ends
        when it is made, or after its timeout.
        """
        self._sockets.cut()

    def identity(self, url: str) -> str:
        """Who asks for `url`: "" without credentials, else what differs for different ones.

        It tells nobody the password, not even by trying many: it is slow to compute.
        """
        return self._passwords.identity(url)

    def get(
        self,
        url: str,
        *,
        limit: int,
        accept: str = "*/*",
        byte_range: str | None = None,
        more: Mapping[str, str] | None = None,
        stop: threading.Event | None = None,
    ) -> Response:
        """Ask for a body of at most `limit` bytes.

        Args:
            url: Absolute.
            limit: In bytes, after decompression; reading ends there.
            accept: The media types that are wanted.
            byte_range: Such as "0-99" or "-65536" (RFC 9110 §14.1.2).
            more: Further headers, such as conditions (RFC 9110 §13.1).
            stop: Once set, nothing is tried again.

        Raises:
            NotFoundError: the answer is 404.
            NetworkError: every other failure, a body over `limit` included.
        """
        headers = {"Accept": accept, "Accept-Encoding": "gzip", **(more or {})}
        if byte_range is not None:
            headers |= {"Range": f"bytes={byte_range}", "Accept-Encoding": "identity"}

        def once() -> Response:
            with self._open(url, headers) as response:
                start, total = _extent(response)
                useful = response.status_code == (OK if byte_range is None else PARTIAL)
                return Response(
                    status=response.status_code,
                    url=split_credentials(str(response.url))[0],
                    redirected=bool(response.history),
                    headers=dict(response.headers),
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
        if self._sockets.are_cut:
            raise TransientError(f"{shown(url)}: not asked, as all connections were cut")
        with (
            mapped(url),
            self._client.stream(
                "GET", url, headers=headers, extensions={"trace": self._sockets.note}
            ) as response,
        ):
            allowed = {OK}
            if "Range" in headers:
                allowed |= {PARTIAL, RANGE_NOT_SATISFIABLE}
            if headers.keys() & {"If-None-Match", "If-Modified-Since"}:
                allowed |= {NOT_MODIFIED}
            if response.status_code not in allowed:
                raise refusal(response, self._passwords.fault)
            yield response


class _Authorisation(httpx.Auth):
    """Sends what is known for an origin; asks the host's keyring once an index has refused."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """The library's hook: requests out, answers in."""
        value = self._passwords.header(str(request.url))
        if value is not None:
            request.headers["Authorization"] = value
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            value = self._passwords.from_keyring(str(request.url))
            if value is not None and value != request.headers.get("Authorization"):
                request.headers["Authorization"] = value
                yield request


def _stay_secure(response: httpx.Response) -> None:
    """A redirect may change the host, but not drop the encryption."""
    if response.has_redirect_location and response.url.scheme == "https":
        target = response.url.join(response.headers["Location"])
        if target.scheme != "https":
            raise NetworkError(
                f"{shown(str(response.url))}: redirected from https to {target.scheme}, refused"
            )


def _extent(response: httpx.Response) -> tuple[int, int | None]:
    return extent(response.status_code, response.headers, shown(str(response.url)))


def _body(response: httpx.Response, limit: int) -> bytes:
    return read_body(
        response.iter_raw(),
        place=shown(str(response.url)),
        limit=limit,
        announced=length_of(response.headers),
        encoding=response.headers.get("Content-Encoding", "identity").lower(),
    )
