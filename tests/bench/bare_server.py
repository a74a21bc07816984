"""The server below `bundle serve` with an application that does nothing but send one page.

    python -m tests.bench.bare_server PORT WORKERS PAGE

What it reaches is what `bundle serve` could reach at most on granian's own way of calling.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.server import MPServer

from bundler.mirror.wire import Scope, Wire


@dataclass(frozen=True)
class OnePage:
    """Whatever is asked for, this is the answer."""

    page: bytes

    async def __rsgi__(self, _scope: Scope, wire: Wire) -> None:
        length = str(len(self.page))
        wire.response_bytes(
            200,
            [
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-cache"),
                ("Vary", "Accept, Accept-Encoding"),
                ("ETag", f'"{length:>064}"'),
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Length", length),
                ("Server", "bare"),
            ],
            self.page,
        )


def main() -> None:
    """Serve until told to end."""
    port, workers, page = sys.argv[1:]
    MPServer(
        "bare",
        port=int(port),
        interface=Interfaces.RSGI,
        workers=int(workers),
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
    ).serve(
        target_loader=partial(OnePage, Path(page).read_bytes()),  # type: ignore[arg-type]  # RSGI is not
        wrap_loader=False,
    )


if __name__ == "__main__":
    main()
