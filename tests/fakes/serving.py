"""The real server in a process of its own, for as long as a block lasts.

`python -m tests.fakes.serving MIRROR COMMAND…` runs a command while a mirror is served, with the
server's URL in place of each "{url}", and in it a name and password (`--as`) if it asks for them
(`--auth FILE`): for tests in a network namespace.
"""

from __future__ import annotations

import argparse
import base64
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundler.mirror.serve import Serving

AS_ROOT = ("--user", "root") if os.geteuid() == 0 else ()
"""What the command wants to hear from root: tests may run as anybody."""

_SERVE = """
import base64
import pickle
import sys
from datetime import UTC, datetime
from pathlib import Path
from bundler.mirror.layout import Mirror
from bundler.mirror.serve import run

def clock():
    return datetime.now(UTC)

def say(text):
    print(text, flush=True)

if __name__ == "__main__":
    serving = pickle.loads(base64.b64decode(sys.stdin.read()))
    run(Mirror.open(Path(sys.argv[1])), serving, clock, say, say)
"""


@dataclass(frozen=True)
class Server:
    """A server that runs: its URL, with a slash at the end, and its process."""

    url: str
    process: subprocess.Popen[str]

    def said(self) -> str:
        """The next line that it says of itself."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()


@contextmanager
def started(
    root: Path, serving: Serving, *, end: signal.Signals = signal.SIGTERM, errors: str | None = ""
) -> Iterator[Server]:
    """A server; at the end it must stop by itself, with 0, and have said `errors` on stderr."""
    arguments = [sys.executable, "-c", _SERVE, str(root)]
    with subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            process.stdin.write(base64.b64encode(pickle.dumps(serving)).decode())
            process.stdin.close()
            process.stdin = None
            url = process.stdout.readline().strip()
            if not url:
                raise AssertionError(process.stderr.read())
            yield Server(url, process)
            process.send_signal(end)
            _, said = process.communicate(timeout=20)
            assert process.returncode == 0, said
            assert errors is None or said == errors
        finally:
            # Its processes see that it has gone.
            process.kill()


@contextmanager
def serving(root: Path, **how: Any) -> Iterator[str]:
    """The URL of a server for as long as the block lasts; `how` is as in `Serving`."""
    with started(root, Serving(**how)) as server:
        yield server.url


def main() -> None:
    """Serve, run the command, end with its code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--auth", type=Path)
    parser.add_argument("--as", dest="who", default="")
    parser.add_argument("root", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    with serving(asked.root, auth=asked.auth) as url:
        known = url.replace("//", f"//{asked.who}@") if asked.who else url
        command = [argument.replace("{url}", known) for argument in asked.command]
        code = subprocess.run(command, check=False).returncode
    sys.exit(code)


if __name__ == "__main__":
    main()
