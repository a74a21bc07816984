"""Who is let in: by address, by rate, by name; in this order, the cheapest first.

`/health` needs no name: whoever balances load has none. `/metrics` is for this host, and for the
networks that were given; a name neither helps nor is needed there.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bundler.mirror.clients import LOOPBACK, Client, Network, client_of, is_in
from bundler.mirror.credentials import Credentials
from bundler.mirror.exchange import Response, text
from bundler.mirror.rates import Bound

Reason = Literal["address", "credentials", "rate"]

HEALTH = "/health"
METRICS = "/metrics"
_ASK = {"WWW-Authenticate": 'Basic realm="package mirror", charset="UTF-8"'}
_CHECKS_AT_ONCE = 2  # slow hashes: more would take the processors from everyone


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered, and what is said instead."""

    reason: Reason
    answer: Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What was asked for on the command line.

    Attributes:
        allow: The networks that may ask; empty for all.
        proxies: The networks whose `X-Forwarded-For` is believed.
        metrics: The networks that may see the figures.
    """

    allow: tuple[Network, ...] = ()
    proxies: tuple[Network, ...] = ()
    metrics: tuple[Network, ...] = LOOPBACK


class Guard:
    """Lets requests in, or not."""

    def __init__(
        self,
        rules: Rules,
        clock: Callable[[], datetime],
        seconds: Callable[[], float],
        *,
        credentials: Credentials | None = None,
        rate: Bound | None = None,
        failures: Bound | None = None,
    ) -> None:
        """Make one for each process.

        Args:
            rules: By address.
            clock: The time of day.
            seconds: A clock that never goes back, the same in all processes.
            credentials: None lets everyone in.
            rate: How often a client may ask; None for as often as it likes.
            failures: How often a client may be wrong about its password.
        """
        self._rules = rules
        self._clock = clock
        self._seconds = seconds
        self._credentials = credentials
        self._rate = rate
        self._failures = failures
        self._checks = asyncio.Semaphore(_CHECKS_AT_ONCE)

    def client(self, peer: str, headers: Mapping[str, str]) -> Client:
        """Who asks, by the address and port at the other end."""
        return client_of(peer.rpartition(":")[0], headers, self._rules.proxies)

    def is_open(self) -> bool:
        """Whether no address is refused a page; `refuse` need not be asked for one then."""
        return not self._rules.allow and self._rate is None

    def refuse(self, client: Client, path: str) -> Refusal | None:
        """What can be said without a name; None lets the request on."""
        if self._rules.allow and not is_in(client.address, self._rules.allow):
            return Refusal("address", text(403, "this address may not read the mirror"))
        if path == METRICS and not (client.sure and is_in(client.address, self._rules.metrics)):
            return Refusal("address", text(403, "this address may not read the figures"))
        if self._rate:
            wait = self._rate.wait(client.key, self._seconds())
            if wait > 0:
                return _too_many(wait)
        return None

    def needs_name(self, path: str) -> bool:
        """Whether only who is known may ask for a path."""
        return self._credentials is not None and path not in {HEALTH, METRICS}

    def known(self, headers: Mapping[str, str]) -> str | None:
        """The name of who asks, if that can be said at once; None if not."""
        if self._credentials is None:
            raise ValueError("nobody has a name here")
        return self._credentials.known(headers.get("authorization"), self._clock())

    async def name(self, client: Client, headers: Mapping[str, str]) -> str | Refusal:
        """The name of who asks, or why not."""
        if self._credentials is None:
            raise ValueError("nobody has a name here")
        sent = headers.get("authorization")
        now = self._clock()
        known = self._credentials.known(sent, now)
        if known is not None:
            return known
        if sent is None:
            return Refusal("credentials", text(401, "name and password, please", _ASK))
        return await self._verify(self._credentials, client, sent, now)

    async def _verify(
        self, credentials: Credentials, client: Client, sent: str, now: datetime
    ) -> str | Refusal:
        if self._failures and (wait := self._failures.blocked(client.key, self._seconds())) > 0:
            return _too_many(wait)
        async with self._checks:
            known = await asyncio.to_thread(credentials.verify, sent, now)
        if known is not None:
            return known
        if self._failures:
            self._failures.wait(client.key, self._seconds())
        return Refusal("credentials", text(401, "name or password is wrong", _ASK))


def _too_many(wait: float) -> Refusal:
    return Refusal(
        "rate", text(429, "too many requests", {"Retry-After": str(max(1, math.ceil(wait)))})
    )
