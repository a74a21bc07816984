"""Bounds on how often a client may ask, shared by all processes of a server.

Each client has one number: when all that it asked for would be done at the steady rate (GCRA, the
leaky bucket as a meter, ITU-T I.371). The numbers stand in a table of fixed size, so that a
million addresses need no more memory than one. Two clients that fall on the same place of it share
a bound; two processes that write at the same moment may lose one request. Both are rare, and
neither refuses a client that keeps within half of the bound.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableSequence
from dataclasses import dataclass

PLACES = 1 << 16
"""Clients that a table tells apart, about: 512 KiB."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A steady rate, and how much may come at once.

    Attributes:
        rate: Requests each second.
        burst: Requests at once, after a pause that was long enough.
        table: `PLACES` numbers, 0.0 at first; shared between processes.
        secret: Keeps strangers from choosing addresses that fall on somebody else's place.
    """

    rate: float
    burst: int
    table: MutableSequence[float]
    secret: bytes

    def wait(self, key: str, now: float) -> float:
        """Count one request; the seconds until it may come, 0.0 if now. A refused one is free.

        Args:
            key: The client's.
            now: In seconds, of a clock that never goes back, the same in all processes.
        """
        place = self._place(key)
        due = max(self.table[place], now)
        ahead = due - now - (self.burst - 1) / self.rate
        if ahead > 0:
            return ahead
        self.table[place] = due + 1 / self.rate
        return 0.0

    def blocked(self, key: str, now: float) -> float:
        """As `wait`, without counting."""
        return max(0.0, self.table[self._place(key)] - now - (self.burst - 1) / self.rate)

    def _place(self, key: str) -> int:
        digest = hashlib.blake2b(key.encode(), digest_size=4, key=self.secret).digest()
        return int.from_bytes(digest) % PLACES
