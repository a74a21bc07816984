"""The real server in a process of its own, for as long as a block lasts.

`python -m tests.fakes.serving MIRROR COMMAND…` runs a command while a mirror is served, with the
server's URL in place of each "{url}": for tests in a network namespace.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SERVE = """
import sys
from pathlib import Path
from bundler.mirror.layout import Mirror
from bundler.mirror.serve import run
root, host, cert, key = sys.argv[1:]
run(Mirror.open(Path(root)), host, 0, Path(cert) if cert else None, Path(key) if key else None,
    lambda url: print(url, flush=True))
"""


@contextmanager
def serving(
    root: Path,
    *,
    host: str = "127.0.0.1",
    tls: tuple[Path, Path] | None = None,
    end: signal.Signals = signal.SIGTERM,
) -> Iterator[str]:
    """The server's URL; at the end it must stop by itself, with 0 and nothing on stderr."""
    cert, key = tls or ("", "")
    arguments = [sys.executable, "-c", _SERVE, str(root), host, str(cert), str(key)]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        assert server.stderr
        try:
            url = server.stdout.readline().strip()
            if not url:
                raise AssertionError(server.stderr.read())
            yield url
            server.send_signal(end)
            _, errors = server.communicate(timeout=20)
            assert (server.returncode, errors) == (0, "")
        finally:
            server.kill()


def main() -> None:
    """Serve, run the command, end with its code."""
    with serving(Path(sys.argv[1])) as url:
        command = [argument.replace("{url}", url) for argument in sys.argv[2:]]
        code = subprocess.run(command, check=False).returncode
    sys.exit(code)


if __name__ == "__main__":
    main()
