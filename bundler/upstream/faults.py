"""What goes wrong in HTTP as errors of ours: the library's exceptions and answers of no use."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Generator
from contextlib import contextmanager

import httpx

from bundler.errors import NetworkError, NotFoundError, RefusedError
from bundler.upstream.body import read_body
from bundler.upstream.retry import TransientError
from bundler.upstream.urls import shown

_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_HINTS = {
    401: "put the user name and password for this host into ~/.netrc (mode 0600)",
    403: "this account has no right to that file, or the index blocks it",
    407: "the proxy wants credentials: put them into HTTPS_PROXY",
    429: "the index asks for fewer requests; wait a little and run the command again",
}
# What Chainguard Libraries answers with status 409.
_REASONS = {
    "MALWARE_DETECTED": "the index found malware in it",
    "POLICY_ORG_BLOCKLIST": "your organisation's block list at the index names it",
    "POLICY_COOLDOWN": "it is younger than the index's cooldown allows",
}
_BLOCKED_HINT = "leave it out with a constraint, or ask whoever decides about the index's policy"
_MOST_WORDS, _SHOWN = 64 * 1024, 300
_CHECK_CONNECTION = "check the address and the network; behind a proxy, set HTTPS_PROXY"


class AnswerError(NetworkError):
    """The server answered, but with a status that is of no use.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, message: str, *, hint: str | None = None, status: int) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class BlockedError(RefusedError):
    """The index has the file, and its policy forbids to hand it out."""

    code = "blocked"


def refusal(response: httpx.Response, netrc_fault: str | None) -> NetworkError | BlockedError:
    """The error that a status of no use is; `netrc_fault` says why there were no credentials.

    What the index says of its reasons in JSON is read from the body, as far as it is short.
    """
    status, url = response.status_code, shown(str(response.url))
    reason = stated_reason(response)
    message = f"{url}: {status} {response.reason_phrase}".rstrip() + (
        f": {reason}" if reason else ""
    )
    hint = _HINTS.get(status)
    if status == httpx.codes.NOT_FOUND:
        return NotFoundError(message)
    if status == httpx.codes.CONFLICT and reason:
        return BlockedError(message, hint=_BLOCKED_HINT)
    if status in _TRANSIENT:
        return TransientError(message, hint=hint, after=_retry_after(response))
    if status == httpx.codes.UNAUTHORIZED and netrc_fault:
        hint = f"no credentials were read from {netrc_fault}"
    return AnswerError(message, hint=hint, status=status)


def stated_reason(response: httpx.Response) -> str:
    """Why an index refuses, in its own words; "" when it says nothing that can be read."""
    if "json" not in response.headers.get("Content-Type", "").lower():
        return ""
    try:
        body = read_body(
            response.iter_raw(),
            place="",
            limit=_MOST_WORDS,
            announced=None,
            encoding=response.headers.get("Content-Encoding", "identity").lower(),
        )
        found = json.loads(body)
    except (NetworkError, httpx.HTTPError, httpx.StreamError, ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    code, words = found.get("reason"), found.get("message", found.get("detail", found.get("error")))
    told = [_REASONS.get(code, code) if isinstance(code, str) else None, words]
    shown_words = (str(each) for each in told if isinstance(each, str) and each)
    return "".join(c for c in "; ".join(shown_words) if c.isprintable())[:_SHOWN]


@contextmanager
def mapped(url: str) -> Generator[None]:
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
    except httpx.InvalidURL as error:
        # The library's message quotes what it could not parse, which may be half a password.
        raise NetworkError(f"{place}: not an address that can be asked for") from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise NetworkError(f"{place}: {error}") from error


def _is_certificate_fault(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def _retry_after(response: httpx.Response) -> float | None:
    text: str = response.headers.get("Retry-After", "")
    return float(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None
