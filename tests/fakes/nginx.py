"""A real nginx, with a part of its configuration as docs/serving.md has it."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.documents import ROOT, blocks, section


def nginx_file(folder: Path, text: str, main: str = "") -> Path:
    """A whole configuration around a part of it, that touches nothing outside the folder."""
    path = folder / "nginx.conf"
    temporary = "".join(
        f"{name}_temp_path {folder}/t;" for name in
        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )  # fmt: skip
    path.write_text(
        f"daemon off; {main} pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{text} }}\n"
    )
    return path


@contextmanager
def listening(
    port: int, log: Path, *words: str | Path, environ: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A server, from when it listens to the end of the block."""
    argv = list(map(str, words))
    with (
        log.open("wb") as said,
        subprocess.Popen(argv, stdout=said, stderr=said, env=environ, cwd=ROOT) as process,
    ):
        try:
            end = time.monotonic() + 15
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < end, log.read_text()
                    time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def static_mirror(root: Path, folder: Path) -> Iterator[str]:
    """The URL of a mirror under nginx, as docs/serving.md sets it up, but for TLS."""
    page = (ROOT / "docs" / "serving.md").read_text()
    (text,) = blocks(section(page, "With nginx"), "nginx")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    text = text.replace("/srv/mirror", str(root)).replace("8443 ssl http2", f"127.0.0.1:{port}")
    text = re.sub(r"\n *ssl_\w+ [^;]*;", "", text)
    # In a namespace, even root has no other account to change to.
    path = nginx_file(folder, text, "master_process off; user root root;")
    program = shutil.which("nginx") or "nginx"
    with listening(port, folder / "nginx.log", program, "-c", path, "-e", "stderr"):
        yield f"http://127.0.0.1:{port}/"
